"""Upload sessions as Mattermost has them."""

from collections.abc import Callable

from gateway.refusals import Refusal, Refused
from gateway.upload.request import Caller
from gateway.upload.transfer import Transfer
from gateway.upstream.exchange import Content
from gateway.upstream.mattermost import Mattermost, credential_query
from gateway.values import Credential, UploadSession


class RemoteSessions:
    """Speaks to Mattermost about sessions, in the name of callers."""

    def __init__(
        self,
        mattermost: Mattermost,
        forget: Callable[[Credential], None],
        count_exchange: Callable[[str], None],
    ) -> None:
        """``forget`` hears of credentials that Mattermost does not know any more."""
        self._mattermost = mattermost
        self._forget = forget
        self._count_exchange = count_exchange

    async def ask(self, session_id: str, caller: Caller) -> UploadSession:
        """The session as Mattermost knows it. Raises Refused with its refusal, UpstreamError."""
        session = await self._mattermost.upload_session(
            session_id, caller.credential, caller.sender.forwarded
        )
        if isinstance(session, Refusal):
            self.heed(caller, session.status)
            raise Refused(session)
        return session

    def declaration(self, caller: Caller, head: bytes, content: Content) -> Transfer:
        """One that makes a session."""
        return self._transfer("", caller, head, content)

    def chunk(self, session_id: str, caller: Caller, content: Content) -> Transfer:
        """One that brings a piece of its file."""
        return self._transfer(f"/{session_id}", caller, caller.head, content)

    def heed(self, caller: Caller, status: int) -> None:
        """Mattermost has answered ``caller`` with ``status``."""
        if status == 401:
            self._forget(caller.credential)

    def _transfer(self, path: str, caller: Caller, head: bytes, content: Content) -> Transfer:
        target = f"{self._mattermost.subpath}/api/v4/uploads{path}"
        target += credential_query(caller.credential)
        return Transfer(self._mattermost, self._count_exchange, target.encode(), head, content)
