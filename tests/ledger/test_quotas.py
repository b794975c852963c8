"""Quotas as they are written, and what uploads claim from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.language import format_limit, parse_quota, parse_quotas
from gateway.ledger.quotas import (
    LARGEST_LIMIT,
    SCOPES,
    Amount,
    Claim,
    Quota,
    QuotaExceeded,
    Uploader,
    account_of,
    charge,
    claims,
    key_of,
)
from gateway.ledger.windows import FOREVER, Window

GIB = 2**30
TIB = 2**40


@pytest.mark.parametrize(
    ("text", "quotas"),
    [
        ("", ()),
        ("  ", ()),
        ("user 1GiB/day", (Quota("user", GIB, "day"),)),
        ("  user   1.5 GiB / day ,", (Quota("user", 3 * GIB // 2, "day"),)),
        ("user 4 at once", (Quota("user", 4, "total", "uploads"),)),
        ("user 1 file/minute", (Quota("user", 1, "minute", "files"),)),
        ("key 7 files total", (Quota("key", 7, "total", "files"),)),
        ("channel 20 GiB total", (Quota("channel", 20 * GIB, "total"),)),
        (
            "user 1GiB/day, user 200 files/hour, guest 100MiB/day, channel 20GiB/month, "
            "team 200GiB/month, everyone 1TiB/day, user 4 at once",
            (
                Quota("user", GIB, "day"),
                Quota("user", 200, "hour", "files"),
                Quota("guest", 100 * 2**20, "day"),
                Quota("channel", 20 * GIB, "month"),
                Quota("team", 200 * GIB, "month"),
                Quota("everyone", TIB, "day"),
                Quota("user", 4, "total", "uploads"),
            ),
        ),
    ],
)
def test_quotas_are_read(text: str, quotas: tuple[Quota, ...]) -> None:
    assert parse_quotas(text) == quotas


UNDERSTOOD = (
    "a quota reads like “user 1GiB/day”, “user 200 files/hour”, “channel 20GiB total” or "
    "“user 4 at once”"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("user", f"'user' is not a quota: {UNDERSTOOD}"),
        ("user 1GiB", f"'user 1GiB' is not a quota: {UNDERSTOOD}"),
        ("1GiB/day", f"'1GiB/day' is not a quota: {UNDERSTOOD}"),
        ("user 1GiB/total", f"'user 1GiB/total' is not a quota: {UNDERSTOOD}"),
        (
            "group 1GiB/day",
            "'group 1GiB/day' is for 'group', but quotas are for user, guest, bot, team_admin, "
            "system_admin, key, channel, team, everyone",
        ),
        (
            "user 1GiB/year",
            "'user 1GiB/year' is not a quota: it is per 'year', but quotas are per minute, hour, "
            "day, week, month",
        ),
        (
            "user many/day",
            "'user many/day' is not a quota: 'many' is not a size such as 512KiB, 100MiB or 2GiB",
        ),
        (
            "user 4GiB at once",
            "'user 4GiB at once' is not a quota: '4GiB' is not a number of uploads",
        ),
        (
            "user 0/day",
            "'user 0/day' is not a quota: a quota's limit is at least 1 and at most 4096TiB",
        ),
        (
            "user 9999TiB/day",
            "'user 9999TiB/day' is not a quota: a quota's limit is at least 1 and at most 4096TiB",
        ),
        (
            "user 1GiB/day, user 2GiB/day",
            "'user 2GiB/day' is a second quota for the same; keep the one that is meant",
        ),
        (
            "user 3 at once, user 4 at  once",
            "'user 4 at  once' is a second quota for the same; keep the one that is meant",
        ),
    ],
)
def test_what_is_not_understood_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="quota") as caught:
        parse_quotas(text)
    assert str(caught.value) == sentence


limits = st.integers(1, LARGEST_LIMIT)
periods = st.sampled_from(["minute", "hour", "day", "week", "month", "total"])
quotas = st.one_of(
    st.builds(Quota, st.sampled_from(SCOPES), limits, periods, st.sampled_from(["bytes", "files"])),
    st.builds(Quota, st.sampled_from(SCOPES), limits, st.just("total"), st.just("uploads")),
)


@given(quotas)
def test_what_is_written_reads_the_same(quota: Quota) -> None:
    assert parse_quota(f"{quota.scope} {format_limit(quota)}") == quota


@given(st.text())
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        parse_quotas(text)
    except ValueError as error:
        assert "quota" in str(error)  # noqa: PT017 - most texts raise


ADA = Uploader("ada", frozenset({"guest"}), "backup", "town", "blue")
DAY = Window(86_400, 172_800)


@pytest.mark.parametrize(
    ("quota", "uploader", "key"),
    [
        (Quota("user", GIB, "day"), ADA, "user:ada"),
        (Quota("user", GIB, "day", "files"), ADA, "files#user:ada"),
        (Quota("guest", GIB, "day"), ADA, "guest:ada"),
        (Quota("bot", GIB, "day"), ADA, None),
        (Quota("key", GIB, "day"), ADA, "key:backup"),
        (Quota("channel", GIB, "day"), ADA, "channel:town"),
        (Quota("team", GIB, "day"), ADA, "team:blue"),
        (Quota("everyone", GIB, "day"), ADA, "everyone"),
        (Quota("everyone", GIB, "day"), Uploader(None), "everyone"),
        # In a direct message there is no team.
        (Quota("team", GIB, "day"), ADA._replace(team_id=None), None),
        (Quota("team", GIB, "day"), ADA._replace(team_id=""), None),
        (Quota("user", GIB, "day"), Uploader(None, frozenset({"guest"})), None),
        (Quota("guest", GIB, "day"), Uploader(None, frozenset({"guest"})), None),
        (Quota("key", GIB, "day"), Uploader("ada"), None),
    ],
)
def test_a_quota_applies_to_those_who_have_its_scope(
    quota: Quota, uploader: Uploader, key: str | None
) -> None:
    wanted = claims((quota,), uploader, Amount(7, 3), 90_000.5)
    amount = 3 if quota.unit == "files" else 7
    assert wanted == (() if key is None else (Claim(key, DAY, amount, quota),))


def test_an_upload_claims_from_every_quota_that_it_meets() -> None:
    both = (Quota("user", GIB, "day"), Quota("bot", 1, "day"), Quota("user", 4, "total", "uploads"))
    assert claims(both, ADA, Amount(7), 90_000.5) == (
        Claim("user:ada", DAY, 7, both[0]),
        Claim("uploads#user:ada", FOREVER, 1, both[2]),
    )
    assert claims((), ADA, Amount(7), 0) == ()


@pytest.mark.parametrize("unit", ["bytes", "files", "uploads"])
def test_a_key_tells_account_and_unit(unit: str) -> None:
    for account in ("user:ada", "everyone", "key:a#b", "key:files#"):
        assert account_of(key_of(account, unit)) == (account, unit)  # type: ignore[arg-type]


def test_what_was_stored_is_charged_by_the_unit() -> None:
    charged = [charge(f"{unit}user:ada", 700, 2) for unit in ("", "files#", "uploads#")]
    assert charged == [700, 2, 0]


def test_an_exceeded_quota_tells_what_is_left() -> None:
    claim = Claim("user:ada", Window(0, 86_400), 500, Quota("user", 1000, "day"))
    assert QuotaExceeded(claim, 600).remaining == 400
    assert QuotaExceeded(claim, 1200).remaining == 0


def test_impossible_values_are_not_built() -> None:
    with pytest.raises(ValueError, match="ends after it starts"):
        Window(1, 1)
    with pytest.raises(ValueError, match="nobody can claim"):
        claims([Quota("user", 1, "day")], Uploader("ada"), Amount(-1), 0)
    with pytest.raises(ValueError, match="not in a period"):
        Quota("user", 1, "day", "uploads")
