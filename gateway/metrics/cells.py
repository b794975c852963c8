"""Where values are kept: 64-bit floats in memory, or in a file that another process reads.

A request changes some thirty values, so each change must cost next to nothing: an addition in
place, by the only thread that ever writes. With several workers each has its own file; whoever
is scraped adds them up. A dead worker's file stays, so that no sum ever goes back; only its
gauges end with it.

Beside a cell may be noted which request it counted last. These notes are kept in memory, where
they cost a request next to nothing, too, and go to a file once a second.
"""

import asyncio
import json
import mmap
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from gateway.metrics.families import Family

CELLS = 32_768
_BYTES = CELLS * 8

_SAVE_EVERY = 1.0
"""Seconds."""

Labels = tuple[str, ...]
Key = tuple[str, Labels]
"""Family name, label values."""
Request = tuple[str, str, float]
"""Its id, that of its trace, and when it was counted (Unix time)."""
Noted = tuple[Request, float]
"""A request, and the value that was counted of it."""


class Reading(NamedTuple):
    """What a process has counted."""

    values: dict[Key, list[float]]
    noted: dict[Key, dict[int, Noted]]
    """By the number of the cell among those of its key."""


class Cells:
    """The values of this process."""

    def __init__(self, folder: Path | None = None) -> None:
        """In memory, or in a file of this process in ``folder``."""
        self._offsets: dict[Key, tuple[int, int]] = {}
        self._used = 0
        self._index: int | None = None
        self.noted: dict[int, Noted] = {}
        """The last request that a cell counted, by the number of the cell."""
        self._noted_file: Path | None = None
        self._saved = 0.0
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
        self._noted_file = folder / f"{name}.noted"

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

    def read(self) -> Reading:
        values = {
            key: list(self.values[offset : offset + count])
            for key, (offset, count) in self._offsets.items()
        }
        noted = {key: _of(self.noted, *place) for key, place in self._offsets.items()}
        return Reading(values, noted)

    async def keep_saving(self) -> None:
        """Show others what is noted, for ever."""
        while True:
            await asyncio.sleep(_SAVE_EVERY)
            self.save_noted()

    def save_noted(self) -> None:
        """Show others what is noted, if there is news."""
        newest = max((request[2] for request, _ in self.noted.values()), default=0.0)
        if self._noted_file is None or newest == self._saved:
            return
        self._saved = newest
        draft = self._noted_file.with_suffix(".draft")
        with suppress(OSError):  # a full disk is no reason to stop
            draft.write_bytes(orjson.dumps([*self.noted.items()]))
            draft.replace(self._noted_file)


def _of(noted: dict[int, Noted], offset: int, count: int) -> dict[int, Noted]:
    return {number: noted[offset + number] for number in range(count) if offset + number in noted}


def read_workers(folder: Path, gauges: frozenset[str]) -> Iterator[Reading]:
    """What each worker has counted, dead ones without ``gauges`` (family names)."""
    for index in sorted(folder.glob("*.index")):
        with suppress(FileNotFoundError):  # renamed just now: the next scrape has it
            yield _read_worker(index, gauges)


def _read_worker(index: Path, gauges: frozenset[str]) -> Reading:
    dead = index.name.endswith(".dead.index")
    cells = memoryview(index.with_suffix(".cells").read_bytes()).cast("d")
    noted = _read_noted(index.with_suffix(".noted"))
    reading = Reading({}, {})
    for line in index.read_bytes().split(b"\n")[:-1]:
        name, labels, offset, count = json.loads(line)
        if not (dead and name in gauges):
            key = (name, tuple(labels))
            reading.values[key] = list(cells[offset : offset + count])
            reading.noted[key] = _of(noted, offset, count)
    return reading


def _read_noted(file: Path) -> dict[int, Noted]:
    if not file.exists():  # not saved so far
        return {}
    return {cell: ((id_, trace, when), value)
            for cell, ((id_, trace, when), value) in orjson.loads(file.read_bytes())}  # fmt: skip


def has_cells(folder: Path, pid: int) -> bool:
    """Whether the worker ``pid`` counts by now."""
    return any(folder.glob(f"{pid}-*.index"))


def bury_worker(folder: Path, pid: int) -> None:
    """The worker ``pid`` is dead: its gauges count no more."""
    for file in sorted(folder.glob(f"{pid}-*.*"), key=lambda file: file.suffix == ".index"):
        if ".dead." not in file.name:
            file.rename(file.with_name(f"{file.stem}.dead{file.suffix}"))
