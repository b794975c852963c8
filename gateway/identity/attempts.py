"""Failed attempts to log in, counted by where they come from.

Each address has so many in a minute; what it has used comes back bit by bit, so that whoever
shares an address with an attacker is slowed down, and not locked out.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic

from gateway.refusals import Refusal, Refused, too_many_attempts
from gateway.values import Credential, Identity

RawHeaders = list[tuple[bytes, bytes]]
Ask = Callable[[Credential, RawHeaders], Awaitable[Identity | Refusal]]

_MINUTE = 60.0
_SITE = 64
"""Bits of an IPv6 address that a network gives to one customer (RFC 6177)."""


class Attempts:
    """Remembers for ``size`` addresses at most how often they failed."""

    def __init__(
        self, limit: int, *, size: int = 10_000, clock: Callable[[], float] = monotonic
    ) -> None:
        """``limit`` are those of a minute; 0 counts nothing."""
        self._limit = limit
        self._size = size
        self._clock = clock
        # When all that an address has used will have come back.
        self._free_at: dict[str, float] = {}

    def check(self, address: str) -> None:
        """Raises Refused (429) if ``address`` has to wait."""
        free_at = self._free_at.get(_place(address)) if self._free_at else None
        if free_at is None:
            return
        # There has to be room for one more.
        wait = free_at + _MINUTE / self._limit - self._clock() - _MINUTE
        if wait > 0:
            raise Refused(too_many_attempts(ceil(wait)))

    def failed(self, address: str) -> None:
        """``address`` has failed once more."""
        if not self._limit:
            return
        place, now = _place(address), self._clock()
        free_at = max(self._free_at.pop(place, now), now)  # so that the order is that of failures
        while len(self._free_at) >= self._size:
            del self._free_at[next(iter(self._free_at))]
        self._free_at[place] = free_at + _MINUTE / self._limit

    def guard(self, ask: Ask, header: bytes = b"x-real-ip") -> Ask:
        """``ask``, but not for addresses that have to wait; they are told by ``header``."""

        async def guarded(credential: Credential, headers: RawHeaders) -> Identity | Refusal:
            address = next((value.decode() for name, value in headers if name == header), "")
            self.check(address)
            answer = await ask(credential, headers)
            if isinstance(answer, Refusal):
                self.failed(address)
            return answer

        return guarded


@lru_cache(4096)
def _place(address: str) -> str:
    """What one client can choose freely counts as one address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(int(parsed) >> (128 - _SITE))
    return address
