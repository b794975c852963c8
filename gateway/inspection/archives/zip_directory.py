"""The directory at the end of a ZIP archive, and whether all else agrees with it.

One program reads an archive by its directory, another from the front by the headers before each
entry. Where the two could find different files, it is ambiguous. APPNOTE.TXT is PKWARE's.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from gateway.contents import Limits, Trouble
from gateway.inspection.archives.reading import (
    Unfit,
    check_directory,
    read_at,
    size_of,
    slices,
)

ENCRYPTED, SIZE_FOLLOWS, UTF_8 = 1, 8, 1 << 11
AES = 99
"""A method's number that says that another one is encrypted."""

_END = struct.Struct("<4s4H2IH")
"""4.3.16."""
_END_MARK, _END_64_MARK, _LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LOCATOR = struct.Struct("<4sIQI")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_END_64_SIZE = _END_64.size - 12
"""What version 1 of that record says of itself; version 2 is for encrypted directories (7.3)."""
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_CENTRAL_MARK = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3I2H")
LOCAL_MARK = b"PK\x03\x04"
_MARKS = (LOCAL_MARK, _CENTRAL_MARK, _END_MARK)
_MOST_COMMENT = 0xFFFF
_IN_EXTRA = 0xFFFFFFFF
_EXTRA_64, _EXTRA_UNICODE_PATH = 0x0001, 0x7075


class Record(NamedTuple):
    """An entry, as the directory has it."""

    name: bytes
    flags: int
    method: int
    packed_size: int
    size: int
    start: int
    """Of its local header."""
    attributes: int
    """External ones: Unix' mode in the upper half."""
    extra: bytes

    @property
    def unicode_path(self) -> bytes | None:
        """Another name, which some programs take instead (Info-ZIP, 4.6.9)."""
        field = _field(self.extra, _EXTRA_UNICODE_PATH)
        return field[5:] if field is not None and len(field) > 5 else None


class _End(NamedTuple):
    entries: int
    size: int
    start: int
    at: int
    """Where the first of the records is that end the archive."""


def read_directory(file: BinaryIO, limits: Limits) -> list[Record]:
    """Raises Unfit, and before more than the limits' entries are loaded."""
    end = _read_end(file)
    check_directory(end.entries, end.size, limits)
    if end.start + end.size != end.at:
        raise Unfit(Trouble.AMBIGUOUS)
    records = list(_records(read_at(file, end.start, end.size), limits.entries))
    if len(records) != end.entries:
        raise Unfit(Trouble.AMBIGUOUS)
    return records


def check_layout(file: BinaryIO, records: list[Record]) -> dict[Record, int]:
    """Where each entry's data start. Raises Unfit if entries overlap, or if there is one that the
    directory does not have.
    """
    starts: dict[Record, int] = {}
    seen_to = 0
    for record in sorted(records, key=lambda record: record.start):
        if record.start < seen_to:
            raise Unfit(Trouble.AMBIGUOUS)
        _check_gap(file, seen_to, record.start)
        starts[record] = data_start(file, record)
        seen_to = starts[record] + record.packed_size
    end = _read_end(file)
    if seen_to > end.start:
        raise Unfit(Trouble.AMBIGUOUS)
    _check_gap(file, seen_to, end.start)
    return starts


def _read_end(file: BinaryIO) -> _End:
    size = size_of(file)
    start = max(0, size - _END.size - _MOST_COMMENT)
    tail = read_at(file, start, size - start)
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) < at + _END.size:
        raise Unfit(Trouble.UNREADABLE)
    _, disk, other_disk, here, entries, directory, offset, comment = _END.unpack_from(tail, at)
    if len(tail) < at + _END.size + comment:
        raise Unfit(Trouble.UNREADABLE)
    at += start
    if at >= _LOCATOR.size:
        locator = read_at(file, at - _LOCATOR.size, _LOCATOR.size)
        if locator.startswith(_LOCATOR_MARK):
            return _read_end_64(file, at - _LOCATOR.size, locator)
    if disk or other_disk or here != entries:
        raise Unfit(Trouble.UNSUPPORTED)
    return _End(entries, directory, offset, at)


