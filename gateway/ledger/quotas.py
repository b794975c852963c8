"""Quotas, what an upload claims from them, and what a ledger answers. No I/O.

Every engine of the ledger speaks in these values: it is asked for claims, grants a reservation
or raises :class:`QuotaExceeded`, and raises :class:`LedgerUnavailable` when it cannot tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Literal, NamedTuple, get_args

from gateway.ledger.windows import FOREVER, Period, Window, window

Scope = Literal[
    "user", "guest", "bot", "team_admin", "system_admin", "key", "channel", "team", "everyone"
]
SCOPES: tuple[str, ...] = get_args(Scope)
ROLES = frozenset({"guest", "bot", "team_admin", "system_admin"})
"""Scopes that are roles: each user who has the role has an account of its own."""
Unit = Literal["bytes", "files", "uploads"]
"""``uploads`` are those that run at the same time."""

# Sums of claims stay far below the 64-bit integers that the engines count in, and below the
# 2**53 up to which a script of Redis counts exactly.
LARGEST_LIMIT = 2**52


@dataclass(frozen=True, slots=True)
class Quota:
    """At most ``limit`` of a unit for each ``scope`` in each ``period``."""

    scope: Scope
    limit: int
    period: Period
    unit: Unit = "bytes"
    name: str = field(init=False, compare=False)
    """Such as ``user-bytes-day``; no two quotas have the same."""

    def __post_init__(self) -> None:
        what = "at-once" if self.unit == "uploads" else f"{self.unit}-{self.period}"
        object.__setattr__(self, "name", f"{self.scope}-{what}")
        if not 1 <= self.limit <= LARGEST_LIMIT:
            raise ValueError(f"a quota's limit is at least 1 and at most {_MOST[self.unit]}")
        if self.unit == "uploads" and self.period != "total":
            raise ValueError("uploads at once are counted at any time, not in a period")


_MOST = {"bytes": "4096TiB", "files": f"{LARGEST_LIMIT}", "uploads": f"{LARGEST_LIMIT}"}


class Uploader(NamedTuple):
    """Who uploads, and where to; None, or no role, where that is not known or not so."""

    user_id: str | None
    roles: frozenset[str] = frozenset()
    key: str | None = None
    """The label of the API key, or of the token's issuer and rule."""
    channel_id: str | None = None
    team_id: str | None = None

    def account(self, scope: Scope) -> str | None:
        """Whose account ``scope`` charges, such as ``user:<id>``; None if it does not apply."""
        match scope:
            case "user":
                name = self.user_id
            case "key":
                name = self.key
            case "channel":
                name = self.channel_id
            case "team":
                name = self.team_id
            case "everyone":
                return "everyone"
            case role:
                name = self.user_id if role in self.roles else None
        return f"{scope}:{name}" if name else None


class Amount(NamedTuple):
    """What is wanted, or was stored."""

    bytes: int
    files: int = 1

    def of(self, unit: Unit) -> int:
        """``uploads`` are none once they are stored."""
        match unit:
            case "bytes":
                return self.bytes
            case "files":
                return self.files
            case "uploads":
                return 0


class Claim(NamedTuple):
    """``amount`` wanted from what ``quota`` gives to ``key`` in ``window``."""

    key: str
    """What is charged: an account and a unit, as ``key_of`` writes them."""
    window: Window
    amount: int
    quota: Quota

    @property
    def limit(self) -> int:
        return self.quota.limit


class Reservation:
    """Claims that were granted together. Two reservations are never equal."""

    __slots__ = ("claims", "taken")

    def __init__(self, claims: tuple[Claim, ...], taken: tuple[int, ...] = ()) -> None:
        self.claims = claims
        self.taken = taken
        """What of each claim's limit was used or reserved when it was granted, with this."""


class Usage(NamedTuple):
    """Of one account in one window: ``used`` is stored, ``reserved`` on its way."""

    used: int
    reserved: int


class QuotaExceeded(Exception):
    """``claim`` does not fit; ``used`` counts what is stored and reserved."""

    def __init__(self, claim: Claim, used: int) -> None:
        super().__init__(f"{claim.key} has used {used} of {claim.limit} {claim.quota.unit}")
        self.claim = claim
        self.used = used

    @property
    def remaining(self) -> int:
        """What would still fit."""
        return max(0, self.claim.limit - self.used)


class LedgerUnavailable(Exception):
    """The ledger cannot be read or written at the moment; the text is for the log."""


def strictest(quotas: Iterable[Quota]) -> tuple[Quota, ...]:
    """``quotas``, but of those for the same only the one that allows least."""
    found: dict[str, Quota] = {}
    for quota in quotas:
        other = found.setdefault(quota.name, quota)
        if quota.limit < other.limit:
            found[quota.name] = quota
    return tuple(found.values())


def key_of(account: str, unit: Unit) -> str:
    """``user:ada`` for bytes, ``files#user:ada`` for files."""
    return account if unit == "bytes" else f"{unit}#{account}"


def account_of(key: str) -> tuple[str, Unit]:
    """What ``key_of`` was made of."""
    unit, _, account = key.partition("#")
    match unit:
        case "files" | "uploads":
            return account, unit
        case _:
            return key, "bytes"


def charge(key: str, stored: int, files: int) -> int:
    """What is booked to ``key`` when ``stored`` bytes were stored in ``files`` files."""
    return Amount(stored, files).of(account_of(key)[1])


def files_of(stored: int, files: int | None = None) -> int:
    """Those in which ``stored`` bytes are: one, unless it is said or there are no bytes.

    Raises ValueError for less than nothing.
    """
    if stored < 0:
        raise ValueError(f"nobody can store {stored} bytes")
    return min(stored, 1) if files is None else files


def claims(
    quotas: Sequence[Quota], uploader: Uploader, amount: Amount, now: float, zone: tzinfo = UTC
) -> tuple[Claim, ...]:
    """What an upload of ``amount`` at ``now`` takes from those of ``quotas`` that it meets.

    Raises ValueError for less than nothing.
    """
    if amount.bytes < 0 or amount.files < 0:
        raise ValueError(f"nobody can claim {amount}")
    found = []
    for quota in quotas:
        account = uploader.account(quota.scope)
        if account is None:
            continue
        unit = quota.unit
        if unit == "uploads":
            found.append(Claim(key_of(account, unit), FOREVER, 1, quota))
        else:
            found.append(
                Claim(
                    key_of(account, unit), window(quota.period, now, zone), amount.of(unit), quota
                )
            )
    return tuple(found)
