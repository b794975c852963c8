"""The last hour, minute by minute: differences of what metrics count anyway."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import pairwise

from gateway.endpoints import ENDPOINTS, UNLISTED
from gateway.metrics.exposition import Read
from gateway.metrics.families import REQUEST_SECONDS, REQUESTS, SECONDS, STORED_BYTES
from gateway.status.values import Minute
from gateway.values import Outcome

MINUTES = 60
_UPLOADS = {(row.name, row.method) for row in ENDPOINTS if row.rule is not None}
_ENDPOINTS = {name for name, _ in _UPLOADS} | {UNLISTED}

_Key = tuple[str, str]
"""(what, reason or bucket)."""


class Hour:
    """Of this gateway, whose processes' metrics ``read`` has."""

    def __init__(self, read: Read, clock: Callable[[], float] = time.time) -> None:
        self._read = read
        self._clock = clock
        self._before = self._counted()
        self._minutes: deque[Minute] = deque(maxlen=MINUTES + 1)

    def update(self) -> None:
        """Add to the present minute what was counted since the last time."""
        counted = self._counted()
        new, self._before = counted - self._before, counted
        if not new:
            return
        start = int(self._clock() // 60) * 60
        minute = _minute(start, new)
        if self._minutes and self._minutes[-1].start >= start:
            minute = self._minutes.pop().plus(minute)
        self._minutes.append(minute)

    def look(self) -> list[Minute]:
        """Those in which there was something, oldest first."""
        first = self._clock() - 60 * MINUTES
        return [minute for minute in self._minutes if minute.start > first]

    def _counted(self) -> Counter[_Key]:
        found: Counter[_Key] = Counter()
        for reading in self._read():
            for (name, labels), cells in reading.values.items():
                if name == REQUESTS.name:
                    endpoint, method, _, outcome, reason = labels
                    if endpoint == UNLISTED or (endpoint, method) in _UPLOADS:
                        found[outcome, reason] += int(cells[0])
                elif name == STORED_BYTES.name:
                    found["stored", ""] += int(cells[0])
                elif name == REQUEST_SECONDS.name and _is_accepted(*labels):
                    for bucket, count in enumerate(cells[:-1]):
                        found["latency", str(bucket)] += int(count)
        return found


def _is_accepted(endpoint: str, outcome: str) -> bool:
    return endpoint in _ENDPOINTS and outcome == Outcome.ACCEPTED


def _minute(start: int, new: Mapping[_Key, int]) -> Minute:
    def by_reason(outcome: str) -> dict[str, int]:
        return {reason: count for (what, reason), count in new.items() if what == outcome}

    return Minute(
        start,
        sum(by_reason(Outcome.ACCEPTED).values()),
        by_reason(Outcome.REFUSED),
        by_reason(Outcome.FAILED),
        sum(by_reason(Outcome.ABORTED).values()),
        new.get(("stored", ""), 0),
        [new.get(("latency", str(bucket)), 0) for bucket in range(len(SECONDS) + 1)],
    )


def added_up(minutes: list[Minute], now: float) -> list[Minute]:
    """The minutes of several gateways as those of one: as many as an hour has, up to now."""
    last = int(now // 60) * 60
    found = {last - 60 * back: Minute(last - 60 * back) for back in reversed(range(MINUTES))}
    for minute in minutes:
        if minute.start in found:
            found[minute.start] = found[minute.start].plus(minute)
    return list(found.values())


def percentile(minute: Minute, share: float) -> float | None:
    """Seconds within which ``share`` of the uploads were answered; None if there were none.

    Within a bucket, answers are taken to be spread evenly, as Prometheus does.
    """
    wanted, passed = sum(minute.latency) * share, 0
    if not wanted:
        return None
    for (low, high), count in zip(pairwise((0.0, *SECONDS)), minute.latency, strict=False):
        if passed + count >= wanted:
            return low + (high - low) * (wanted - passed) / count
        passed += count
    return SECONDS[-1]