def _read_end_64(file: BinaryIO, locator_at: int, locator: bytes) -> _End:
    _, _, at, disks = _LOCATOR.unpack(locator)
    if at + _END_64.size > locator_at or disks > 1:
        raise Unfit(Trouble.UNREADABLE)
    record = _END_64.unpack(read_at(file, at, _END_64.size))
    mark, record_size, _, _, _, _, here, entries, directory, offset = record
    if mark != _END_64_MARK or here != entries:
        raise Unfit(Trouble.UNREADABLE)
    if record_size != _END_64_SIZE:
        raise Unfit(Trouble.ENCRYPTED)
    return _End(entries, directory, offset, at)


def _records(directory: bytes, most: int) -> Iterator[Record]:
    at = 0
    for _ in range(most + 1):
        if at == len(directory):
            return
        if len(directory) < at + _CENTRAL.size or not directory.startswith(_CENTRAL_MARK, at):
            raise Unfit(Trouble.UNREADABLE)
        fields = _CENTRAL.unpack_from(directory, at)
        flags, method, packed_size, size = fields[3], fields[4], fields[8], fields[9]
        name_end = at + _CENTRAL.size + fields[10]
        extra_end = name_end + fields[11]
        name = directory[at + _CENTRAL.size : name_end]
        extra = directory[name_end:extra_end]
        sizes = _sizes_64(extra, [size, packed_size, fields[16]])
        at = extra_end + fields[12]
        if at > len(directory) or not name:
            raise Unfit(Trouble.UNREADABLE)
        yield Record(name, flags, method, sizes[1], sizes[0], sizes[2], fields[15], extra)
    raise Unfit(Trouble.TOO_MANY_ENTRIES)


def _sizes_64(extra: bytes, sizes: list[int]) -> list[int]:
    """With those in their places that are too large for 32 bits (4.5.3)."""
    if _IN_EXTRA not in sizes:
        return sizes
    field = _field(extra, _EXTRA_64) or b""
    found = []
    for size in sizes:
        if size == _IN_EXTRA:
            if len(field) < 8:
                raise Unfit(Trouble.UNREADABLE)
            size, field = int.from_bytes(field[:8], "little"), field[8:]
        found.append(size)
    return found


def _field(extra: bytes, wanted: int) -> bytes | None:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == wanted:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return None


def data_start(file: BinaryIO, record: Record) -> int:
    """Behind the local header. Raises Unfit if that says another thing than the directory."""
    local, start = read_local(file, record.start)
    if local.name != record.name or local.method != record.method:
        raise Unfit(Trouble.AMBIGUOUS)
    same = ENCRYPTED if record.name.isascii() else ENCRYPTED | UTF_8
    if (local.flags ^ record.flags) & same:
        raise Unfit(Trouble.AMBIGUOUS)
    for here, there in ((local.size, record.size), (local.packed_size, record.packed_size)):
        if here != there and (here or not local.flags & SIZE_FOLLOWS):
            raise Unfit(Trouble.AMBIGUOUS)
    if local.unicode_path not in (None, record.unicode_path):
        raise Unfit(Trouble.AMBIGUOUS)
    return start


def read_local(file: BinaryIO, at: int) -> tuple[Record, int]:
    """The entry as its local header there has it, and where its data start. Raises Unfit."""
    fields = _LOCAL.unpack(read_at(file, at, _LOCAL.size))
    mark, _, flags, method, _, _, _, packed_size, size, name_size, extra_size = fields
    if mark != LOCAL_MARK:
        raise Unfit(Trouble.UNREADABLE)
    rest = read_at(file, at + _LOCAL.size, name_size + extra_size)
    extra = rest[name_size:]
    size, packed_size = _sizes_64(extra, [size, packed_size])
    record = Record(rest[:name_size], flags, method, packed_size, size, at, 0, extra)
    return record, at + _LOCAL.size + len(rest)


def _check_gap(file: BinaryIO, start: int, end: int) -> None:
    """Where no entry is, nothing may look like one: padding, descriptors, signatures are there."""
    before = b""
    for piece in slices(file, start, end):
        seen = before + piece
        if any(mark in seen for mark in _MARKS):
            raise Unfit(Trouble.AMBIGUOUS)
        before = seen[-3:]
