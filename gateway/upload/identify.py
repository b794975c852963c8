"""Who is calling, and what Mattermost is to be told of them."""

from gateway.identity.sessions import Sessions
from gateway.refusals import Refused, session_expired
from gateway.upload.request import Caller, UploadRequest
from gateway.upstream.exchange import header_lines
from gateway.upstream.mattermost import credential_headers
from gateway.values import Credential

ANY_FILE = b"application/octet-stream"


async def identify(sessions: Sessions, request: UploadRequest) -> Caller:
    """Whoever sends ``request``. Raises Refused (401, 403), and UpstreamError if nobody can say."""
    identity = await sessions.identify(request.credential, request.forwarded)
    if request.credential is None or not request.csrf_passes:
        raise Refused(session_expired())
    return Caller(identity, request.credential, head(request, request.credential, ANY_FILE))


def head(request: UploadRequest, credential: Credential, content_type: bytes) -> bytes:
    """The header lines of an upload to Mattermost, but for framing."""
    headers = [*request.forwarded, *credential_headers(credential)]
    if content_type:
        headers.append((b"content-type", content_type))
    return header_lines(headers)
