"""Compressed files, and tar archives in them."""

import bz2
import gzip
import io
import lzma
import struct
import sys
from collections.abc import Callable

import pytest

from gateway.contents import Trouble
from tests.inspection import files

from . import made
from .looking import entries, entry, look, trouble

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "application/gzip": gzip.compress,
    "application/x-bzip2": bz2.compress,
    "application/x-xz": lzma.compress,
    "application/zstd": zstd.compress,
    "application/x-lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
}
TEXT = b"All work and no play makes Jack a dull boy.\n" * 5000
SEVERAL = [name for name in COMPRESSIONS if name != "application/x-lzma"]


@pytest.mark.parametrize("content_type", COMPRESSIONS)
def test_one_file(content_type: str) -> None:
    found = entry(COMPRESSIONS[content_type](TEXT), content_type)
    assert (found.name, found.size, found.content_type) == ("", len(TEXT), "text/plain")


@pytest.mark.parametrize("content_type", COMPRESSIONS)
def test_an_archive_is_one_with_its_compression(content_type: str) -> None:
    packed = COMPRESSIONS[content_type](made.tar_of(("a.txt", TEXT), ("setup.exe", files.pe())))
    assert [(e.path, e.content_type) for e in entries(packed, content_type)] == [
        ("a.txt", "text/plain"),
        ("setup.exe", "application/x-dosexec"),
    ]


def test_an_archive_that_is_a_program_is_ambiguous() -> None:
    program = files.pe_that_is_a_tar()
    assert trouble(gzip.compress(program + bytes(1024))) is Trouble.AMBIGUOUS
    script = made.tar_of(("#!/bin/sh", b""))
    assert trouble(gzip.compress(script)) is Trouble.AMBIGUOUS


@pytest.mark.parametrize("content_type", SEVERAL)
def test_several_streams(content_type: str) -> None:
    compress = COMPRESSIONS[content_type]
    assert entry(compress(TEXT) + compress(TEXT), content_type).size == 2 * len(TEXT)
    assert entry(compress(TEXT) + bytes(1000), content_type).size == len(TEXT)


@pytest.mark.parametrize("content_type", COMPRESSIONS)
def test_something_behind(content_type: str) -> None:
    content = COMPRESSIONS[content_type](TEXT) + bytes(100) + b"PK\x03\x04"
    assert entry(content, content_type).trouble is Trouble.AMBIGUOUS


@pytest.mark.parametrize("content_type", COMPRESSIONS)
def test_damage(content_type: str) -> None:
    packed = COMPRESSIONS[content_type](TEXT)
    assert entry(packed[:-5], content_type).trouble is Trouble.UNREADABLE
    broken = packed[: len(packed) // 2] + b"\xff" * (len(packed) - len(packed) // 2)
    contents = look(broken, content_type)
    assert contents.problems or contents.entries[0].trouble is Trouble.UNREADABLE
    assert trouble(b"", content_type) is None


@pytest.mark.parametrize(
    ("name", "told"), [("setup.exe", "setup.exe"), ("/tmp/a\\b.exe", "b.exe"), ("größe", "größe")]
)
@pytest.mark.parametrize("extra", [b"", b"12345"])
def test_the_name_in_gzip(name: str, told: str, extra: bytes) -> None:
    packed = gzip.compress(TEXT)
    flags = 8 | 4 * bool(extra)
    more = struct.pack("<H", len(extra)) + extra if extra else b""
    content = packed[:3] + bytes([flags]) + packed[4:10] + more + name.encode("latin-1") + b"\0"
    assert entry(content + packed[10:]).other_names == (told,)


def test_the_library_tells_a_name() -> None:
    buffer = io.BytesIO()
    with gzip.GzipFile("notes.txt", "wb", fileobj=buffer) as opened:
        opened.write(TEXT)
    assert entry(buffer.getvalue()).other_names == ("notes.txt",)


def test_skippable_frames() -> None:
    skipped = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
    assert entry(skipped + zstd.compress(TEXT) + skipped, "application/zstd").size == len(TEXT)


def test_a_large_window_is_no_trouble_while_it_is_not_filled() -> None:
    assert entry(lzma.compress(TEXT, preset=9)).trouble is None
