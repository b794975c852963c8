"""How quotas are written: ``user 1GiB/day, user 200 files/hour, user 4 at once``. No I/O."""

import re
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from gateway.ledger.quotas import SCOPES, Quota, Scope, Unit
from gateway.ledger.windows import PERIODS, Period
from gateway.units import format_size, parse_size

_ITEM = re.compile(
    r"(?P<scope>\S+)\s+(?P<limit>[^/\s].*?)\s*(?:/\s*(?P<period>(?!total)\S+)|\s(?P<total>total|at\s+once))"
)
_FILES = re.compile(r"(?P<count>\d+)\s+files?", re.ASCII)
_COUNT = re.compile(r"\d+", re.ASCII)
_UNDERSTOOD = (
    "a quota reads like “user 1GiB/day”, “user 200 files/hour”, “channel 20GiB total” or "
    "“user 4 at once”"
)


def parse_quotas(text: str) -> tuple[Quota, ...]:
    """The quotas in ``text``, comma separated; none in an empty text.

    Raises ValueError with a sentence for the administrator.
    """
    quotas: list[Quota] = []
    for item in filter(None, map(str.strip, text.split(","))):
        quota = parse_quota(item)
        if any(quota.name == other.name for other in quotas):
            raise ValueError(f"{item!r} is a second quota for the same; keep the one that is meant")
        quotas.append(quota)
    return tuple(quotas)


def parse_quota(item: str) -> Quota:
    """One quota. Raises ValueError with a sentence for the administrator."""
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"{item!r} is not a quota: {_UNDERSTOOD}")
    scope, limit = match["scope"], match["limit"]
    if scope not in SCOPES:
        raise ValueError(f"{item!r} is for {scope!r}, but quotas are for {', '.join(SCOPES)}")
    try:
        if match["total"] and match["total"] != "total":
            return Quota(_scope(scope), _count(limit), "total", "uploads")
        amount, unit = _amount(limit)
        return Quota(_scope(scope), amount, _period(match["period"] or "total"), unit)
    except ValueError as error:
        raise ValueError(f"{item!r} is not a quota: {error}") from None


def format_limit(quota: Quota) -> str:
    """As it is written behind the scope: ``1073741824/day``, ``4 at once``."""
    if quota.unit == "uploads":
        return f"{quota.limit} at once"
    amount = f"{quota.limit} files" if quota.unit == "files" else f"{quota.limit}"
    return f"{amount} total" if quota.period == "total" else f"{amount}/{quota.period}"


def shown_limit(quota: Quota) -> str:
    """The same for people: ``1 GiB/day``."""
    written = format_limit(quota)
    if quota.unit != "bytes":
        return written
    return written.replace(f"{quota.limit}", format_size(quota.limit))


def parse_zone(name: str) -> tzinfo:
    """A time zone by its name, such as ``Europe/Berlin``. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # no zone, a folder of zones, no name
        raise ValueError(
            "expected UTC or a time zone that this system knows, such as Europe/Berlin"
        ) from None


def _scope(text: str) -> Scope:
    return text  # type: ignore[return-value]  # it is one of SCOPES


def _period(text: str) -> Period:
    if text not in PERIODS:
        raise ValueError(f"it is per {text!r}, but quotas are per {', '.join(PERIODS[:-1])}")
    return text  # type: ignore[return-value]  # it is one of PERIODS


def _amount(limit: str) -> tuple[int, Unit]:
    if match := _FILES.fullmatch(limit):
        return int(match["count"]), "files"
    return parse_size(limit), "bytes"


def _count(limit: str) -> int:
    if not _COUNT.fullmatch(limit):
        raise ValueError(f"{limit!r} is not a number of uploads")
    return int(limit)
