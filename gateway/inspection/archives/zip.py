"""ZIP archives, read by their directory once all else agrees with it."""

import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO

from gateway.contents import Kind, Limits, Trouble
from gateway.inspection.archives.reading import Item, Stream, Unfit, link_target, slices
from gateway.inspection.archives.unpacking import (
    Copy,
    Decompressor,
    Xz,
    bzip2,
    deflate,
    lzma1_filter,
    raw_lzma,
    unpacked,
    zstandard,
)
from gateway.inspection.archives.zip_directory import (
    AES,
    ENCRYPTED,
    UTF_8,
    Record,
    check_layout,
    read_directory,
)

_STORED, _LZMA = 0, 14
_DECOMPRESSORS = {_STORED: Copy, 8: deflate, 12: bzip2, 93: zstandard, 95: Xz}
"""By method (4.4.5)."""
_ENDLESS = (_STORED, _LZMA)
"""Their data have no mark at the end, or need not have one."""
_DOS_DIRECTORY = 0x10
_LZMA_HEADER = 4
"""Two bytes of version, two with the size of the properties (5.8.8)."""


def read_zip(file: BinaryIO, limits: Limits, expect: Callable[[int], None]) -> Iterator[Item]:
    """``expect`` is told how many bytes there will be, or more. Raises Unfit."""
    records = read_directory(file, limits)
    starts = check_layout(file, records)
    expect(sum(record.size for record in records))
    for record in records:
        yield _item(file, record, starts[record])


def content_of(file: BinaryIO, record: Record, start: int) -> Iterator[bytes]:
    """What is unpacked from the data at ``start``. Raises Unfit if that is not as told."""
    packed = Stream(slices(file, start, start + record.packed_size))
    decompressor = _decompressor(record, packed)
    left = record.size
    for piece in unpacked(decompressor, packed.rest()):
        found = piece[:left] if record.method == _LZMA else piece
        yield found
        left -= len(found)
        if left < 0:
            raise Unfit(Trouble.AMBIGUOUS)
    if left or not (decompressor.eof or record.method in _ENDLESS):
        raise Unfit(Trouble.UNREADABLE)
    if decompressor.unused_data or packed.some(1):
        raise Unfit(Trouble.AMBIGUOUS)


def _decompressor(record: Record, packed: Stream) -> Decompressor:
    if record.method == _LZMA:
        header = packed.read(_LZMA_HEADER)
        properties = packed.read(int.from_bytes(header[2:], "little"))
        return raw_lzma(lzma1_filter(properties, record.size))
    if record.method not in _DECOMPRESSORS:
        raise Unfit(Trouble.UNSUPPORTED)
    return _DECOMPRESSORS[record.method]()


def _item(file: BinaryIO, record: Record, start: int) -> Item:
    name = record.name.decode("utf-8" if record.flags & UTF_8 else "cp437", "replace")
    kind = _kind(record, name)
    item = Item(name, size=record.size, kind=kind, other_names=tuple(_other_names(record)))
    if record.flags & ENCRYPTED or record.method == AES:
        item.trouble = Trouble.ENCRYPTED
    elif kind is Kind.SYMBOLIC_LINK:
        item.link = link_target(content_of(file, record, start))
    elif kind is Kind.DIRECTORY and record.size:
        raise Unfit(Trouble.AMBIGUOUS)
    elif kind is Kind.REGULAR:
        item.content = content_of(file, record, start)
    return item


def _other_names(record: Record) -> Iterator[str]:
    """That in an extra field; and what those read who take all names for UTF-8, as on Linux."""
    if record.unicode_path is not None:
        yield record.unicode_path.decode("utf-8", "replace")
    if not record.flags & UTF_8 and not record.name.isascii():
        try:
            yield record.name.decode("utf-8")
        except UnicodeDecodeError:
            return


def _kind(record: Record, name: str) -> Kind:
    mode = record.attributes >> 16
    if stat.S_ISLNK(mode):
        return Kind.SYMBOLIC_LINK
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Kind.DEVICE
    if name.endswith(("/", "\\")) or (record.attributes & _DOS_DIRECTORY and not record.size):
        return Kind.DIRECTORY
    return Kind.REGULAR
