"""Everything that carries no file: forwarded as it came, streamed both ways."""

from collections.abc import Mapping

from gateway.accounting import Account
from gateway.edge.answers import HOP_BY_HOP
from gateway.edge.body import RequestBody
from gateway.edge.caller import Origin
from gateway.edge.responder import Responder
from gateway.endpoints import CARRY_NO_FILE, looks_like_a_row
from gateway.refusals import Refused, unguarded_upload
from gateway.upload.facts import judged_by_mattermost
from gateway.upstream.connection import RawHeaders, Response
from gateway.upstream.exchange import Content, header_lines
from gateway.upstream.mattermost import Mattermost

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# Said anew by the gateway: framing and expectation are each connection's own, addresses and
# request ids are believed from nobody.
REPLACED = HOP_BY_HOP | {
    b"content-length",
    b"expect",
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
}


class Passthrough:
    """Forwards requests that are none of the gateway's business."""

    def __init__(self, mattermost: Mattermost) -> None:
        self._mattermost = mattermost

    async def forward(
        self,
        method: str,
        path: bytes,
        query: bytes,
        headers: RawHeaders,
        origin: Origin,
        body: RequestBody,
        responder: Responder,
        account: Account,
    ) -> None:
        """Forward one request and its answer. Raises Refused, UpstreamError, ClientGone."""
        first = dict(reversed(headers))
        self._keep_files_out(method, path, first)
        content = _content(first, body)
        exchange = self._mattermost.exchange(
            method.encode(),
            path + (b"?" + query if query else b""),
            header_lines([*end_to_end(headers, first, REPLACED), *origin.headers]),
            content,
            safe=method in _SAFE and content.rest is None,
        )
        try:
            await pass_on(await exchange.send(), responder, account)
        finally:
            exchange.close()

    def _keep_files_out(self, method: str, path: bytes, headers: Mapping[bytes, bytes]) -> None:
        """No file passes by an address for which there is no rule."""
        declared = headers.get(b"content-type", b"").lower()
        takes_file = method not in CARRY_NO_FILE and looks_like_a_row(path)
        if takes_file or b"multipart/" in declared:
            raise Refused(unguarded_upload())


async def pass_on(response: Response, responder: Responder, account: Account) -> None:
    """Give the client Mattermost's answer. Raises Broken and ClientGone."""
    account.status = response.status
    account.outcome, account.reason = judged_by_mattermost(response.status)
    await responder.start(response.status, answer_headers(response))
    async for piece in response.chunks():
        await responder.body(piece, more=True)
    await responder.body(b"", more=False)


def answer_headers(response: Response) -> RawHeaders:
    """Those that are for the client; the request's id is the gateway's."""
    dropped = HOP_BY_HOP | {b"x-request-id"}
    return end_to_end(response.headers, dict(response.headers), dropped)


def _content(headers: Mapping[bytes, bytes], body: RequestBody) -> Content:
    if b"transfer-encoding" in headers:
        return Content(b"", body.read, None)
    length = int(headers.get(b"content-length", b"0"))
    return Content(b"", body.read, length) if length else Content()


def end_to_end(
    headers: RawHeaders, first: Mapping[bytes, bytes], dropped: frozenset[bytes]
) -> RawHeaders:
    """Headers without those of the connection (RFC 9110, 7.6.1)."""
    connection = first.get(b"connection")
    if connection is not None:
        dropped |= {option.strip().lower() for option in connection.split(b",")}
    return [header for header in headers if header[0] not in dropped]
