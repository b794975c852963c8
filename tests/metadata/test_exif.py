"""Of EXIF only the orientation is kept."""

import struct

import pytest

from gateway.metadata.exif import only_orientation, without_mark

MINIMAL = bytes.fromhex("4d4d002a00000008 0001 0112 0003 00000001 0006 0000 00000000")


def tiff(order: str, kind: int, value: bytes, start: int = 8, more: bytes = b"") -> bytes:
    entry = struct.pack(f"{order}HHI", 0x0112, kind, 1) + value.ljust(4, b"\0")
    count = 1 + len(more) // 12
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", start)
    return head.ljust(start, b"x") + struct.pack(f"{order}H", count) + more + entry + bytes(4)


@pytest.mark.parametrize(
    "whole",
    [
        tiff("<", 3, b"\x06"),
        tiff(">", 3, b"\0\x06"),
        tiff(">", 1, b"\x06"),
        tiff("<", 4, b"\x06"),
        tiff("<", 3, b"\x06", start=40),
        tiff("<", 3, b"\x06", more=bytes(24)),
    ],
)
def test_it_is_found(whole: bytes) -> None:
    assert only_orientation(whole) == MINIMAL
    assert only_orientation(MINIMAL) == MINIMAL


def test_it_is_not_longer() -> None:
    whole = tiff("<", 3, b"\x06")
    for size in range(len(whole)):
        assert only_orientation(whole[:size]) in (b"", MINIMAL[:size])
    assert only_orientation(whole[:22]) == MINIMAL[:22]


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"II*\0",
        b"Exif\0\0" + MINIMAL,
        tiff("<", 3, b"\x01"),
        tiff("<", 3, b"\0"),
        tiff("<", 3, b"\x09"),
        tiff("<", 2, b"\x06"),
        b"II*\0" + b"\xff" * 100,
        MINIMAL.replace(b"\0\0\0\x08", b"\0\0\0\x02"),
        b"MM\0*\0\0\0\x08\xff\xff" + bytes(12) * 5000,
    ],
)
def test_there_is_none(whole: bytes) -> None:
    assert only_orientation(whole) == b""


def test_the_mark() -> None:
    assert without_mark(b"Exif\0\0II*\0") == b"II*\0"
    assert without_mark(b"Exif\0\xffII*\0") == b"II*\0"
    assert without_mark(b"II*\0") == b"II*\0"
