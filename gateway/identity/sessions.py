"""Mattermost sessions: asked for once, then remembered for a while, under a hash only."""

from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic

from gateway.identity.memory import CredentialHash, Memory
from gateway.refusals import Refusal, Refused, session_expired
from gateway.values import Credential, Identity

RawHeaders = list[tuple[bytes, bytes]]
Ask = Callable[[Credential, RawHeaders], Awaitable[Identity | Refusal]]
"""Asks Mattermost who holds a credential; raises UpstreamError."""


class Sessions:
    """Who holds a credential, according to Mattermost, at most ``ttl`` seconds ago."""

    def __init__(
        self,
        ask: Ask,
        *,
        ttl: float,
        negative_ttl: float,
        size: int,
        count: Callable[[str], None] = lambda result: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Up to ``size`` answers of each kind are remembered; ``count`` hears each result."""
        self._ask = ask
        self._memory: Memory[Identity] = Memory(
            ttl=ttl, negative_ttl=negative_ttl, size=size, count=count, clock=clock
        )
        self._recall = self._memory.recall
        self._key = CredentialHash().digest

    async def identify(self, credential: Credential | None, headers: RawHeaders) -> Identity:
        """Who is calling. Raises Refused (401, 403), and UpstreamError if nobody can say.

        ``headers`` go along with the question: request id, addresses, language.
        """
        if credential is None or not credential.token:
            raise Refused(session_expired())
        key = self._key(credential)
        answer = self._recall(key)
        if answer is None:
            answer = await self._memory.ask(key, partial(self._ask, credential, headers))
        if isinstance(answer, Refusal):
            raise Refused(answer)
        return answer

    def forget(self, credential: Credential) -> None:
        """Ask again next time: Mattermost has just rejected this credential."""
        self._memory.forget(self._key(credential))
