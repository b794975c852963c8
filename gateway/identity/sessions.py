"""Mattermost sessions: asked for once, then remembered for a while, under a hash only."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic

from gateway.refusals import Refusal, Refused, session_expired
from gateway.values import Credential, Identity

RawHeaders = list[tuple[bytes, bytes]]
Ask = Callable[[Credential, RawHeaders], Awaitable[Identity | Refusal]]
"""Asks Mattermost who holds a credential; raises UpstreamError."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    answer: Identity | Refusal
    until: float


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
        self._ask_mattermost = ask
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._size = size
        self._count = count
        self._clock = clock
        # A key of this process alone: what is remembered cannot be compared with anything.
        self._pepper = secrets.token_bytes(32)
        # Apart, so that a flood of unknown tokens cannot push out those of real users.
        self._known: dict[bytes, _Remembered] = {}
        self._rejected: dict[bytes, _Remembered] = {}
        self._asking: dict[bytes, asyncio.Task[Identity | Refusal]] = {}

    async def identify(self, credential: Credential | None, headers: RawHeaders) -> Identity:
        """Who is calling. Raises Refused (401, 403), and UpstreamError if nobody can say.

        ``headers`` go along with the question: request id, addresses, language.
        """
        if credential is None or not credential.token:
            raise Refused(session_expired())
        key = self._key(credential)
        remembered = self._known.get(key) or self._rejected.get(key)
        if remembered is not None and remembered.until > self._clock():
            answer = remembered.answer
            self._count("hit" if isinstance(answer, Identity) else "hit_rejected")
        else:
            answer = await self._ask_once(key, credential, headers)
        if isinstance(answer, Refusal):
            raise Refused(answer)
        return answer

    def forget(self, credential: Credential) -> None:
        """Ask again next time: Mattermost has just rejected this credential."""
        self._known.pop(self._key(credential), None)

    def _key(self, credential: Credential) -> bytes:
        secret = f"{credential.kind}\0{credential.remote_id}\0{credential.token}"
        encoded = secret.encode("utf-8", "surrogatepass")
        return blake2b(encoded, key=self._pepper, digest_size=16).digest()

    async def _ask_once(
        self, key: bytes, credential: Credential, headers: RawHeaders
    ) -> Identity | Refusal:
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._ask(key, credential, headers))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key))
        else:
            self._count("joined")
        # A caller that goes away must not take the answer from the others.
        return await asyncio.shield(asking)

    async def _ask(
        self, key: bytes, credential: Credential, headers: RawHeaders
    ) -> Identity | Refusal:
        try:
            answer = await self._ask_mattermost(credential, headers)
        except Exception:
            self._count("error")
            raise
        self._count("miss")
        if isinstance(answer, Identity):
            self._remember(self._known, key, answer, self._ttl)
            self._rejected.pop(key, None)
        else:
            self._remember(self._rejected, key, answer, self._negative_ttl)
            self._known.pop(key, None)
        return answer

    def _remember(
        self,
        memory: dict[bytes, _Remembered],
        key: bytes,
        answer: Identity | Refusal,
        ttl: float,
    ) -> None:
        memory.pop(key, None)  # so that the order is that of the last asking
        while len(memory) >= self._size:
            del memory[next(iter(memory))]
        memory[key] = _Remembered(answer, self._clock() + ttl)
