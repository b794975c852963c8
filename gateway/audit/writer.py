"""Writes the audit log behind the uploads' back: a queue with an end, and a thread.

Uploads never wait for it. What the file does not take stays in the queue and is tried again; what
the queue does not take is lost, is counted, and the log itself says so as soon as it can.
"""

import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from time import monotonic
from typing import Protocol

from gateway.audit.file import AuditFile
from gateway.log_formats import encoded

CAPACITY = 10_000
"""Lines that wait at most."""
_AT_ONCE = 1000
_GATHER = 0.2
"""Seconds for which lines are gathered, since the way to the file costs more than a line."""
_RETRY = 1.0
_SYNC_EVERY = 1.0
_CLOSE_WITHIN = 5.0


class Counts(Protocol):
    """Who counts; ``lost`` is called by the event loop's thread, the others by the writer's."""

    def written(self, lines: int) -> None: ...

    def lost(self, lines: int) -> None: ...

    def failing(self, failing: bool) -> None: ...  # noqa: FBT001 - a callback


class AuditWriter:
    """The audit log, as one process writes it."""

    def __init__(
        self,
        file: AuditFile,
        counts: Counts,
        tell: Callable[[OSError | None], None],
        *,
        capacity: int = CAPACITY,
    ) -> None:
        """``tell`` hears, in the writer's thread, that the file cannot be written or can again."""
        self._file = file
        self._counts = counts
        self._tell = tell
        self._capacity = capacity
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._lost_and_told = 0
        self._unsynced = False
        self._synced = monotonic()
        self.failing = False
        """Whether the file did not take the last lines."""
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def put(self, document: bytes) -> None:
        """Have ``document``, of JSON, written; never waits."""
        if len(self._waiting) >= self._capacity:
            self._lost += 1
            self._counts.lost(1)
            return
        self._waiting.append(document)
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> int:
        """Write what waits. Returns how many lines could not be written; waits for the disk."""
        self._closing.set()
        self._wake.set()
        self._thread.join(_CLOSE_WITHIN)
        return len(self._waiting) + self._lost - self._lost_and_told

    # In the thread.

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(_SYNC_EVERY if self._unsynced else None)
            if self._wake.is_set():
                self._closing.wait(_RETRY if self.failing else _GATHER)
            self._wake.clear()
            self._write_waiting()
        self._write_waiting()
        self._file.close()

    def _write_waiting(self) -> None:
        try:
            while self._waiting or self._lost > self._lost_and_told:
                self._write_some()
            if self._unsynced and (self._closing.is_set() or self._sync_is_due()):
                self._file.sync()
                self._unsynced, self._synced = False, monotonic()
        except OSError as error:
            self._wake.set()
            self._turn(error)
        else:
            self._turn(None)

    def _write_some(self) -> None:
        lost = self._lost - self._lost_and_told
        documents = list(islice(self._waiting, _AT_ONCE))
        notes = [encoded({"event": "lost", "lines": lost})] if lost else []
        self._file.append([*documents, *notes])
        self._lost_and_told += lost
        for _ in documents:
            self._waiting.popleft()
        self._unsynced = True
        self._counts.written(len(documents))

    def _sync_is_due(self) -> bool:
        return monotonic() - self._synced >= _SYNC_EVERY

    def _turn(self, error: OSError | None) -> None:
        if self.failing != (error is not None):
            self.failing = error is not None
            self._counts.failing(self.failing)
            self._tell(error)
