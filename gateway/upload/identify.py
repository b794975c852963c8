"""Who is calling, and what Mattermost is to be told of them."""

from collections.abc import Coroutine
from typing import Any

from gateway.accounting import Account
from gateway.endpoints import CHUNKS, IMPORTS, SESSIONS
from gateway.identity.sessions import Sessions
from gateway.machines.admission import Admission, Machine
from gateway.phrases import phrase
from gateway.policy.circumstances import IdentityKind
from gateway.refusals import Refused, credential_limited, session_expired
from gateway.upload.request import Caller, Sender, UploadRequest
from gateway.upstream.exchange import header_lines
from gateway.upstream.mattermost import credential_headers
from gateway.values import Credential, CredentialKind, Identity

ANY_FILE = b"application/octet-stream"
_OF_SESSIONS = frozenset({SESSIONS, CHUNKS})


class Callers:
    """Knows callers, by whichever method their credentials belong to."""

    def __init__(self, sessions: Sessions, machines: Admission) -> None:
        self.sessions = sessions
        self._machines = machines

    def identify(self, request: UploadRequest, account: Account) -> Coroutine[Any, Any, Caller]:
        """Whoever sends ``request``. Raises Refused, and UpstreamError if nobody can say."""
        credential = request.credential
        if credential is not None and credential.kind in _MACHINES:
            return self._identify_machine(request, credential, account)
        return identify(self.sessions, request, account)

    def forget(self, credential: Credential) -> None:
        """Ask again next time: Mattermost has just rejected ``credential``, somebody's own or an
        account's."""
        self.sessions.forget(credential)
        self._machines.forget(credential)

    async def _identify_machine(
        self, request: UploadRequest, credential: Credential, account: Account
    ) -> Caller:
        admitted = await self._machines.admit(credential, request.client, request.forwarded)
        machine, identity, credential = admitted
        account.user_id, account.locale = identity.user_id, identity.locale
        account.machine = machine.log_fields()
        if request.endpoint:
            check_endpoint(machine, request.endpoint)
        sender = Sender(identity, machine.kind, credential, request.forwarded, machine)
        return Caller(identity, credential, head(request, credential, ANY_FILE), sender)


# Looked up once, as in gateway.values.
_SERVER, _SESSION = CredentialKind.SERVER, IdentityKind.SESSION
_MACHINES = frozenset({CredentialKind.API_KEY, CredentialKind.JWT})


def check_endpoint(machine: Machine, endpoint: str) -> None:
    """Raises Refused where ``machine`` may not upload to that row, or whatever belongs to it."""
    wanted = {SESSIONS, IMPORTS.name} if endpoint in _OF_SESSIONS else {endpoint}
    if machine.limits.endpoints.isdisjoint(wanted):
        raise Refused(credential_limited(phrase("cannot be used for uploads of this kind")))


async def identify(
    sessions: Sessions, request: UploadRequest, account: Account | None = None
) -> Caller:
    """Whoever sends ``request`` with a credential of Mattermost's, who is a user if there is an
    ``account``. Raises Refused (401, 403), and UpstreamError if nobody can say."""
    identity = await sessions.identify(request.credential, request.forwarded)
    if request.credential is None or not request.csrf_passes:
        raise Refused(session_expired())
    if account is not None:
        account.user_id, account.locale = identity.user_id, identity.locale
    sender = sender_of(request, identity)
    return Caller(identity, request.credential, head(request, request.credential, ANY_FILE), sender)


def sender_of(request: UploadRequest, identity: Identity | None) -> Sender:
    """Whoever sends ``request``, of whom Mattermost says that it is ``identity``."""
    credential = request.credential
    if identity is None or credential is None:
        return Sender(None, IdentityKind.STRANGER)
    kind = IdentityKind.SERVER if credential.kind is _SERVER else _SESSION
    return Sender(identity, kind, credential, request.forwarded)


def head(request: UploadRequest, credential: Credential, content_type: bytes) -> bytes:
    """The header lines of an upload to Mattermost, but for framing."""
    headers = [*request.forwarded, *credential_headers(credential)]
    if content_type:
        headers.append((b"content-type", content_type))
    return header_lines(headers)
