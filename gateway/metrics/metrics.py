"""Counting: what the gateway's parts call, at the price of an addition each."""

from bisect import bisect_left
from time import time

from gateway.metrics import families
from gateway.metrics.cells import Cells, Labels, Request
from gateway.metrics.families import SECONDS, Family

_SUM_OF_SECONDS = len(SECONDS) + 1

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counter:
    """A counter or gauge, by its label values."""

    def __init__(self, cells: Cells, family: Family) -> None:
        self._cells = cells
        self._values = cells.values
        self._family = family
        self._offsets: dict[Labels, int] = {}

    def add(self, labels: Labels, amount: float = 1.0) -> int:
        """Returns the cell that has counted it."""
        offset = self._offsets.get(labels)
        if offset is None:
            offset = self._offsets[labels] = self._cells.allocate(self._family, labels)
        self._values[offset] += amount
        return offset


class Histogram:
    """A histogram, by its label values: a cell for each bucket, +Inf, and the sum."""

    def __init__(self, cells: Cells, family: Family) -> None:
        self._cells = cells
        self._values = cells.values
        self._family = family
        self._bounds = family.buckets
        self._sum = len(family.buckets) + 1
        self._offsets: dict[Labels, int] = {}

    def observe(self, labels: Labels, value: float) -> int:
        """Returns the cell that has counted it."""
        offset = self._offsets.get(labels)
        if offset is None:
            offset = self._offsets[labels] = self._cells.allocate(self._family, labels)
        values = self._values
        cell = offset + bisect_left(self._bounds, value)
        values[cell] += 1.0
        values[offset + self._sum] += value
        return cell


class AuditMetrics:
    """What is counted of the audit log; its thread writes the cells that no other thread does."""

    def __init__(self, cells: Cells) -> None:
        self._values = cells.values
        self._written = cells.allocate(families.AUDIT_LINES, ("written",))
        self._lost = cells.allocate(families.AUDIT_LINES, ("lost",))
        self._failing = cells.allocate(families.AUDIT_FAILING, ())

    def written(self, lines: int) -> None:
        self._values[self._written] += lines

    def lost(self, lines: int) -> None:
        self._values[self._lost] += lines

    def failing(self, failing: bool) -> None:  # noqa: FBT001 - a callback
        self._values[self._failing] = failing


