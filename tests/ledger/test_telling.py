"""What people and programs are told of quotas."""

import pytest

from gateway.ledger.language import parse_quota, parse_zone
from gateway.ledger.quotas import Amount, Claim, QuotaExceeded, Uploader, claims
from gateway.ledger.telling import limit_fields, told

from .support import NOON  # 2025-10-09T12:00:00Z

ADA = Uploader("ada", frozenset({"guest"}), "backup", "town", "blue")
YOURS = "you have used 1 GiB of your 1 GiB"
MORE = "You can upload more at"


def claim_of(quota: str, zone: str = "UTC") -> Claim:
    (claim,) = claims((parse_quota(quota),), ADA, Amount(7), NOON, parse_zone(zone))
    return claim


@pytest.mark.parametrize(
    ("quota", "used", "zone", "sentence"),
    [
        ("user 1GiB/minute", 2**30, "UTC", f"{YOURS} for this minute. {MORE} 12:01 UTC."),
        ("user 1GiB/hour", 2**30, "UTC", f"{YOURS} for this hour. {MORE} 13:00 UTC."),
        ("user 1GiB/day", 2**30, "UTC", f"{YOURS} for today. {MORE} 00:00 UTC."),
        ("guest 1GiB/day", 2**30, "UTC", f"{YOURS} for today. {MORE} 00:00 UTC."),
        (
            "user 1GiB/day", 2**30, "Europe/Berlin",
            f"{YOURS} for today. You can upload more at 00:00 CEST.",
        ),
        (
            "user 1GiB/week", 2**30, "UTC",
            f"{YOURS} for this week. You can upload more at 13 October, 00:00 UTC.",
        ),
        (
            "channel 2GiB/month", 3 * 2**29, "UTC",
            "everybody in this channel together has used 1.5 GiB of the channel’s 2 GiB for this "
            "month. You can upload more at 1 November, 00:00 UTC.",
        ),
        (
            "team 1 file/day", 1, "UTC",
            "everybody in this team together has used 1 file of the team’s 1 file for today. "
            "You can upload more at 00:00 UTC.",
        ),
        ("user 1GiB total", 2**30, "UTC", f"{YOURS}. Ask your administrator for more."),
        (
            "everyone 9 files total", 9, "UTC",
            "everybody together has used 9 files of the server’s 9 files. "
            "Ask your administrator for more.",
        ),
        (
            "key 200 files/day", 200, "UTC",
            "this API key has used 200 files of its 200 files for today. "
            "You can upload more at 00:00 UTC.",
        ),
        (
            "user 4 at once", 4, "UTC",
            "you have 4 uploads running, and no more than 4 may run at once. "
            "Try again when one of them has ended.",
        ),
        (
            "guest 1 at once", 1, "UTC",
            "you have 1 upload running, and no more than 1 may run at once. "
            "Try again when one of them has ended.",
        ),
    ],
)  # fmt: skip
def test_people(quota: str, used: int, zone: str, sentence: str) -> None:
    whose = "your" if quota.startswith(("user", "guest")) else "the"
    expected = f"This file does not fit into {whose} upload quota: {sentence}"
    exceeded = QuotaExceeded(claim_of(quota, zone), used)
    assert str(told(exceeded, parse_zone(zone))) == expected


def test_programs() -> None:
    wanted = ["user 1GiB/day", "user 200 files/hour", "user 4 at once", "team 9GiB total"]
    fields = limit_fields([claim_of(quota) for quota in wanted], [2**30 + 1, 150, 1, 0], NOON + 0.5)
    assert fields == [
        (
            b"ratelimit-policy",
            b'"user-bytes-day";q=1073741824;qu="content-bytes";w=86400, '
            b'"user-files-hour";q=200;qu="files";w=3600, '
            b'"user-at-once";q=4;qu="concurrent-requests", '
            b'"team-bytes-total";q=9663676416;qu="content-bytes"',
        ),
        (
            b"ratelimit",
            b'"user-bytes-day";r=0;t=43200, "user-files-hour";r=50;t=3600, "user-at-once";r=3, '
            b'"team-bytes-total";r=9663676416',
        ),
    ]
