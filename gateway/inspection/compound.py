"""An OLE2 file ([MS-CFB]) whose sectors may lie anywhere, and lead in circles."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.inspection.ole import END, ENTRY, MARK, sector_size

_HEADER = 512
_IN_HEADER = 109
"""Sectors of the allocation table that the header itself lists."""
_MOST_DIRECTORY = 4 * 2**20
"""Bytes. Real documents have some kilobytes."""
_CACHED = 64
"""Sectors of the allocation table that are kept."""


class Damaged(Exception):
    """It cannot be read."""


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    name: str
    class_id: bytes
    left: int
    right: int
    child: int
    start: int
    """Its first sector."""
    size: int
    """Bytes."""


class CompoundFile:
    def __init__(self, file: BinaryIO) -> None:
        """Raises Damaged."""
        self._file = file
        header = self._read(0, _HEADER)
        if not header.startswith(MARK):
            raise Damaged
        self._sector_size = sector_size(header)
        self._table = [_number(header, 76 + 4 * n) for n in range(_IN_HEADER)]
        self._more_table, self._more_tables = _number(header, 68), _number(header, 72)
        self._first = _number(header, 48)
        self._least_stream = _number(header, 56)
        self._cache: dict[int, bytes] = {}

    def directory(self) -> list[DirectoryEntry]:
        """The root comes first. Raises Damaged."""
        entries: list[DirectoryEntry] = []
        for sector in self._chain(self._first, _MOST_DIRECTORY):
            entries += (
                _entry(sector[at : at + ENTRY]) for at in range(0, self._sector_size, ENTRY)
            )
        if not entries:
            raise Damaged
        return entries

    def stream(self, entry: DirectoryEntry, most: int) -> Iterator[bytes]:
        """At most ``most`` bytes of its content, in pieces; none of one that is so small that it
        shares its sectors.
        """
        if entry.size >= self._least_stream:
            yield from self._chain(entry.start, min(most, entry.size))

    def _chain(self, sector: int, most: int) -> Iterator[bytes]:
        for _ in range(0, most, self._sector_size):
            if sector >= END:
                return
            yield self._read((sector + 1) * self._sector_size, self._sector_size)
            sector = self._next(sector)

    def _next(self, sector: int) -> int:
        number, place = divmod(sector, self._sector_size // 4)
        table = self._cache.get(number)
        if table is None:
            at = (self._table_sector(number) + 1) * self._sector_size
            table = self._read(at, self._sector_size)
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._cache[number] = table
        return _number(table, 4 * place)

    def _table_sector(self, number: int) -> int:
        """Where the allocation table's part is: the header lists the first, sectors the others."""
        while number >= len(self._table):
            if self._more_tables <= 0 or self._more_table >= END:
                raise Damaged
            more = self._read((self._more_table + 1) * self._sector_size, self._sector_size)
            self._table += (_number(more, at) for at in range(0, len(more) - 4, 4))
            self._more_table = _number(more, len(more) - 4)
            self._more_tables -= 1
        return self._table[number]

    def _read(self, start: int, size: int) -> bytes:
        """The last sector may be cut off."""
        self._file.seek(start)
        found = self._file.read(size)
        if not found:
            raise Damaged
        return found.ljust(size, b"\0")


def children(entries: list[DirectoryEntry], of: DirectoryEntry) -> Iterator[DirectoryEntry]:
    """What lies in a storage, but not deeper."""
    seen: set[int] = set()
    waiting = [of.child]
    while waiting:
        number = waiting.pop()
        if number in seen or number >= len(entries):
            continue
        seen.add(number)
        entry = entries[number]
        yield entry
        waiting += (entry.left, entry.right)


def _entry(data: bytes) -> DirectoryEntry:
    size = max(0, min(int.from_bytes(data[64:66], "little"), 64) - 2)
    return DirectoryEntry(
        data[:size].decode("utf-16-le", "replace"),
        data[80:96],
        *(_number(data, at) for at in (68, 72, 76, 116, 120)),
    )


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")
