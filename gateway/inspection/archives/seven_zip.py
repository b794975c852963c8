"""7-Zip archives: what one packer, or a chain of simple ones, has packed is unpacked."""

import lzma
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from gateway.contents import Kind, Limits, Trouble
from gateway.inspection.archives.reading import (
    Item,
    Stream,
    Unfit,
    check_directory,
    link_target,
    read_at,
    slices,
)
from gateway.inspection.archives.seven_zip_header import (
    ADDITIONAL_STREAMS,
    ARCHIVE_PROPERTIES,
    ENCODED_HEADER,
    END,
    FILES,
    HEADER,
    MAIN_STREAMS,
    Coder,
    Cursor,
    File,
    Folder,
    Streams,
    read_files,
    read_properties,
    read_streams,
)
from gateway.inspection.archives.unpacking import (
    Copy,
    Decompressor,
    bzip2,
    deflate,
    lzma1_filter,
    lzma2_filter,
    raw_lzma,
    unpacked,
    zstandard,
)

_MARK = b"7z\xbc\xaf\x27\x1c"
_START = 32
"""Bytes of the signature header."""
_MOST_HEADERS = 3
"""A packed header may hold a packed header."""
_MOST_PARTS = 8
"""Of a header."""
_COPY, _LZMA, _LZMA2, _DEFLATE = b"\0", b"\3\1\1", b"\x21", b"\4\1\x08"
_BZIP2, _ZSTD, _AES = b"\4\2\2", b"\4\xf7\x11\1", b"\6\xf1\7\1"
_SIMPLE = {_COPY: Copy, _DEFLATE: deflate, _BZIP2: bzip2, _ZSTD: zstandard}
_LZMA_FILTERS = {_LZMA: lzma1_filter, _LZMA2: lzma2_filter}
_DELTA = b"\3"
_BRANCHES = {
    b"\3\3\1\3": lzma.FILTER_X86,
    b"\4": lzma.FILTER_X86,
    b"\3\3\2\5": lzma.FILTER_POWERPC,
    b"\3\3\4\1": lzma.FILTER_IA64,
    b"\3\3\5\1": lzma.FILTER_ARM,
    b"\3\3\7\1": lzma.FILTER_ARMTHUMB,
    b"\3\3\x08\5": lzma.FILTER_SPARC,
}
"""Filters that make programs easier to pack."""
_HELD_BACK = 16
"""Bytes that liblzma's filters do not give before they know that it is the end, which raw data do
not tell them."""
_WINDOWS_DIRECTORY, _WINDOWS_LINK, _HAS_MODE = 0x10, 0x400, 0x8000


def read_seven_zip(file: BinaryIO, limits: Limits, expect: Callable[[int], None]) -> Iterator[Item]:
    """``expect`` is told how many bytes there will be. Raises Unfit."""
    streams, files = _read_header(file, limits)
    expect(sum(sum(folder.files) for folder in streams.folders))
    contents = _contents(file, streams)
    for entry in files:
        if entry.has_stream:
            content = next(contents, None)
            if content is None:
                raise Unfit(Trouble.UNREADABLE)
            yield _item(entry, *content)
        else:
            kind = Kind.REGULAR if entry.empty_file else Kind.DIRECTORY
            yield Item(entry.name, size=0, kind=kind)
    if next(contents, None) is not None:
        raise Unfit(Trouble.AMBIGUOUS)


def _item(entry: File, size: int, content: Iterable[bytes], trouble: Trouble | None) -> Item:
    kind = _kind(entry.attributes)
    if kind is Kind.SYMBOLIC_LINK and trouble is None:
        return Item(entry.name, size=size, kind=kind, link=link_target(content))
    return Item(entry.name, content, size, kind, trouble=trouble)


def _kind(attributes: int) -> Kind:
    mode = attributes >> 16 if attributes & _HAS_MODE else 0
    if stat.S_ISLNK(mode) or attributes & _WINDOWS_LINK:
        return Kind.SYMBOLIC_LINK
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Kind.DEVICE
    return Kind.REGULAR


def _read_header(file: BinaryIO, limits: Limits) -> tuple[Streams, list[File]]:
    start = read_at(file, 0, _START)
    if not start.startswith(_MARK) or int.from_bytes(start[8:12], "little") != zlib.crc32(
        start[12:]
    ):
        raise Unfit(Trouble.UNREADABLE)
    at, size = int.from_bytes(start[12:20], "little"), int.from_bytes(start[20:28], "little")
    if not size:
        return Streams(), []
    check_directory(0, size, limits)
    header = read_at(file, _START + at, size)
    for _ in range(_MOST_HEADERS):
        cursor = Cursor(header, limits)
        if cursor.expect(HEADER, ENCODED_HEADER) == HEADER:
            return _parse(cursor)
        header = _decoded(file, read_streams(cursor), limits)
    raise Unfit(Trouble.UNREADABLE)


