from datetime import UTC, datetime

import pytest

from gateway.ledger.quotas import (
    Claim,
    Quota,
    QuotaExceeded,
    Window,
    claims,
    parse_quotas,
    window,
)

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "quotas"),
    [
        ("", ()),
        ("  ", ()),
        ("user 1GiB/day", (Quota("user", GIB, "day"),)),
        ("  user   1.5 GiB / day ,", (Quota("user", 3 * GIB // 2, "day"),)),
    ],
)
def test_quotas_are_read(text: str, quotas: tuple[Quota, ...]) -> None:
    assert parse_quotas(text) == quotas


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user", "'user' is not a quota: a quota reads like “user 1GiB/day”"),
        ("user 1GiB", "'user 1GiB' is not a quota: a quota reads like “user 1GiB/day”"),
        ("1GiB/day", "'1GiB/day' is not a quota: a quota reads like “user 1GiB/day”"),
        ("team 1GiB/day", "'team 1GiB/day' is for 'team', but quotas are for “user” only"),
        ("user 1GiB/week", "'user 1GiB/week' is per 'week', but quotas are per “day” only"),
        (
            "user many/day",
            "'user many/day' is not a quota: 'many' is not a size such as 512KiB, 100MiB or 2GiB",
        ),
        (
            "user 0/day",
            "'user 0/day' is not a quota: "
            "a quota's limit is at least one byte and at most 1048576TiB",
        ),
        (
            "user 9999999TiB/day",
            "'user 9999999TiB/day' is not a quota: "
            "a quota's limit is at least one byte and at most 1048576TiB",
        ),
        (
            "user 1GiB/day, user 2GiB/day",
            "'user 2GiB/day' is a second quota per user and day; keep the one that is meant",
        ),
    ],
)
def test_what_is_not_understood_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="quota") as caught:
        parse_quotas(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2025-10-09T00:00:00", 9),
        ("2025-10-09T12:00:00", 9),
        ("2025-10-09T23:59:59.999", 9),
        ("2025-10-10T00:00:00", 10),
    ],
)
def test_a_day_is_a_day_in_utc(now: str, day: int) -> None:
    found = window("day", datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp())
    assert datetime.fromtimestamp(found.start, UTC) == datetime(2025, 10, day, tzinfo=UTC)
    assert datetime.fromtimestamp(found.end, UTC) == datetime(2025, 10, day + 1, tzinfo=UTC)


def test_an_upload_claims_from_every_quota() -> None:
    quota = Quota("user", GIB, "day")
    assert claims((quota,), user_id="ada", amount=7, now=90_000.5) == (
        Claim("user:ada", Window(86_400, 172_800), 7, quota),
    )
    assert claims((), user_id="ada", amount=7, now=0) == ()


def test_an_exceeded_quota_tells_what_is_left() -> None:
    claim = Claim("user:ada", Window(0, 86_400), 500, Quota("user", 1000, "day"))
    assert QuotaExceeded(claim, 600).remaining == 400
    assert QuotaExceeded(claim, 1200).remaining == 0


def test_impossible_values_are_not_built() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Window(1, 1)
    with pytest.raises(ValueError, match="nobody can claim"):
        Claim("user:ada", Window(0, 1), -1, Quota("user", 1, "day"))
