"""The header of a 7-Zip archive, as 7zFormat.txt of the LZMA SDK describes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.contents import Limits, Trouble
from gateway.inspection.archives.reading import Unfit, check_directory

END, HEADER, ARCHIVE_PROPERTIES, ADDITIONAL_STREAMS, MAIN_STREAMS, FILES = range(6)
_PACK_INFO, _UNPACK_INFO, _SUBSTREAMS, _SIZE, _CRC, _FOLDER, _FOLDER_SIZES, _COUNTS = range(6, 14)
_EMPTY_STREAM, _EMPTY_FILE, _NAMES, _ATTRIBUTES = 14, 15, 17, 21
ENCODED_HEADER = 23
_MOST_CODERS = 8
"""Of a folder; 7-Zip has four, for programs."""
_MOST_PROPERTIES = 64


class Coder(NamedTuple):
    method: bytes
    properties: bytes
    inputs: int
    outputs: int


@dataclass(slots=True)
class Folder:
    """What is packed together: some files behind each other."""

    coders: list[Coder]
    bonds: list[tuple[int, int]]
    """(input, output): what the one takes is what the other gives."""
    packed_streams: int
    sizes: list[int] = field(default_factory=list)
    """Of each coder's output, in bytes."""
    has_crc: bool = False
    files: list[int] = field(default_factory=list)
    """Their sizes."""

    @property
    def size(self) -> int:
        """Of what no other coder takes. Raises Unfit."""
        taken = {output for _, output in self.bonds}
        for number, size in enumerate(self.sizes):
            if number not in taken:
                return size
        raise Unfit(Trouble.UNREADABLE)


@dataclass(slots=True)
class Streams:
    start: int = 0
    """Behind the signature header, in bytes."""
    packed_sizes: list[int] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)


@dataclass(slots=True)
class File:
    name: str = ""
    has_stream: bool = True
    empty_file: bool = False
    """Else what has no stream is a directory."""
    attributes: int = 0
    """Windows' in the lower half, Unix' mode in the upper one."""


