"""What Mattermost said: asked for once, however many want to know it, remembered for a while."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from time import monotonic
from typing import Generic, TypeVar

from gateway.refusals import Refusal
from gateway.values import Credential

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class _Remembered(Generic[T]):
    answer: T
    until: float


class Memory(Generic[T]):
    """Answers to questions, each known by a key, given at most ``ttl`` seconds ago."""

    def __init__(
        self,
        *,
        ttl: float,
        negative_ttl: float,
        size: int,
        count: Callable[[str], None] = lambda result: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Up to ``size`` answers, and as many refusals for ``negative_ttl`` seconds, are
        remembered; ``count`` hears each result."""
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._size = size
        self._count = count
        self._clock = clock
        # Apart, so that a flood of refused questions cannot push out the answers of real users.
        self._known: dict[Hashable, _Remembered[T]] = {}
        self._refused: dict[Hashable, _Remembered[Refusal]] = {}
        self._asking: dict[Hashable, asyncio.Task[T | Refusal]] = {}

    def recall(self, key: Hashable) -> T | Refusal | None:
        """What is known already; None if it has to be asked."""
        remembered: _Remembered[T] | _Remembered[Refusal] | None = self._known.get(key)
        result = "hit"
        if remembered is None:
            remembered = self._refused.get(key)
            result = "hit_rejected"
        if remembered is None or remembered.until <= self._clock():
            return None
        self._count(result)
        return remembered.answer

    async def ask(
        self, key: Hashable, question: Callable[[], Awaitable[T | Refusal]]
    ) -> T | Refusal:
        """The answer to ``question``, or to the same one that is being asked. Raises what it
        raises."""
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.create_task(self._ask(key, question))
            self._asking[key] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key))
        else:
            self._count("joined")
        # A caller that goes away must not take the answer from the others.
        return await asyncio.shield(asking)

    def forget(self, key: Hashable) -> None:
        """Ask again next time."""
        self._known.pop(key, None)

    async def _ask(
        self, key: Hashable, question: Callable[[], Awaitable[T | Refusal]]
    ) -> T | Refusal:
        try:
            answer = await question()
        except Exception:
            self._count("error")
            raise
        self._count("miss")
        if isinstance(answer, Refusal):
            self._remember(self._refused, key, answer, self._negative_ttl)
            self._known.pop(key, None)
        else:
            self._remember(self._known, key, answer, self._ttl)
            self._refused.pop(key, None)
        return answer

    def _remember(
        self, memory: dict[Hashable, _Remembered[A]], key: Hashable, answer: A, ttl: float
    ) -> None:
        memory.pop(key, None)  # so that the order is that of the last asking
        while len(memory) >= self._size:
            del memory[next(iter(memory))]
        memory[key] = _Remembered(answer, self._clock() + ttl)


class CredentialHash:
    """What a credential is remembered under. It cannot be compared with anything: its key is of
    this process alone."""

    def __init__(self) -> None:
        # Copied for each: to mix in the key costs as much as all the rest.
        self._keyed = blake2b(key=secrets.token_bytes(32), digest_size=16)

    def digest(self, credential: Credential) -> bytes:
        secret = "\0".join((credential.kind, credential.remote_id, credential.token))
        hashed = self._keyed.copy()
        hashed.update(secret.encode("utf-8", "surrogatepass"))
        return hashed.digest()
