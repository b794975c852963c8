"""Files that are one compressed file each: gzip, bzip2, xz, lzma, zstd."""

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from gateway.contents import Limits
from gateway.inspection.archives.reading import slices
from gateway.inspection.archives.unpacking import (
    Decompressor,
    Xz,
    all_of,
    bzip2,
    gzip,
    lzma_alone,
    zstandard,
)

_LEAST_STREAM = 4096
"""Bytes of one of many. bgzip makes the smallest, of 64 KiB before they are packed."""
_GZIP_MARK = b"\x1f\x8b\x08"
_GZIP_EXTRA, _GZIP_NAME = 4, 8
"""Bits of its flags, RFC 1952 2.3.1."""
_GZIP_HEADER = 10
_SKIPPABLE = tuple(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16))
"""Frames without content, RFC 8878 3.1.2."""


class Compression(NamedTuple):
    make: Callable[[], Decompressor]
    starts: tuple[bytes, ...]
    """What each of several streams in a file begins with."""

    def unpack(self, file: BinaryIO, size: int, limits: Limits) -> Iterator[bytes]:
        """What is in ``size`` bytes. Raises Unfit."""
        most = limits.entries + size // _LEAST_STREAM
        return all_of(self.make, self.starts, slices(file, 0, size), most)


GZIP = Compression(gzip, (_GZIP_MARK,))
BZIP2 = Compression(bzip2, (b"BZh",))
XZ = Compression(Xz, (b"\xfd7zXZ\0",))
LZMA = Compression(lzma_alone, (b"\x5d\0\0",))
ZSTD = Compression(zstandard, (b"\x28\xb5\x2f\xfd", *_SKIPPABLE))


def name_in_gzip(head: bytes) -> str:
    """The name that a gzip file says its content had, without folders; empty if it says none."""
    if not head.startswith(_GZIP_MARK) or len(head) < _GZIP_HEADER or not head[3] & _GZIP_NAME:
        return ""
    at = _GZIP_HEADER
    if head[3] & _GZIP_EXTRA:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    name = head[at : max(at, head.find(b"\0", at))].decode("latin-1")
    return name.replace("\\", "/").rpartition("/")[2]
