"""Requests without a story: they pass as they are, once it is known that they carry no file.

Those that do follow ``GATEWAY_UNLISTED_UPLOADS``. What a body is tell its Content-Type and its
first piece, for which alone a request waits; what comes after it is looked at as it passes.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple

from gateway.accounting import Account
from gateway.body.nature import Look, Nature, declared
from gateway.edge.body import RequestBody
from gateway.edge.caller import Origin
from gateway.edge.passthrough import SAFE, Passthrough
from gateway.edge.responder import Responder
from gateway.endpoints import CARRY_NO_FILE, UNLISTED, looks_like_a_row
from gateway.identity.credentials import find_plugin_credential
from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request, unguarded_upload
from gateway.upload.receive import Unread
from gateway.upload.request import Passage, Source, UploadRequest
from gateway.upload.unlisted import UnlistedUploads
from gateway.upstream.connection import RawHeaders
from gateway.upstream.exchange import Content

Handling = Literal["inspect", "deny", "allow"]
"""What becomes of files for addresses that are in no row."""

_DISPOSITION = b"content-disposition"
_NOT_WHAT_IT_BEGAN_AS = phrase(
    "its body began as text and went on as something else. Say in its Content-Type what it is."
)


class Asked(NamedTuple):
    """A request for which the guard table has no story."""

    at_a_row: bool
    """Whether its address is in the table, where only its method has none."""
    method: str
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    """The first of each name, in lower case."""
    all_headers: RawHeaders
    origin: Origin
    body: RequestBody
    responder: Responder
    account: Account


class Unlisted:
    """Lets requests pass, and keeps files out or has them inspected."""

    def __init__(
        self,
        passthrough: Passthrough,
        uploads: UnlistedUploads,
        handling: Handling,
        *,
        subpath: str,
        check_audit: Callable[[], None] | None = None,
    ) -> None:
        """``subpath`` is Mattermost's; ``check_audit`` as in ``GatewayApp``."""
        self._check_audit = check_audit
        self._passthrough = passthrough
        self._uploads = uploads
        self._handling = handling
        self._plugins_path = f"{subpath}/plugins/".encode()

    async def serve(self, asked: Asked, upload_request: Callable[[], UploadRequest]) -> None:
        """Forward a request and its answer. Raises Refused, UpstreamError and ClientGone.

        ``upload_request`` makes of it what it is if it carries a file.
        """
        if asked.method not in CARRY_NO_FILE and looks_like_a_row(asked.path):
            raise Refused(unguarded_upload())
        allowed = self._handling == "allow" and not asked.at_a_row
        if allowed or asked.body.length == 0:
            await self._forward(asked)
            return
        body: Source = asked.body
        nature = _nature(asked.headers)
        if nature in (Nature.JSON, Nature.TEXT):
            look = Look(nature)
            first = await body.read()
            if look.believes(first):
                await self._forward(asked, Passage(_watched(first, look, asked)))
                return
            body = Unread(first, body)
        self._check(asked)
        await self._take_file(asked, upload_request()._replace(body=body))

    def _check(self, asked: Asked) -> None:
        """Raises Refused where no file may pass."""
        if asked.at_a_row:
            raise Refused(unguarded_upload())
        asked.account.endpoint = UNLISTED
        asked.account.is_upload = True
        if self._check_audit is not None:
            self._check_audit()
        if self._handling == "deny":
            raise Refused(unguarded_upload())
        if asked.method in SAFE:
            raise Refused(
                ambiguous_request(
                    phrase("a {method} request has a file as its body.", method=asked.method)
                )
            )

    async def _take_file(self, asked: Asked, request: UploadRequest) -> None:
        if asked.path.startswith(self._plugins_path):
            credential = find_plugin_credential(asked.headers, request.query)
            request = request._replace(credential=credential)
        dispositions = [value for name, value in asked.all_headers if name == _DISPOSITION]
        onward = partial(self._forward, asked)
        await self._uploads.upload(asked.path, request, dispositions, onward, asked.account)

    async def _forward(self, asked: Asked, passage: Passage | None = None) -> None:
        await self._passthrough.forward(
            asked.method,
            asked.path,
            asked.query,
            asked.all_headers,
            asked.origin,
            asked.body,
            asked.responder,
            asked.account,
            passage,
        )


def _nature(headers: Mapping[bytes, bytes]) -> Nature:
    """What is encoded is not what it says; only what it is could tell."""
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Nature.FILE
    return declared(headers.get(b"content-type", b""))


def _watched(first: bytes, look: Look, asked: Asked) -> Content:
    """What began as JSON or text has to go on like that."""
    body = asked.body

    async def read() -> bytes:
        piece = await body.read()
        if look.left and not look.believes(piece):
            if not asked.at_a_row:
                asked.account.endpoint = UNLISTED
            raise Refused(ambiguous_request(_NOT_WHAT_IT_BEGAN_AS))
        return piece

    return Content(first, None if body.ended else read, body.length, None, body.check)