def _decoded(file: BinaryIO, streams: Streams, limits: Limits) -> bytes:
    for size, content, trouble in _contents(file, streams):
        if trouble is not None:
            raise Unfit(trouble)
        check_directory(0, size, limits)
        return b"".join(content)
    raise Unfit(Trouble.UNREADABLE)


def _parse(cursor: Cursor) -> tuple[Streams, list[File]]:
    streams = Streams()
    files: list[File] = []
    for _ in range(_MOST_PARTS):
        part = cursor.number()
        if part == END:
            return streams, files
        if part == MAIN_STREAMS:
            streams = read_streams(cursor)
        elif part == FILES:
            files = read_files(cursor)
        elif part == ARCHIVE_PROPERTIES:
            list(read_properties(cursor))
        else:
            known = part == ADDITIONAL_STREAMS
            raise Unfit(Trouble.UNSUPPORTED if known else Trouble.UNREADABLE)
    raise Unfit(Trouble.UNREADABLE)


def _contents(
    file: BinaryIO, streams: Streams
) -> Iterator[tuple[int, Iterable[bytes], Trouble | None]]:
    """Size and content of each file, or what keeps it from being read. Each before the next."""
    at, packed_sizes = _START + streams.start, iter(streams.packed_sizes)
    for folder in streams.folders:
        packed = [next(packed_sizes, -1) for _ in range(folder.packed_streams)]
        if min(packed) < 0:
            raise Unfit(Trouble.UNREADABLE)
        try:
            unpacked_folder = Stream(_folder_content(folder, slices(file, at, at + packed[0])))
        except Unfit as unfit:
            for size in folder.files:
                yield size, (), unfit.trouble
        else:
            for size in folder.files:
                content = unpacked_folder.content(size)
                yield size, content, None
                for _ in content:
                    pass
        at += sum(packed)


def _folder_content(folder: Folder, packed: Iterator[bytes]) -> Iterator[bytes]:
    """Raises Unfit at once if there is no way to unpack it."""
    if any(coder.method == _AES for coder in folder.coders):
        raise Unfit(Trouble.ENCRYPTED)
    return _padded(unpacked(_decompressor(folder), packed), folder)


def _decompressor(folder: Folder) -> Decompressor:
    *filters, packer = _chain(folder)
    if packer.method in _SIMPLE and not filters:
        return _SIMPLE[packer.method]()
    if packer.method not in _LZMA_FILTERS:
        raise Unfit(Trouble.UNSUPPORTED)
    last = _LZMA_FILTERS[packer.method](packer.properties, folder.size)
    return raw_lzma(*map(_filter, filters), last)


def _chain(folder: Folder) -> list[Coder]:
    """From the coder that gives the files to the one that takes what is packed. Raises Unfit."""
    if any((coder.inputs, coder.outputs) != (1, 1) for coder in folder.coders):
        raise Unfit(Trouble.UNSUPPORTED)
    gives = dict(folder.bonds)
    numbers = range(len(folder.coders))
    number = next((number for number in numbers if number not in gives.values()), 0)
    chain = [number]
    while gives.get(number) in numbers and gives[number] not in chain:
        number = gives[number]
        chain.append(number)
    if len(chain) != len(numbers):
        raise Unfit(Trouble.UNREADABLE)
    return [folder.coders[number] for number in chain]


def _filter(coder: Coder) -> dict[str, int]:
    if coder.method == _DELTA:
        return {"id": lzma.FILTER_DELTA, "dist": (coder.properties or b"\0")[0] + 1}
    if coder.method not in _BRANCHES:
        raise Unfit(Trouble.UNSUPPORTED)
    return {"id": _BRANCHES[coder.method]}


def _padded(pieces: Iterator[bytes], folder: Folder) -> Iterator[bytes]:
    """With zeros for what a filter holds back of the end: nobody looks at it."""
    given = 0
    for piece in pieces:
        given += len(piece)
        yield piece
    missing = folder.size - given
    if 0 < missing <= _HELD_BACK and len(folder.coders) > 1:
        yield bytes(missing)
