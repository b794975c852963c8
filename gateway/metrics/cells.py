"""Where values are kept: 64-bit floats in memory, or in a file that another process reads.

A request changes some thirty values, so each change must cost next to nothing: an addition in
place, by the only thread that ever writes. With several workers each has its own file; whoever
is scraped adds them up. A dead worker's file stays, so that no sum ever goes back; only its
gauges end with it.
"""

import json
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gateway.metrics.families import Family

CELLS = 32_768
_BYTES = CELLS * 8

Labels = tuple[str, ...]
Values = dict[tuple[str, Labels], list[float]]
"""(family name, label values) → cells."""


class Cells:
    """The values of this process."""

    def __init__(self, folder: Path | None = None) -> None:
        """In memory, or in a file of this process in ``folder``."""
        self._offsets: dict[tuple[str, Labels], tuple[int, int]] = {}
        self._used = 0
        self._index: int | None = None
        if folder is None:
            self.values = memoryview(bytearray(_BYTES)).cast("d")
            return
        name = f"{os.getpid()}-{time.time_ns()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open(folder / f"{name}.cells", flags, 0o600)
        os.ftruncate(descriptor, _BYTES)
        self.values = memoryview(mmap.mmap(descriptor, _BYTES)).cast("d")
        os.close(descriptor)
        self._index = os.open(folder / f"{name}.index", flags | os.O_APPEND, 0o600)

    def allocate(self, family: Family, labels: Labels) -> int:
        """The first of the cells for ``labels`` in ``family``."""
        key = (family.name, labels)
        if key in self._offsets:
            return self._offsets[key][0]
        if self._used + family.cells > CELLS:
            raise MemoryError("more combinations of metric labels than the code has")
        offset, self._used = self._used, self._used + family.cells
        self._offsets[key] = (offset, family.cells)
        if self._index is not None:
            line = json.dumps([family.name, labels, offset, family.cells])
            os.write(self._index, f"{line}\n".encode())
        return offset

    def read(self) -> Values:
        return {
            key: list(self.values[offset : offset + count])
            for key, (offset, count) in self._offsets.items()
        }


def read_workers(folder: Path, gauges: frozenset[str]) -> Iterator[Values]:
    """The values of each worker, dead ones without those of ``gauges`` (family names)."""
    for index in sorted(folder.glob("*.index")):
        with suppress(FileNotFoundError):  # renamed just now: the next scrape has it
            yield _read_worker(index, gauges)


def _read_worker(index: Path, gauges: frozenset[str]) -> Values:
    dead = index.name.endswith(".dead.index")
    cells = memoryview(index.with_suffix(".cells").read_bytes()).cast("d")
    values: Values = {}
    for line in index.read_bytes().split(b"\n")[:-1]:
        name, labels, offset, count = json.loads(line)
        if not (dead and name in gauges):
            values[name, tuple(labels)] = list(cells[offset : offset + count])
    return values


def has_cells(folder: Path, pid: int) -> bool:
    """Whether the worker ``pid`` counts by now."""
    return any(folder.glob(f"{pid}-*.index"))


def bury_worker(folder: Path, pid: int) -> None:
    """The worker ``pid`` is dead: its gauges count no more."""
    for file in [*folder.glob(f"{pid}-*.cells"), *folder.glob(f"{pid}-*.index")]:
        if ".dead." not in file.name:
            file.rename(file.with_name(f"{file.stem}.dead{file.suffix}"))
