"""Quotas in words for people, and in header fields for programs. No I/O."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from math import ceil

from gateway.ledger.quotas import ROLES, Claim, Quota, QuotaExceeded
from gateway.units import format_size

_PERIODS = {
    "minute": "this minute",
    "hour": "this hour",
    "day": "today",
    "week": "this week",
    "month": "this month",
}
_WHOSE = {
    "user": ("you have used", "your"),
    "key": ("this API key has used", "its"),
    "channel": ("everybody in this channel together has used", "the channel’s"),
    "team": ("everybody in this team together has used", "the team’s"),
    "everyone": ("everybody together has used", "the server’s"),
}
_ROLE = _WHOSE["user"]
_AT_ONCE = {
    "user": "you have",
    "key": "this API key has",
    "channel": "this channel has",
    "team": "this team has",
    "everyone": "the server has",
}
_UNITS = {"bytes": "content-bytes", "files": "files", "uploads": "concurrent-requests"}
"""Quota units, as the draft registers them; it has none for files."""


def told(exceeded: QuotaExceeded, zone: tzinfo = UTC) -> str:
    """Why a file does not fit, and when it will: sentences for whoever uploads."""
    quota = exceeded.claim.quota
    whose = "your" if quota.scope in ROLES or quota.scope == "user" else "the"
    at_once = quota.unit == "uploads"
    why = _told_at_once(quota, exceeded.used) if at_once else _told_used(exceeded, zone)
    return f"This file does not fit into {whose} upload quota: {why}"


def _told_used(exceeded: QuotaExceeded, zone: tzinfo) -> str:
    claim = exceeded.claim
    quota = claim.quota
    used, whose = _ROLE if quota.scope in ROLES else _WHOSE[quota.scope]
    period = f" for {_PERIODS[quota.period]}" if claim.window.ends else ""
    sentence = (
        f"{used} {_shown(quota, exceeded.used)} of {whose} {_shown(quota, claim.limit)}{period}"
    )
    if not claim.window.ends:
        return f"{sentence}. Ask your administrator for more."
    return f"{sentence}. You can upload more at {reset_time(claim, zone)}."


def _told_at_once(quota: Quota, running: int) -> str:
    who = _AT_ONCE["user" if quota.scope in ROLES else quota.scope]
    uploads = "1 upload" if running == 1 else f"{running} uploads"
    return (
        f"{who} {uploads} running, and no more than {quota.limit} may run at once. "
        "Try again when one of them has ended."
    )


def _shown(quota: Quota, amount: int) -> str:
    if quota.unit == "bytes":
        return format_size(amount)
    return "1 file" if amount == 1 else f"{amount} files"


def reset_time(claim: Claim, zone: tzinfo = UTC) -> str:
    """When the window ends: ``00:00 UTC``; with the day, where that may be another week."""
    end = datetime.fromtimestamp(claim.window.end, zone)
    day = f"{end.day} {end:%B}, " if claim.quota.period in ("week", "month") else ""
    return f"{day}{end:%H:%M %Z}"


def limit_fields(
    claims: Sequence[Claim], taken: Sequence[int], now: float
) -> list[tuple[bytes, bytes]]:
    """The ``RateLimit-Policy`` and ``RateLimit`` fields of draft-ietf-httpapi-ratelimit-headers-11.

    ``taken`` is what of each claim's limit is used or reserved.
    """
    policies = limits = ""
    for claim, used in zip(claims, taken, strict=True):
        quota, window = claim.quota, claim.window
        left = quota.limit - used
        policies += f', "{quota.name}";q={quota.limit};qu="{_UNITS[quota.unit]}"'
        limits += f', "{quota.name}";r={left if left > 0 else 0}'
        if window.ends:
            reset = ceil(window.end - now)
            policies += f";w={window.end - window.start}"
            limits += f";t={reset if reset > 0 else 0}"
    return [(b"ratelimit-policy", policies[2:].encode()), (b"ratelimit", limits[2:].encode())]
