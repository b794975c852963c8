"""What machines ask beside uploading: little, and only what they were given leave to.

Their requests go on with the token of their account in place of what they came with.
"""

from collections.abc import Callable

from gateway.accounting import Account
from gateway.edge.passthrough import Passthrough
from gateway.edge.progress import Progress
from gateway.edge.unlisted import Asked
from gateway.endpoints import CHUNKS, Endpoint, Way
from gateway.machines.limits import Permission
from gateway.phrases import phrase
from gateway.refusals import Refused, credential_limited
from gateway.upload.identify import Callers, check_endpoint
from gateway.upload.posting import read_post
from gateway.upload.request import Caller, Passage, UploadRequest
from gateway.upstream.connection import RawHeaders
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import credential_headers

_READING = frozenset({"GET", "HEAD"})
_CREDENTIALS = frozenset(
    {b"authorization", b"cookie", b"x-csrf-token", b"x-remotecluster-id", b"x-remotecluster-token"}
)
_ELSEWHERE = phrase("is for uploads, and cannot be used here")
_JSON = b"application/json"


class MachineRequests:
    """Forwards them, in the name of the account."""

    def __init__(
        self, callers: Callers, passthrough: Passthrough, progress: Progress, *, subpath: str
    ) -> None:
        """``subpath`` is Mattermost's."""
        self._callers = callers
        self._passthrough = passthrough
        self._progress = progress
        self._api_path = f"{subpath}/api/".encode()
        self._posts_path = f"{subpath}/api/v4/posts".encode()

    async def serve(
        self, endpoint: Endpoint | None, asked: Asked, upload_request: Callable[[], UploadRequest]
    ) -> None:
        """Forward a request and its answer. Raises Refused, UpstreamError and ClientGone.

        ``endpoint`` is the row of its address, if it is in one.
        """
        caller = await self._identify(upload_request(), asked.account)
        machine = caller.sender.machine
        if machine is None:
            raise TypeError("this is no machine's request")
        allowed = machine.limits.permissions
        if asked.method in _READING and endpoint is not None and asked.body.length == 0:
            if endpoint.name == CHUNKS:
                check_endpoint(machine, CHUNKS)
                return await self._tell_progress(asked, caller)
            if self._is_download(endpoint, asked.path) and Permission.FILES_READ in allowed:
                return await self._forward(asked, caller)
        elif (
            asked.method == "POST"
            and asked.path == self._posts_path
            and Permission.POSTS_CREATE in allowed
        ):
            post = await read_post(asked.body, asked.body.length, machine)
            passage = Passage(Content(post, None, len(post)), _JSON)
            return await self._forward(asked, caller, passage)
        raise Refused(credential_limited(_ELSEWHERE))

    async def _identify(self, request: UploadRequest, account: Account) -> Caller:
        return await self._callers.identify(request, account)

    async def _tell_progress(self, asked: Asked, caller: Caller) -> None:
        mine = asked._replace(all_headers=_in_the_name_of(caller, asked.all_headers, None))
        if asked.method != "GET" or not await self._progress.serve(mine):
            await self._forward(asked, caller)

    def _is_download(self, endpoint: Endpoint, path: bytes) -> bool:
        """Public links need nobody's leave, and nobody's token."""
        return endpoint.way is Way.DOWNLOAD and path.startswith(self._api_path)

    async def _forward(self, asked: Asked, caller: Caller, passage: Passage | None = None) -> None:
        await self._passthrough.forward(
            asked.method,
            asked.path,
            asked.query if passage is None else b"",
            _in_the_name_of(caller, asked.all_headers, passage),
            asked.origin,
            asked.body,
            asked.responder,
            asked.account,
            passage,
        )


def _in_the_name_of(caller: Caller, headers: RawHeaders, passage: Passage | None) -> RawHeaders:
    dropped = _CREDENTIALS if passage is None else _CREDENTIALS | {b"content-type"}
    kept = [header for header in headers if header[0] not in dropped]
    if passage is not None:
        kept.append((b"content-type", _JSON))
    return [*kept, *credential_headers(caller.credential)]
