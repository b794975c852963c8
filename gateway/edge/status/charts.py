"""Charts as numbers that a template draws: bars and lines within a box. No I/O."""

from collections.abc import Sequence
from math import log
from typing import NamedTuple

WIDTH, HEIGHT = 600, 120
_GAP = 2
_NICE = (1, 2, 5)


class Bar(NamedTuple):
    """A rectangle."""

    kind: str
    x: float
    y: float
    width: float
    height: float


class Column(NamedTuple):
    """Bars on top of each other, and what they say."""

    label: str
    bars: Sequence[Bar]


class Chart(NamedTuple):
    """What there is to draw."""

    top: float
    """The value of its upper edge."""
    columns: Sequence[Column] = ()
    lines: Sequence[tuple[str, str]] = ()
    """(kind, points)."""


def stacked(
    kinds: Sequence[str], rows: Sequence[Sequence[float]], labels: Sequence[str], top: float
) -> Chart:
    """A column for each of ``rows``, which has a value for each of ``kinds``."""
    step = WIDTH / max(len(rows), 1)
    columns = []
    for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
        bars, below = [], 0.0
        for kind, value in zip(kinds, row, strict=True):
            height = round(value / top * HEIGHT, 2)
            if height:
                below += height
                x = round(number * step + _GAP / 2, 2)
                bars.append(Bar(kind, x, round(HEIGHT - below, 2), round(step - _GAP, 2), height))
        columns.append(Column(label, bars))
    return Chart(top, columns)


def lines(
    kinds: Sequence[str], rows: Sequence[Sequence[float | None]], bottom: float, top: float
) -> Chart:
    """A line for each of ``kinds``; where a value is missing, it has a gap.

    The scale is logarithmic: each power of ten has the same room.
    """
    step = WIDTH / max(len(rows), 1)
    found: list[tuple[str, str]] = []
    for place, kind in enumerate(kinds):
        piece: list[str] = []
        for number, row in enumerate((*rows, [None] * len(kinds))):
            value = row[place]
            if value is not None:
                # As wide as a minute, so that one alone is seen.
                share = log(max(value, bottom) / bottom) / log(top / bottom)
                left, y = number * step, HEIGHT * (1 - share)
                piece += [f"{left + 1:.1f},{y:.1f}", f"{left + step - 1:.1f},{y:.1f}"]
            elif piece:
                found.append((kind, " ".join(piece)))
                piece = []
    return Chart(top, lines=found)


def nice_top(highest: float, base: int = 10) -> float:
    """A round number that is not below ``highest``: 1, 2 or 5 times a power of ``base``."""
    if base == 2:
        top = 1.0
        while top < highest:
            top *= 2
        return top
    power = 1.0
    while power > highest > 0:
        power /= 10
    while True:
        for factor in _NICE:
            if factor * power >= highest:
                return factor * power
        power *= 10
