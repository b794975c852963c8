"""Quotas, what an upload claims from them, and what a ledger answers. No I/O.

Every engine of the ledger speaks in these values: it is asked for claims, grants a reservation
or raises :class:`QuotaExceeded`, and raises :class:`LedgerUnavailable` when it cannot tell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from gateway.units import parse_size

Scope = Literal["user"]
Period = Literal["day"]

_DAY = 86_400
# Sums of claims stay far below the 64-bit integers that the engines count in.
_LARGEST_LIMIT = 2**60
_ITEM = re.compile(r"(?P<scope>\S+)\s+(?P<limit>[^/]+)/\s*(?P<period>\S+)")
_UNDERSTOOD = "a quota reads like “user 1GiB/day”"


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` bytes for each ``scope`` in each ``period``, aligned to UTC."""

    scope: Scope
    limit: int
    period: Period

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= _LARGEST_LIMIT:
            raise ValueError("a quota's limit is at least one byte and at most 1048576TiB")


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a quota counts, from ``start`` up to but not including ``end``.

    Both are seconds since the epoch.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts, not {self.start}..{self.end}")


@dataclass(frozen=True, slots=True)
class Claim:
    """``amount`` bytes wanted from what ``quota`` gives to ``key`` in ``window``."""

    key: str
    """Whose account is charged, such as ``user:<id>``."""
    window: Window
    amount: int
    quota: Quota

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError(f"nobody can claim {self.amount} bytes")

    @property
    def limit(self) -> int:
        """Bytes."""
        return self.quota.limit


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """Claims that were granted together. Two reservations are never equal."""

    claims: tuple[Claim, ...]


class Usage(NamedTuple):
    """Bytes of one account in one window: ``used`` are stored, ``reserved`` are on their way."""

    used: int
    reserved: int


class QuotaExceeded(Exception):
    """``claim`` does not fit; ``used`` counts stored and reserved bytes."""

    def __init__(self, claim: Claim, used: int) -> None:
        super().__init__(f"{claim.key} has used {used} of {claim.limit} bytes")
        self.claim = claim
        self.used = used

    @property
    def remaining(self) -> int:
        """Bytes that would still fit."""
        return max(0, self.claim.limit - self.used)


class LedgerUnavailable(Exception):
    """The ledger cannot be read or written at the moment; the text is for the log."""


def parse_quotas(text: str) -> tuple[Quota, ...]:
    """The quotas in ``user 1GiB/day``, comma separated; none in an empty text.

    Raises ValueError with a sentence for the administrator.
    """
    quotas: list[Quota] = []
    for item in filter(None, map(str.strip, text.split(","))):
        quota = _parse_quota(item)
        if any((quota.scope, quota.period) == (q.scope, q.period) for q in quotas):
            raise ValueError(
                f"{item!r} is a second quota per {quota.scope} and {quota.period}; "
                "keep the one that is meant"
            )
        quotas.append(quota)
    return tuple(quotas)


def _parse_quota(item: str) -> Quota:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"{item!r} is not a quota: {_UNDERSTOOD}")
    if match["scope"] != "user":
        raise ValueError(f"{item!r} is for {match['scope']!r}, but quotas are for “user” only")
    if match["period"] != "day":
        raise ValueError(f"{item!r} is per {match['period']!r}, but quotas are per “day” only")
    try:
        return Quota("user", parse_size(match["limit"].strip()), "day")
    except ValueError as error:
        raise ValueError(f"{item!r} is not a quota: {error}") from None


def window(period: Period, now: float) -> Window:
    """The window of ``period`` that contains ``now`` (seconds since the epoch)."""
    match period:
        case "day":
            return _day(int(now // _DAY))


@lru_cache(maxsize=8)
def _day(number: int) -> Window:
    return Window(number * _DAY, (number + 1) * _DAY)


def claims(quotas: Sequence[Quota], *, user_id: str, amount: int, now: float) -> tuple[Claim, ...]:
    """What an upload of ``amount`` bytes at ``now`` takes from each of ``quotas``."""
    key = f"user:{user_id}"
    return tuple([Claim(key, window(q.period, now), amount, q) for q in quotas])