class Cursor:
    """Reads a header forwards. Raises Unfit where it ends too early."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._at = 0
        self.limits = limits

    def take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise Unfit(Trouble.UNREADABLE)
        self._at += size
        return found

    def rest(self) -> bytes:
        return self.take(len(self._data) - self._at)

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """1 to 9 bytes: the ones that the first begins with tell how many follow."""
        first = self.byte()
        mask, value = 0x80, 0
        for shift in range(0, 64, 8):
            if not first & mask:
                return value | (first & (mask - 1)) << shift
            value |= self.byte() << shift
            mask >>= 1
        return value

    def count(self) -> int:
        """A number of things that memory will be spent on. Raises Unfit."""
        found = self.number()
        check_directory(found, 0, self.limits)
        return found

    def expect(self, *ids: int) -> int:
        found = self.number()
        if found not in ids:
            raise Unfit(Trouble.UNREADABLE)
        return found

    def bits(self, count: int) -> list[bool]:
        found = self.take((count + 7) // 8)
        return [bool(found[n // 8] & 0x80 >> n % 8) for n in range(count)]

    def defined(self, count: int) -> list[bool]:
        """Bits, or a byte that says they are all set."""
        return [True] * count if self.byte() else self.bits(count)


def read_streams(cursor: Cursor) -> Streams:
    streams = Streams()
    found = cursor.expect(END, _PACK_INFO, _UNPACK_INFO)
    if found == _PACK_INFO:
        _read_pack_info(cursor, streams)
        found = cursor.expect(END, _UNPACK_INFO)
    if found == _UNPACK_INFO:
        _read_folders(cursor, streams)
        found = cursor.expect(END, _SUBSTREAMS)
    if found == _SUBSTREAMS:
        _read_substreams(cursor, streams)
        cursor.expect(END)
    else:
        for folder in streams.folders:
            folder.files = [folder.size]
    return streams


def _read_pack_info(cursor: Cursor, streams: Streams) -> None:
    streams.start = cursor.number()
    count = cursor.count()
    found = cursor.expect(END, _SIZE)
    if found == _SIZE:
        streams.packed_sizes = [cursor.number() for _ in range(count)]
        found = cursor.expect(END, _CRC)
    if found == _CRC:
        _skip_crcs(cursor, count)
        cursor.expect(END)


def _read_folders(cursor: Cursor, streams: Streams) -> None:
    cursor.expect(_FOLDER)
    count = cursor.count()
    _refuse_external(cursor)
    streams.folders = [_read_folder(cursor) for _ in range(count)]
    cursor.expect(_FOLDER_SIZES)
    for folder in streams.folders:
        outputs = sum(coder.outputs for coder in folder.coders)
        folder.sizes = [cursor.number() for _ in range(outputs)]
    if cursor.expect(END, _CRC) == _CRC:
        for folder, has_crc in zip(streams.folders, _skip_crcs(cursor, count), strict=True):
            folder.has_crc = has_crc
        cursor.expect(END)


def _read_folder(cursor: Cursor) -> Folder:
    count = cursor.number()
    if not 1 <= count <= _MOST_CODERS:
        raise Unfit(Trouble.UNREADABLE)
    coders = [_read_coder(cursor) for _ in range(count)]
    inputs = sum(coder.inputs for coder in coders)
    bonds_wanted = sum(coder.outputs for coder in coders) - 1
    packed = inputs - bonds_wanted
    if bonds_wanted < 0 or packed < 1:
        raise Unfit(Trouble.UNREADABLE)
    bonds = [(cursor.number(), cursor.number()) for _ in range(bonds_wanted)]
    if packed > 1:
        for _ in range(packed):
            cursor.number()
    return Folder(coders, bonds, packed)


def _read_coder(cursor: Cursor) -> Coder:
    flags = cursor.byte()
    method = cursor.take(flags & 0x0F)
    inputs = outputs = 1
    if flags & 0x10:
        inputs, outputs = cursor.number(), cursor.number()
    if flags & 0x80 or inputs > _MOST_CODERS or outputs > _MOST_CODERS:
        raise Unfit(Trouble.UNREADABLE)
    properties = cursor.take(cursor.number()) if flags & 0x20 else b""
    return Coder(method, properties, inputs, outputs)


def _read_substreams(cursor: Cursor, streams: Streams) -> None:
    counts = [1] * len(streams.folders)
    found = cursor.expect(END, _COUNTS, _SIZE, _CRC)
    if found == _COUNTS:
        counts = [cursor.count() for _ in streams.folders]
        check_directory(sum(counts), 0, cursor.limits)
        found = cursor.expect(END, _SIZE, _CRC)
    for folder, count in zip(streams.folders, counts, strict=True):
        sizes = [cursor.number() for _ in range(count - 1)] if found == _SIZE else []
        last = folder.size - sum(sizes)
        if last < 0 or (count > 1 and found != _SIZE):
            raise Unfit(Trouble.UNREADABLE)
        folder.files = [*sizes, last] if count else []
    if found == _SIZE:
        found = cursor.expect(END, _CRC)
    if found == _CRC:
        folders = zip(streams.folders, counts, strict=True)
        _skip_crcs(
            cursor, sum(count for folder, count in folders if count != 1 or not folder.has_crc)
        )
        cursor.expect(END)


def _skip_crcs(cursor: Cursor, count: int) -> list[bool]:
    defined = cursor.defined(count)
    cursor.take(4 * sum(defined))
    return defined


def _refuse_external(cursor: Cursor) -> None:
    """No program writes what lies somewhere else."""
    if cursor.byte():
        raise Unfit(Trouble.UNSUPPORTED)


def read_files(cursor: Cursor) -> list[File]:
    files = [File() for _ in range(cursor.count())]
    read: dict[int, Callable[[Cursor, list[File]], None]] = {
        _EMPTY_STREAM: _read_empty_streams,
        _EMPTY_FILE: _read_empty_files,
        _NAMES: _read_names,
        _ATTRIBUTES: _read_attributes,
    }
    for kind, data in read_properties(cursor):
        if kind in read:
            read[kind](Cursor(data, cursor.limits), files)
    return files


def read_properties(cursor: Cursor) -> Iterator[tuple[int, bytes]]:
    """Raises Unfit."""
    for _ in range(_MOST_PROPERTIES):
        kind = cursor.number()
        if kind == END:
            return
        yield kind, cursor.take(cursor.number())
    raise Unfit(Trouble.UNREADABLE)


def _read_empty_streams(cursor: Cursor, files: list[File]) -> None:
    for file, empty in zip(files, cursor.bits(len(files)), strict=True):
        file.has_stream = not empty


def _read_empty_files(cursor: Cursor, files: list[File]) -> None:
    empty = [file for file in files if not file.has_stream]
    for file, empty_file in zip(empty, cursor.bits(len(empty)), strict=True):
        file.empty_file = empty_file


def _read_names(cursor: Cursor, files: list[File]) -> None:
    _refuse_external(cursor)
    names = cursor.rest().decode("utf-16-le", "replace").split("\0", len(files) + 1)
    if len(names) != len(files) + 1:
        raise Unfit(Trouble.UNREADABLE)
    for file, name in zip(files, names, strict=False):
        file.name = name


def _read_attributes(cursor: Cursor, files: list[File]) -> None:
    defined = cursor.defined(len(files))
    _refuse_external(cursor)
    for file, has_attributes in zip(files, defined, strict=True):
        if has_attributes:
            file.attributes = int.from_bytes(cursor.take(4), "little")
