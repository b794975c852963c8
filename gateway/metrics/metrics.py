"""Counting: what the gateway's parts call, at the price of an addition each."""

from bisect import bisect_left

from gateway.metrics import families
from gateway.metrics.cells import Cells, Labels
from gateway.metrics.families import Family

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counter:
    """A counter or gauge, by its label values."""

    def __init__(self, cells: Cells, family: Family) -> None:
        self._cells = cells
        self._values = cells.values
        self._family = family
        self._offsets: dict[Labels, int] = {}

    def add(self, labels: Labels = (), amount: float = 1.0) -> None:
        offset = self._offsets.get(labels)
        if offset is None:
            offset = self._offsets[labels] = self._cells.allocate(self._family, labels)
        self._values[offset] += amount


class Histogram:
    """A histogram, by its label values: a cell for each bucket, +Inf, and the sum."""

    def __init__(self, cells: Cells, family: Family) -> None:
        self._cells = cells
        self._values = cells.values
        self._family = family
        self._bounds = family.buckets
        self._sum = len(family.buckets) + 1
        self._offsets: dict[Labels | str, int] = {}

    def observe(self, key: Labels | str, value: float) -> None:
        """``key`` is the label values, or the one label's value."""
        offset = self._offsets.get(key)
        if offset is None:
            labels = (key,) if isinstance(key, str) else key
            offset = self._offsets[key] = self._cells.allocate(self._family, labels)
        values = self._values
        values[offset + bisect_left(self._bounds, value)] += 1.0
        values[offset + self._sum] += value


class Metrics:
    """The gateway's metrics."""

    def __init__(self, cells: Cells) -> None:
        self._requests = Counter(cells, families.REQUESTS)
        self._request_seconds = Histogram(cells, families.REQUEST_SECONDS)
        self._stage_seconds = Histogram(cells, families.STAGE_SECONDS)
        self._files = Counter(cells, families.FILES)
        self._stored_file_bytes = Histogram(cells, families.STORED_FILE_BYTES)
        self._stored_bytes = Counter(cells, families.STORED_BYTES)
        self._exchanges = Counter(cells, families.UPSTREAM_EXCHANGES)
        self._sessions = Counter(cells, families.SESSION_LOOKUPS)
        self._received_bytes = Counter(cells, families.RECEIVED_BYTES)
        self._in_flight = Counter(cells, families.IN_FLIGHT)
        # These exist from the start, so that their rates begin at zero.
        for counter in (self._stored_bytes, self._received_bytes, self._in_flight):
            counter.add(amount=0.0)

    def begin_request(self) -> None:
        self._in_flight.add()

    def end_request(
        self,
        endpoint: str,
        method: str,
        status: int,
        outcome: str,
        reason: str,
        seconds: float,
        bytes_received: int,
    ) -> None:
        """Count one request; called exactly once for each that began."""
        self._in_flight.add((), -1.0)
        known = method if method in METHODS else "other"
        self._requests.add((endpoint, known, str(status), outcome, reason))
        self._request_seconds.observe((endpoint, outcome), seconds)
        if bytes_received:
            self._received_bytes.add((), bytes_received)

    def stages(self, seconds: dict[str, float]) -> None:
        """Observe what an upload spent in each stage."""
        observe = self._stage_seconds.observe
        for stage, spent in seconds.items():
            observe(stage, spent)

    def file(self, outcome: str, reason: str, group: str, stored: int | None) -> None:
        """Count one file; ``stored`` is its size in bytes if Mattermost took it."""
        self._files.add((outcome, reason, group))
        if stored is not None:
            self._stored_file_bytes.observe((), stored)
            self._stored_bytes.add((), stored)

    def exchange(self, result: str) -> None:
        self._exchanges.add((result,))

    def session(self, result: str) -> None:
        self._sessions.add((result,))
