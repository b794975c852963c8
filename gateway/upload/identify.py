"""Who is calling, and what Mattermost is to be told of them."""

from gateway.identity.sessions import Sessions
from gateway.policy.circumstances import IdentityKind
from gateway.refusals import Refused, session_expired
from gateway.upload.request import Caller, Sender, UploadRequest
from gateway.upstream.exchange import header_lines
from gateway.upstream.mattermost import credential_headers
from gateway.values import Credential, CredentialKind, Identity

ANY_FILE = b"application/octet-stream"


async def identify(sessions: Sessions, request: UploadRequest) -> Caller:
    """Whoever sends ``request``. Raises Refused (401, 403), and UpstreamError if nobody can say."""
    identity = await sessions.identify(request.credential, request.forwarded)
    if request.credential is None or not request.csrf_passes:
        raise Refused(session_expired())
    sender = sender_of(request, identity)
    return Caller(identity, request.credential, head(request, request.credential, ANY_FILE), sender)


def sender_of(request: UploadRequest, identity: Identity | None) -> Sender:
    """Whoever sends ``request``, of whom Mattermost says that it is ``identity``."""
    credential = request.credential
    if identity is None or credential is None:
        return Sender(None, IdentityKind.STRANGER)
    server = credential.kind is CredentialKind.SERVER
    kind = IdentityKind.SERVER if server else IdentityKind.SESSION
    return Sender(identity, kind, credential, request.forwarded)


def head(request: UploadRequest, credential: Credential, content_type: bytes) -> bytes:
    """The header lines of an upload to Mattermost, but for framing."""
    headers = [*request.forwarded, *credential_headers(credential)]
    if content_type:
        headers.append((b"content-type", content_type))
    return header_lines(headers)
