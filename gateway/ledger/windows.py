"""The time in which a quota counts, as clocks on the wall show it. No I/O.

Days, weeks and months are those of a zone, whatever its clocks do in them: a day on which they
are put back has 25 hours. Each instant lies in one window of each period.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, get_args

Period = Literal["minute", "hour", "day", "week", "month", "total"]
PERIODS: tuple[str, ...] = get_args(Period)

_MINUTE = 60
_HOUR = 3600
_ENDLESS = 2**40
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` up to but not including ``end``: seconds since the epoch."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts, not {self.start}..{self.end}")

    @property
    def ends(self) -> bool:
        """Whether it ever does."""
        return self.end < _ENDLESS


FOREVER = Window(0, _ENDLESS)


def window(period: Period, now: float, zone: tzinfo = UTC) -> Window:
    """The window of ``period`` that contains ``now`` (seconds since the epoch) in ``zone``."""
    match period:
        case "minute":
            return _aligned(int(now // _MINUTE), _MINUTE, 0)
        case "hour":
            past = _minutes_past(zone)
            return _aligned(int((now + past) // _HOUR), _HOUR, past)
        case "total":
            return FOREVER
        case "day" | "week" | "month":
            last = _last.get((period, zone))
            if last is None or not last.start <= now < last.end:
                last = _last[period, zone] = _dated(period, now, zone)
            return last


_last: dict[tuple[Period, tzinfo], Window] = {}
"""Windows found before: dates cost a hundred times as much as to look here."""


@lru_cache(maxsize=16)
def _aligned(number: int, length: int, past: int) -> Window:
    return Window(number * length - past, (number + 1) * length - past)


@lru_cache(maxsize=8)
def _minutes_past(zone: tzinfo) -> int:
    """How far hours of ``zone`` begin before those of UTC, in seconds; half an hour in India.

    One number for all times, so that hours never overlap. (On Lord Howe Island, where clocks are
    changed by half an hour, it fits half the year only.)
    """
    return int((zone.utcoffset(_SOME_DAY) or timedelta()).total_seconds()) % _HOUR


def _dated(period: Literal["day", "week", "month"], now: float, zone: tzinfo) -> Window:
    first_day, following = _CALENDAR[period]
    first = first_day(datetime.fromtimestamp(now, zone).date())
    found = Window(_midnight(first, zone), _midnight(following(first), zone))
    while now >= found.end:  # clocks were put back over midnight: yesterday's date for a while
        first = following(first)
        found = Window(found.end, _midnight(following(first), zone))
    return found


def _midnight(day: date, zone: tzinfo) -> int:
    """When ``day`` begins; where there are two midnights, with the first."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


_CALENDAR: dict[str, tuple[Callable[[date], date], Callable[[date], date]]] = {
    "day": (lambda day: day, lambda day: day + timedelta(days=1)),
    "week": (
        lambda day: day - timedelta(days=day.weekday()),
        lambda day: day + timedelta(days=7),
    ),
    "month": (lambda day: day.replace(day=1), _next_month),
}
"""The first day of the period that a day is in, and that of the next."""
