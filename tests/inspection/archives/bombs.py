"""Small files that unpack to large ones, or that ask for much otherwise."""

import bz2
import functools
import gzip
import lzma
import random
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from gateway.contents import Trouble

from . import made

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 2**20
ZIP, TAR, GZIP = "application/zip", "application/x-tar", "application/gzip"
XZ, LZMA, ZSTD = "application/x-xz", "application/x-lzma", "application/zstd"
BZIP2, SEVEN_ZIP, RAR = "application/x-bzip2", "application/x-7z-compressed", "application/x-rar"


class Bomb(NamedTuple):
    make: Callable[[], bytes]
    content_type: str
    trouble: Trouble


@functools.cache
def zeros(size: int) -> bytes:
    return made.deflated(bytes(size))


@functools.cache
def many_of_zeros() -> bytes:
    """1:1,000, 10 GiB."""
    parts = (made.ZipPart(b"%d" % n, zeros(MIB), MIB, method=8) for n in range(9_999))
    return made.zip_of(*parts)


def one_to_a_million() -> bytes:
    content = bytes(40 * MIB)
    return made.zip_of(made.ZipPart(b"zeros", bz2.compress(content), len(content), method=12))


def nested(depth: int = 6, width: int = 16) -> bytes:
    """As 42.zip: each level has the one below sixteen times."""
    content = made.zip_of(made.ZipPart(b"0", zeros(4 * MIB), 4 * MIB, method=8))
    for level in range(1, depth):
        content = made.zip_of(*(made.packed(f"{level}-{n}.zip", content) for n in range(width)))
    return content


def nested_zeros() -> bytes:
    """A ZIP in a ZIP, 1:1,000,000."""
    return made.zip_of(made.packed("a.zip", many_of_zeros()))


def overlapping(count: int = 2000) -> bytes:
    """Fifield's: entries share the data of the largest one, quoting the headers between."""
    kernel = zeros(4 * MIB)
    size, packed_size, body = 4 * MIB, len(kernel), b""
    parts: list[made.ZipPart] = []
    behind = made.ZipPart(b"kernel", kernel, size, method=8)
    tail = behind.local()
    header_size = len(tail) - len(kernel)
    parts.append(behind)
    for n in range(count):
        quote = b"\0" + struct.pack("<HH", header_size, 0xFFFF ^ header_size)
        size, packed_size = size + header_size, packed_size + len(quote) + header_size
        part = made.ZipPart(b"%d" % n, quote, size, method=8, packed_size=packed_size)
        body = part.local() + body
        header_size = len(part.local()) - len(quote)
        parts.append(part)
    body += tail
    at, starts = 0, {}
    for part in reversed(parts):
        starts[part.name] = at
        at += len(part.local()) if part is not behind else 0
    placed = [replace(part, start=starts[part.name]) for part in parts]
    return made.zip_of(*placed, before=body)


def one_for_all(count: int = 9_000) -> bytes:
    """All entries of the directory are one."""
    part = made.ZipPart(b"a", zeros(4 * MIB), 4 * MIB, method=8)
    return made.zip_of(part, *(replace(part, start=0) for _ in range(count)))


def a_million_entries() -> bytes:
    record = made.stored("a").central(0)
    directory = record * 1_000_000
    fields = (44, 45, 45, 0, 0, 10**6, 10**6, len(directory), 0)
    end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", *fields)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return directory + end + locator + last


def many_untold() -> bytes:
    """The end says that there is one."""
    directory = made.stored("a").central(0) * 100_000
    return directory + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)


def lying() -> bytes:
    """One byte, it says."""
    return made.zip_of(made.ZipPart(b"a", zeros(40 * MIB), 1, method=8))


def of_noise(size: int) -> bytes:
    """Not more than 20 times as large as when it is packed."""
    return random.Random(1).randbytes(2 * MIB) * (size // (2 * MIB))


def lzma_filter(kind: int, window: int) -> dict[str, int]:
    return {"id": kind, "preset": 0, "dict_size": window}


def wide_xz() -> bytes:
    """With a window of 64 MiB."""
    filters = [lzma_filter(lzma.FILTER_LZMA2, 64 * MIB)]
    return lzma.compress(of_noise(40 * MIB), filters=filters)


def widest_lzma() -> bytes:
    """With a window of 4 GiB."""
    filters = [lzma_filter(lzma.FILTER_LZMA1, 16 * MIB)]
    content = lzma.compress(of_noise(40 * MIB), lzma.FORMAT_ALONE, filters=filters)
    return content[:1] + b"\xff\xff\xff\xff" + content[5:]


def wide_zstd() -> bytes:
    """With a window of 128 MiB."""
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=options)
    return packer.compress(of_noise(40 * MIB)) + packer.flush()


def wide_zip() -> bytes:
    """LZMA, with a window of 4 GiB, for as much."""
    data = struct.pack("<BBHBI", 9, 20, 5, 0x5D, 2**32 - 1) + bytes(1000)
    return made.zip_of(made.ZipPart(b"a", data, 2**32 - 2, method=14))


def wide_seven_zip() -> bytes:
    return made.seven_zip(
        ("a", bytes(40 * MIB)), packed_data=bytes(MIB), coders=b"\x21\x21\x01\x28"
    )


def seven_zip_of_zeros() -> bytes:
    return made.seven_zip(("a", bytes(40 * MIB)))


