"""Quotas in words for people, and in header fields for programs. No I/O."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from math import ceil

from gateway.ledger.quotas import ROLES, Claim, Quota, QuotaExceeded, Unit
from gateway.phrases import Phrase, Text, phrase, plural
from gateway.units import told_size

_UNITS = {"bytes": "content-bytes", "files": "files", "uploads": "concurrent-requests"}
"""Quota units, as the draft registers them; it has none for files."""


def told(exceeded: QuotaExceeded, zone: tzinfo = UTC) -> Phrase:
    """Why a file does not fit, and when it will: sentences for whoever uploads."""
    quota = exceeded.claim.quota
    scope = "user" if quota.scope in ROLES else quota.scope
    if quota.unit == "uploads":
        why = _told_at_once(scope, exceeded.used, quota.limit)
    else:
        why = _told_used(scope, exceeded, zone)
    if scope == "user":
        return phrase("This file does not fit into your upload quota: {why}", why=why)
    return phrase("This file does not fit into the upload quota: {why}", why=why)


def _told_used(scope: str, exceeded: QuotaExceeded, zone: tzinfo) -> Phrase:
    claim = exceeded.claim
    used = _amount(claim.quota, exceeded.used)
    limit = _per(claim.quota.period, _amount(claim.quota, claim.limit))
    sentence = _used(scope, used, limit)
    if not claim.window.ends:
        return phrase("{sentence}. Ask your administrator for more.", sentence=sentence)
    time = _reset_time(claim, zone)
    return phrase("{sentence}. You can upload more at {time}.", sentence=sentence, time=time)


def _used(scope: str, used: Phrase, limit: Phrase) -> Phrase:
    match scope:
        case "user":
            return phrase("you have used {used} of your {limit}", used=used, limit=limit)
        case "key":
            return phrase("this API key has used {used} of its {limit}", used=used, limit=limit)
        case "channel":
            return phrase(
                "everybody in this channel together has used {used} of the channel’s {limit}",
                used=used,
                limit=limit,
            )
        case "team":
            return phrase(
                "everybody in this team together has used {used} of the team’s {limit}",
                used=used,
                limit=limit,
            )
        case _:
            return phrase(
                "everybody together has used {used} of the server’s {limit}",
                used=used,
                limit=limit,
            )


def _per(period: str, limit: Phrase) -> Phrase:
    match period:
        case "minute":
            return phrase("{limit} for this minute", limit=limit)
        case "hour":
            return phrase("{limit} for this hour", limit=limit)
        case "day":
            return phrase("{limit} for today", limit=limit)
        case "week":
            return phrase("{limit} for this week", limit=limit)
        case "month":
            return phrase("{limit} for this month", limit=limit)
        case _:
            return limit


def _told_at_once(scope: str, running: int, most: int) -> Phrase:
    return phrase(
        "{sentence}, and no more than {most} may run at once. Try again when one of them has "
        "ended.",
        sentence=_running(scope, running),
        most=most,
    )


def _running(scope: str, n: int) -> Phrase:
    match scope:
        case "user":
            return plural(
                "you have {count} upload running", "you have {count} uploads running", n, count=n
            )
        case "key":
            return plural(
                "this API key has {count} upload running",
                "this API key has {count} uploads running",
                n,
                count=n,
            )
        case "channel":
            return plural(
                "this channel has {count} upload running",
                "this channel has {count} uploads running",
                n,
                count=n,
            )
        case "team":
            return plural(
                "this team has {count} upload running",
                "this team has {count} uploads running",
                n,
                count=n,
            )
        case _:
            return plural(
                "the server has {count} upload running",
                "the server has {count} uploads running",
                n,
                count=n,
            )


def _amount(quota: Quota, amount: int) -> Phrase:
    if quota.unit == "bytes":
        return told_size(amount)
    return plural("{count} file", "{count} files", amount, count=amount)


def _reset_time(claim: Claim, zone: tzinfo = UTC) -> Text:
    """When the window ends: ``00:00 UTC``; with the day, where that may be another week."""
    end = datetime.fromtimestamp(claim.window.end, zone)
    time = f"{end:%H:%M %Z}"
    if claim.quota.period not in ("week", "month"):
        return time
    return phrase("{day}, {time}", day=end.date(), time=time)


def limit_fields(
    claims: Sequence[Claim], taken: Sequence[int], now: float
) -> list[tuple[bytes, bytes]]:
    """The ``RateLimit-Policy`` and ``RateLimit`` fields of draft-ietf-httpapi-ratelimit-headers-11.

    ``taken`` is what of each claim's limit is used or reserved.
    """
    policies, limits = [], []
    for (_, window, _, quota), used in zip(claims, taken, strict=True):
        length = window.end - window.start if window.ends else 0
        policies.append(_policy_item(quota.name, quota.limit, quota.unit, length))
        left = quota.limit - used
        limit = f'"{quota.name}";r={left if left > 0 else 0}'
        if length:
            reset = ceil(window.end - now)
            limit += f";t={reset if reset > 0 else 0}"
        limits.append(limit)
    return [
        (b"ratelimit-policy", ", ".join(policies).encode()),
        (b"ratelimit", ", ".join(limits).encode()),
    ]


@lru_cache(256)  # the same for each upload
def _policy_item(name: str, limit: int, unit: Unit, length: int) -> str:
    item = f'"{name}";q={limit};qu="{_UNITS[unit]}"'
    return f"{item};w={length}" if length else item
