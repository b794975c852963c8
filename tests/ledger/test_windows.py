"""Windows on the clocks of real zones, on the days on which these are changed and on others."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.language import parse_zone
from gateway.ledger.windows import FOREVER, Period, window


def seconds(text: str) -> int:
    """Of an instant in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("period", "zone", "now", "start", "end"),
    [
        ("minute", "UTC", "2025-10-09T12:34:56.7", "2025-10-09T12:34", "2025-10-09T12:35"),
        ("hour", "UTC", "2025-10-09T12:59:59.9", "2025-10-09T12:00", "2025-10-09T13:00"),
        ("hour", "UTC", "2025-10-09T13:00", "2025-10-09T13:00", "2025-10-09T14:00"),
        # Half past in UTC is the hour in India, and a quarter to in Nepal.
        ("hour", "Asia/Kolkata", "2025-10-09T12:40", "2025-10-09T12:30", "2025-10-09T13:30"),
        ("hour", "Asia/Kathmandu", "2025-10-09T12:40", "2025-10-09T12:15", "2025-10-09T13:15"),
        ("day", "UTC", "2025-10-09T00:00", "2025-10-09", "2025-10-10"),
        ("day", "UTC", "2025-10-09T23:59:59.999", "2025-10-09", "2025-10-10"),
        ("day", "Europe/Berlin", "2025-10-09T21:59", "2025-10-08T22:00", "2025-10-09T22:00"),
        ("day", "Europe/Berlin", "2025-10-09T22:00", "2025-10-09T22:00", "2025-10-10T22:00"),
        # Clocks are put forward: 23 hours. And back: 25.
        ("day", "Europe/Berlin", "2025-03-30T12:00", "2025-03-29T23:00", "2025-03-30T22:00"),
        ("day", "Europe/Berlin", "2025-10-26T12:00", "2025-10-25T22:00", "2025-10-26T23:00"),
        # The day begins at one o'clock, since there is no midnight.
        ("day", "Africa/Cairo", "2025-04-25T12:00", "2025-04-24T22:00", "2025-04-25T21:00"),
        # Midnight comes twice: at 04:00 and at 05:00 in UTC.
        ("day", "America/Havana", "2025-11-02T04:30", "2025-11-02T04:00", "2025-11-03T05:00"),
        ("day", "America/Havana", "2025-11-02T05:30", "2025-11-02T04:00", "2025-11-03T05:00"),
        # At one past midnight clocks are put back to yesterday.
        ("day", "America/St_Johns", "2008-11-02T02:31", "2008-11-02T02:30", "2008-11-03T03:30"),
        ("day", "America/St_Johns", "2008-11-02T03:00", "2008-11-02T02:30", "2008-11-03T03:30"),
        # Samoa had no 30 December 2011.
        ("day", "Pacific/Apia", "2011-12-30T09:00", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("week", "UTC", "2025-10-12T23:59", "2025-10-06", "2025-10-13"),
        ("week", "UTC", "2025-10-13T00:00", "2025-10-13", "2025-10-20"),
        ("week", "America/New_York", "2025-11-02T12:00", "2025-10-27T04:00", "2025-11-03T05:00"),
        ("month", "UTC", "2024-02-29T12:00", "2024-02-01", "2024-03-01"),
        ("month", "UTC", "2025-12-31T23:59", "2025-12-01", "2026-01-01"),
        ("month", "Asia/Tokyo", "2025-12-31T15:00", "2025-12-31T15:00", "2026-01-31T15:00"),
    ],
)
def test_windows(period: Period, zone: str, now: str, start: str, end: str) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    found = window(period, instant, parse_zone(zone))
    assert (found.start, found.end) == (seconds(start), seconds(end))
    assert found.ends


def test_in_all_is_one_window() -> None:
    assert window("total", 0) == window("total", 2e9, ZoneInfo("Asia/Tokyo")) == FOREVER
    assert not FOREVER.ends


ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Havana", "America/Sao_Paulo",
    "America/St_Johns", "Africa/Cairo", "Asia/Beirut", "Asia/Kathmandu", "Asia/Kolkata",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham", "Asia/Pyongyang",
]  # fmt: skip


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["minute", "hour", "day", "week", "month"]),
    st.integers(seconds("2000-01-02"), seconds("2037-01-01")),
)
def test_each_instant_lies_in_one_window(name: str, period: Period, now: int) -> None:
    zone = parse_zone(name)
    found = window(period, now, zone)
    assert found.start <= now < found.end
    for instant in (found.start, (found.start + now) // 2, (now + found.end) // 2, found.end - 1):
        assert window(period, instant, zone) == found
    assert window(period, found.end, zone).start == found.end
    assert window(period, found.start - 1, zone).end == found.start


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "\0"]
)
def test_what_is_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="expected UTC or a time zone"):
        parse_zone(name)
