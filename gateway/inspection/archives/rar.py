"""RAR archives of versions 1.5 to 7: names, sizes, and what is encrypted; nothing is unpacked.

Read from the headers, as technote.txt of unrar 4 and "RAR 5.0 archive format" of rarlab.com tell.
"""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from gateway.contents import Kind, Trouble
from gateway.inspection.archives.reading import MOST_TARGET, Item, Unfit, read_at, size_of

_MARK_4, _MARK_5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_MOST_HEADER = 128 * 1024
_WINDOWS_DIRECTORY = 0x10
_S_IFMT, _S_IFLNK, _S_IFREG, _S_IFDIR = 0o170000, 0o120000, 0o100000, 0o040000


def read_rar(file: BinaryIO) -> Iterator[Item]:
    """Raises Unfit."""
    start = read_at(file, 0, len(_MARK_5))
    if start == _MARK_5:
        yield from _read_5(file)
    elif start.startswith(_MARK_4):
        yield from _read_4(file)
    else:
        raise Unfit(Trouble.UNREADABLE)


# Version 5

_MAIN, _FILE, _SERVICE, _ENCRYPTION, _END = 1, 2, 3, 4, 5
_HAS_EXTRA, _HAS_DATA = 1, 2
_IS_DIRECTORY, _HAS_TIME, _HAS_CRC, _SIZE_UNKNOWN = 1, 2, 4, 8
_EXTRA_ENCRYPTION, _EXTRA_REDIRECTION = 1, 5
_HARD_LINK, _COPY = 4, 5
_UNIX = 1


class _Header(NamedTuple):
    kind: int
    fields: "_Fields"
    extra: bytes
    end: int
    """Where the next one begins."""


class _Fields:
    """Reads a header forwards. Raises Unfit where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise Unfit(Trouble.UNREADABLE)
        self._at += size
        return found

    def number(self) -> int:
        """Seven bits of each byte, lowest first; the eighth says that there are more."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
        raise Unfit(Trouble.UNREADABLE)

    @property
    def at(self) -> int:
        return self._at

    @property
    def left(self) -> int:
        return len(self._data) - self._at


def _read_5(file: BinaryIO) -> Iterator[Item]:
    at, size = len(_MARK_5), size_of(file)
    while at < size:
        header = _header_5(file, at, size)
        if header.kind == _ENCRYPTION:
            raise Unfit(Trouble.ENCRYPTED)
        if header.kind == _END:
            return
        if header.kind == _FILE:
            yield _item_5(header.fields, header.extra)
        at = header.end
    raise Unfit(Trouble.UNREADABLE)


def _header_5(file: BinaryIO, at: int, size: int) -> _Header:
    start = read_at(file, at, min(7, size - at))
    sized = _Fields(start[4:])
    header_size = sized.number()
    if not 0 < header_size <= _MOST_HEADER:
        raise Unfit(Trouble.UNREADABLE)
    data = read_at(file, at + 4 + sized.at, header_size)
    if zlib.crc32(start[4 : 4 + sized.at] + data) != int.from_bytes(start[:4], "little"):
        raise Unfit(Trouble.UNREADABLE)
    fields = _Fields(data)
    kind, flags = fields.number(), fields.number()
    extra_size = fields.number() if flags & _HAS_EXTRA else 0
    data_size = fields.number() if flags & _HAS_DATA else 0
    if extra_size > fields.left:
        raise Unfit(Trouble.UNREADABLE)
    extra = data[len(data) - extra_size :] if extra_size else b""
    return _Header(kind, fields, extra, at + 4 + sized.at + header_size + data_size)


def _item_5(fields: _Fields, extra: bytes) -> Item:
    flags, size, attributes = fields.number(), fields.number(), fields.number()
    fields.take(4 * bool(flags & _HAS_TIME) + 4 * bool(flags & _HAS_CRC))
    fields.number()  # the method
    system = fields.number()
    name = fields.take(fields.number()).decode("utf-8", "replace")
    kind = Kind.REGULAR
    if flags & _IS_DIRECTORY:
        kind = Kind.DIRECTORY
    elif system == _UNIX:
        kind = _kind_of_mode(attributes)
    item = Item(name, size=None if flags & _SIZE_UNKNOWN else size, kind=kind)
    item.trouble = None if kind is Kind.DIRECTORY else Trouble.UNSUPPORTED
    rest = _Fields(extra)
    while rest.left:
        record = _Fields(rest.take(rest.number()))
        found = record.number()
        if found == _EXTRA_ENCRYPTION:
            item.trouble = Trouble.ENCRYPTED
        elif found == _EXTRA_REDIRECTION:
            _redirect(item, record)
    return item