def seven_zip_with_large_header() -> bytes:
    small = made.lzma2(b"")
    return made.signed(small, b"\x17" + made.streams(small, [40 * MIB], made.LZMA2))


def large_extended_header() -> bytes:
    return gzip.compress(made.tar_header("x", 2**30, b"x") + bytes(40 * MIB))


def sparse() -> bytes:
    """Of eight exabytes."""
    header = bytearray(made.tar_header("a", 0, b"S"))
    header[483:495] = b"\x80" + (2**62).to_bytes(11, "big")
    return made.with_checksum(bytes(header)) + bytes(1024)


def padding() -> bytes:
    """A tar whose end does not end."""
    return gzip.compress(made.tar_of(("a", b"a")) + bytes(40 * MIB))


def members() -> bytes:
    """Many of them, of nothing."""
    return gzip.compress(b"") * 1_000_000


def tar_of_many() -> bytes:
    return gzip.compress(made.tar_header("a", 0) * 100_000 + bytes(1024))


def long_names() -> bytes:
    header = made.tar_header("PaxHeader", 4096, b"x")
    record = b"4096 path=" + b"\xf0\x9f\x92\xa3" * 1021 + b"a\n"
    return gzip.compress((header + record + made.tar_header("a", 0)) * 20_000 + bytes(1024))


def many_fields() -> bytes:
    """Extended headers of an entry that does not come."""
    record = b"".join(b"%d %06d=\n" % (11, n) for n in range(90_000))
    header = made.tar_header("PaxHeader", len(record), b"x") + made.padded(record)
    return gzip.compress(header * 20)


def large_rar() -> bytes:
    return made.rar5(*(made.rar5_file(f"{n}", 2**29) for n in range(4)))


BOMBS = {
    "ZIP, 1:1,000": Bomb(many_of_zeros, ZIP, Trouble.TOO_LARGE),
    "ZIP of bzip2, 1:1,000,000": Bomb(one_to_a_million, ZIP, Trouble.RATIO),
    "ZIP in a ZIP, 1:1,000,000": Bomb(nested_zeros, ZIP, Trouble.TOO_LARGE),
    "ZIPs nested six deep": Bomb(nested, ZIP, Trouble.TOO_DEEP),
    "ZIP, overlapping entries": Bomb(overlapping, ZIP, Trouble.AMBIGUOUS),
    "ZIP, the same entry 9,000 times": Bomb(one_for_all, ZIP, Trouble.AMBIGUOUS),
    "ZIP, a million entries": Bomb(a_million_entries, ZIP, Trouble.TOO_MANY_ENTRIES),
    "ZIP, 100,000 that it does not tell": Bomb(many_untold, ZIP, Trouble.TOO_MANY_ENTRIES),
    "ZIP that says 1 byte": Bomb(lying, ZIP, Trouble.AMBIGUOUS),
    "ZIP, window of 4 GiB": Bomb(wide_zip, ZIP, Trouble.TOO_LARGE),
    "gzip, 1:1,000": Bomb(lambda: gzip.compress(bytes(40 * MIB)), GZIP, Trouble.RATIO),
    "gzip, a million members": Bomb(members, GZIP, Trouble.TOO_MANY_ENTRIES),
    "bzip2, 1:1,000,000": Bomb(lambda: bz2.compress(bytes(40 * MIB)), BZIP2, Trouble.RATIO),
    "xz, 1:7,000": Bomb(lambda: lzma.compress(bytes(40 * MIB), preset=0), XZ, Trouble.RATIO),
    "xz, window of 64 MiB": Bomb(wide_xz, XZ, Trouble.UNSUPPORTED),
    "lzma, window of 4 GiB": Bomb(widest_lzma, LZMA, Trouble.UNSUPPORTED),
    "zstd, 1:30,000": Bomb(lambda: zstd.compress(bytes(40 * MIB)), ZSTD, Trouble.RATIO),
    "zstd, window of 128 MiB": Bomb(wide_zstd, ZSTD, Trouble.UNSUPPORTED),
    "tar.gz, extended header of 1 GiB": Bomb(large_extended_header, GZIP, Trouble.UNREADABLE),
    "tar.gz, 40 MiB behind its end": Bomb(padding, GZIP, Trouble.RATIO),
    "tar.gz, 100,000 entries": Bomb(tar_of_many, GZIP, Trouble.TOO_MANY_ENTRIES),
    "tar.gz, names of 4 KB": Bomb(long_names, GZIP, Trouble.TOO_MANY_ENTRIES),
    "tar.gz, 1,800,000 fields": Bomb(many_fields, GZIP, Trouble.UNREADABLE),
    "tar, sparse file of 4 EiB": Bomb(sparse, TAR, Trouble.TOO_LARGE),
    "7z, 1:6,000": Bomb(seven_zip_of_zeros, SEVEN_ZIP, Trouble.RATIO),
    "7z, window of 4 GiB": Bomb(wide_seven_zip, SEVEN_ZIP, Trouble.UNSUPPORTED),
    "7z, header of 40 MiB": Bomb(seven_zip_with_large_header, SEVEN_ZIP, Trouble.TOO_MANY_ENTRIES),
    "RAR that says 2 GiB": Bomb(large_rar, RAR, Trouble.RATIO),
}