class Metrics:
    """The gateway's metrics."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._ends: dict[tuple[str, str, int, str, str], tuple[int, int]] = {}
        """Of REQUESTS and REQUEST_SECONDS, so that a request costs one look-up."""
        self._policy_reloads = Counter(cells, families.POLICY_RELOADS)
        self._credential_reloads = Counter(cells, families.CREDENTIAL_RELOADS)
        self._files = Counter(cells, families.FILES)
        self._would_refuse = Counter(cells, families.WOULD_REFUSE)
        self._stored_file_bytes = Histogram(cells, families.STORED_FILE_BYTES)
        self._exchanges = Counter(cells, families.UPSTREAM_EXCHANGES)
        self._sessions = Counter(cells, families.SESSION_LOOKUPS)
        self._places = Counter(cells, families.PLACE_LOOKUPS)
        self._scans = Counter(cells, families.SCANS)
        self._scan_seconds = Histogram(cells, families.SCAN_SECONDS)
        self._quota_claims = Counter(cells, families.QUOTA_CLAIMS)
        self._ledger_trouble = Counter(cells, families.LEDGER_TROUBLE)
        self._quota_unconfirmed = Counter(cells, families.QUOTA_UNCONFIRMED)
        # These exist from the start, so that their rates begin at zero.
        self._values = cells.values
        self._noted = cells.noted
        self._stored_bytes = cells.allocate(families.STORED_BYTES, ())
        self._received_bytes = cells.allocate(families.RECEIVED_BYTES, ())
        self._in_flight = cells.allocate(families.IN_FLIGHT, ())
        self._websockets_open = cells.allocate(families.WEBSOCKETS_OPEN, ())
        self._policy_stale = cells.allocate(families.POLICY_STALE, ())
        self._credentials_stale = {
            file: cells.allocate(families.CREDENTIALS_STALE, (file,))
            for file in families.CREDENTIAL_FILES
        }
        self._stages = [
            cells.allocate(families.STAGE_SECONDS, (stage,)) for stage in families.STAGES
        ]

    def begin_request(self) -> None:
        self._values[self._in_flight] += 1.0

    def open_websocket(self) -> None:
        """A request that began has become a WebSocket."""
        self._values[self._in_flight] -= 1.0
        self._values[self._websockets_open] += 1.0

    def close_websocket(self) -> None:
        """It comes to its end, as a request."""
        self._values[self._websockets_open] -= 1.0
        self._values[self._in_flight] += 1.0

    def end_request(
        self,
        endpoint: str,
        method: str,
        status: int,
        outcome: str,
        reason: str,
        seconds: float,
        bytes_received: int,
        request_id: str,
        trace_id: str,
    ) -> Request:
        """Count one request; called exactly once for each that began. Returns what ``stages``,
        ``file`` and ``would_refuse`` want to know of it."""
        request = (request_id, trace_id, time())
        values, noted = self._values, self._noted
        values[self._in_flight] -= 1.0
        values[self._received_bytes] += bytes_received
        known = method if method in METHODS else "other"
        key = (endpoint, known, status, outcome, reason)
        requests, duration = self._ends.get(key) or self._allocate_end(key)
        values[requests] += 1.0
        noted[requests] = (request, 1.0)
        bucket = duration + bisect_left(SECONDS, seconds)
        values[bucket] += 1.0
        noted[bucket] = (request, seconds)
        values[duration + _SUM_OF_SECONDS] += seconds
        return request

    def _allocate_end(self, key: tuple[str, str, int, str, str]) -> tuple[int, int]:
        endpoint, method, status, outcome, reason = key
        allocate = self._cells.allocate
        self._ends[key] = found = (
            allocate(families.REQUESTS, (endpoint, method, str(status), outcome, reason)),
            allocate(families.REQUEST_SECONDS, (endpoint, outcome)),
        )
        return found

    def stages(self, seconds: list[float], request: Request) -> None:
        """Observe what an upload spent in each of ``STAGES``; nothing for those it never saw."""
        values, noted = self._values, self._noted
        for offset, spent in zip(self._stages, seconds, strict=True):
            if spent:
                bucket = offset + bisect_left(SECONDS, spent)
                values[bucket] += 1.0
                noted[bucket] = (request, spent)
                values[offset + _SUM_OF_SECONDS] += spent

    def file(
        self, outcome: str, reason: str, group: str, stored: int | None, request: Request
    ) -> None:
        """Count one file; ``stored`` is its size in bytes if Mattermost took it."""
        self._noted[self._files.add((outcome, reason, group))] = (request, 1.0)
        if stored is not None:
            self._noted[self._stored_file_bytes.observe((), stored)] = (request, stored)
            self._values[self._stored_bytes] += stored

    def would_refuse(self, rule: str, reason: str, request: Request) -> None:
        self._noted[self._would_refuse.add((rule, reason))] = (request, 1.0)

    def exchange(self, result: str) -> None:
        self._exchanges.add((result,))

    def policy(self, loaded: bool, was_stale: bool) -> None:  # noqa: FBT001 - a callback
        """Count a new version of the policy file."""
        self._policy_reloads.add(("loaded" if loaded else "failed",))
        self._values[self._policy_stale] += (not loaded) - was_stale

    def credentials(self, file: str, loaded: bool) -> None:  # noqa: FBT001 - a callback
        """Count a new version of one of ``CREDENTIAL_FILES``."""
        self._credential_reloads.add((file, "loaded" if loaded else "failed"))
        self._values[self._credentials_stale[file]] = float(not loaded)

    def session(self, result: str) -> None:
        self._sessions.add((result,))

    def place(self, result: str) -> None:
        self._places.add((result,))

    def scan(self, result: str, seconds: float) -> None:
        """Count one file that was to be scanned."""
        self._scans.add((result,))
        self._scan_seconds.observe((result,), seconds)

    def quota_claim(self, scope: str, unit: str, result: str) -> None:
        self._quota_claims.add((scope, unit, result))

    def ledger_trouble(self, operation: str, result: str) -> None:
        self._ledger_trouble.add((operation, result))

    def quota_unconfirmed(self, scope: str, unit: str, amount: int) -> None:
        self._quota_unconfirmed.add((scope, unit), amount)