def _redirect(item: Item, record: _Fields) -> None:
    kind, _, size = record.number(), record.number(), record.number()
    if size > MOST_TARGET:
        raise Unfit(Trouble.UNREADABLE)
    item.link = record.take(size).decode("utf-8", "replace")
    item.kind = Kind.HARD_LINK if kind in (_HARD_LINK, _COPY) else Kind.SYMBOLIC_LINK


def _kind_of_mode(mode: int) -> Kind:
    kind = mode & _S_IFMT
    if kind == _S_IFLNK:
        return Kind.SYMBOLIC_LINK
    return Kind.REGULAR if kind in (0, _S_IFREG, _S_IFDIR) else Kind.DEVICE


# Versions 1.5 to 4

_MAIN_4, _FILE_4, _END_4 = 0x73, 0x74, 0x7B
_ENCRYPTED_HEADERS, _ENCRYPTED_FILE, _LARGE, _UNICODE = 0x80, 0x04, 0x100, 0x200
_LONG_BLOCK = 0x8000
_DIRECTORY_BITS = 0xE0
_UNIX_4 = 3
_FILE_FIELDS = 25
"""Bytes of a file's header behind its first seven, up to the name."""


def _read_4(file: BinaryIO) -> Iterator[Item]:
    at, size = len(_MARK_4), size_of(file)
    while at < size:
        start = read_at(file, at, 7)
        kind, flags = start[2], int.from_bytes(start[3:5], "little")
        header_size = int.from_bytes(start[5:7], "little")
        if header_size < len(start):
            raise Unfit(Trouble.UNREADABLE)
        data = read_at(file, at + 7, header_size - 7)
        if kind == _END_4:
            return
        if kind == _MAIN_4 and flags & _ENCRYPTED_HEADERS:
            raise Unfit(Trouble.ENCRYPTED)
        at += header_size
        if kind == _FILE_4:
            if zlib.crc32(start[2:] + data) & 0xFFFF != int.from_bytes(start[:2], "little"):
                raise Unfit(Trouble.UNREADABLE)
            item, packed = _item_4(_Fields(data), flags)
            yield item
            at += packed
        elif flags & _LONG_BLOCK:
            at += int.from_bytes(_Fields(data).take(4), "little")
    if at > size:
        raise Unfit(Trouble.UNREADABLE)


def _item_4(fields: _Fields, flags: int) -> tuple[Item, int]:
    """And the bytes of its packed data."""
    data = fields.take(_FILE_FIELDS)
    packed, size = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")
    system, name_size = data[8], int.from_bytes(data[19:21], "little")
    attributes = int.from_bytes(data[21:25], "little")
    if flags & _LARGE:
        packed |= int.from_bytes(fields.take(4), "little") << 32
        size |= int.from_bytes(fields.take(4), "little") << 32
    name, *other_names = _names_4(fields.take(name_size), unicode=bool(flags & _UNICODE))
    kind = Kind.REGULAR
    if flags & _DIRECTORY_BITS == _DIRECTORY_BITS or (
        system != _UNIX_4 and attributes & _WINDOWS_DIRECTORY
    ):
        kind = Kind.DIRECTORY
    elif system == _UNIX_4:
        kind = _kind_of_mode(attributes)
    item = Item(name, size=size, kind=kind, other_names=tuple(other_names))
    if flags & _ENCRYPTED_FILE:
        item.trouble = Trouble.ENCRYPTED
    elif kind is not Kind.DIRECTORY:
        item.trouble = Trouble.UNSUPPORTED
    return item, packed


def _names_4(name: bytes, *, unicode: bool) -> list[str]:
    """One name, or its form for old programs behind the real one."""
    old, zero, packed = name.partition(b"\0")
    if not unicode:
        return [name.decode("cp437", "replace")]
    if not zero:
        return [name.decode("utf-8", "replace")]
    real = _unpacked_name(old, packed)
    return [real, old.decode("cp437", "replace")]


def _unpacked_name(old: bytes, packed: bytes) -> str:
    """UTF-16, of which two bits for each character tell how it is written."""
    fields, units = _Fields(packed), bytearray()
    high = fields.take(1) if packed else b""
    while fields.left:
        flags = fields.take(1)[0]
        for shift in (6, 4, 2, 0):
            if not fields.left:
                break
            how = flags >> shift & 3
            if how == 0:
                units += fields.take(1) + b"\0"
            elif how == 1:
                units += fields.take(1) + high
            elif how == 2:
                units += fields.take(2)
            else:
                _repeat(fields, old, high, units)
    return units.decode("utf-16-le", "replace")


def _repeat(fields: _Fields, old: bytes, high: bytes, units: bytearray) -> None:
    """Characters of the old form, as they are or moved by a number."""
    count = fields.take(1)[0]
    moved, above = (fields.take(1)[0], high) if count & 0x80 else (0, b"\0")
    for _ in range((count & 0x7F) + 2):
        at = len(units) // 2
        if at < len(old):
            units += bytes([(old[at] + moved) & 0xFF]) + above
