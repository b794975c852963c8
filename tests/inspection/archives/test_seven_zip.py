"""7-Zip archives."""

import base64
import bz2
import lzma
import zlib

import pytest

from gateway.contents import Kind, Trouble
from tests.inspection import files

from . import made
from .looking import entries, entry, look, trouble

BY_7_ZIP = {
    "branch filter, packed header": (
        "N3q8ryccAAS8wsfeJQEAAAAAAAAjAAAAAAAAAOyEcqYANBlJ7o3dXJ1UfuPH4kzSnNqCEqj2IDeZ8g1rEP1Csp5c"
        "rSQHFTptNkQPhHmbkEL6Bu+3tENafaKdIWSebM7mgzx/pyahWotE7Jq5deRIRqaZgXWaiMf9idfO79fN5gTtsHux"
        "XzTemH1/H5iBsRD4N+rRhhrHMKD5BM7n3D9FtR3251FcjO8aA2kAAIEzB64P1S/gK5ZsJwHg9aHn+j8Wr6gGBj/0"
        "9VVRJVfXIPQNPZTkgpO16tA31PmfQGFQK8ZGj38GGfajFupaTSlBdE4kuf7/7OBWIgqaroOeyt4/WY70mVzjGSiR"
        "+cflrZRmaul5WbvVHONsYcBZGPqQYy1URSKDXBUda6om2MApeZ8uqLcCucVOksZfuvNUOuBAGhQFn4AAABcGgIoB"
        "CYCbAAcLAQABIwMBAQVdABAAAAyA3goBwqXtgQAA"
    ),
    "no filter, plain header": (
        "N3q8ryccAASrKtxNkAAAAAAAAADOAAAAAAAAACYEA+kANBlJ7o3dXJ1UfuPH4kzSnNqCEqj2IAfRDB0EL33MtIMo"
        "H8bjDPgCKwJhxBf1ZptoyBsF5qEc70uhF4rgZ9fFKo45OTZOJGZO2cwZi+52tjc81owIhcR4QZwwq/Qgw2yCSrWs"
        "W5Xg0kVk/4sIwUt7+BBuGVKpAXuknH295qLEqDXIKUXTxw8TsALzqFFJrfwBBAYAAQmAkAAHCwEAASMDAQEFXQAQ"
        "AAAMgucACA0DCYDwBQoBkTwAE7r368Gjz2R4AAAFBg4B4A8BIBkAEXEAZABvAGMAcwAAAGUAbQBwAHQAeQAAAGQA"
        "bwBjAHMALwB6AGUAcgBvAAAAZABvAGMAcwAvAGEALgB0AHgAdAAAAGQAbwBjAHMALwBsAGkAbgBrAAAAZABvAGMA"
        "cwAvAHQAbwBvAGwALgBlAHgAZQAAABUaAQAQgO1BEIDtQSCApIEggKSBIID/oSCApIEAAA=="
    ),
    "four streams": (
        "N3q8ryccAAT09Wb3ogAAAAAAAAD+AAAAAAAAAKjNUC0ANBlJ7o3dXJ1UfuPH4kzSnNqCEqj2IAfRDB0EL33MtIMo"
        "H8bjDPgCKwJhxBf1ZptoyBsF5qEc70uhF4rgZ9fFKo45OTZOJGZO2cwZi+52tjc81owIhcR4QZwwq/Qgw2yCSrWs"
        "W5Xg0kVk/4sIwUt7+BBuGVKpAXuknH295qLEqDXIKUXTxw8TsALzqFFJrfwAAAAAAAAAAAAAAAAAAAAAAAABBAYA"
        "BAmAkAgFBQAHCwEABCMDAQEFXQAQAAAjAwEBBV0AEAAAIwMBAQVdABAAABQDAwEbBAEFAAQBAwICBgEADAAAgueC"
        "5wAIDQMJgPAFCgGRPAATuvfrwaPPZHgAAAUGDgHgDwEgGQQAAAAAEXEAZABvAGMAcwAAAGUAbQBwAHQAeQAAAGQA"
        "bwBjAHMALwB6AGUAcgBvAAAAZABvAGMAcwAvAGEALgB0AHgAdAAAAGQAbwBjAHMALwBsAGkAbgBrAAAAZABvAGMA"
        "cwAvAHQAbwBvAGwALgBlAHgAZQAAABUaAQAQgO1BEIDtQSCApIEggKSBIID/oSCApIEAAA=="
    ),
}
"""Made by 7-Zip 26.02 of a text, a program, an empty file, a link and two folders."""
SEVEN_ZIP = "application/x-7z-compressed"
TEXT = b"All work and no play makes Jack a dull boy.\n" * 5000
BZIP2, DEFLATE = b"\x03\x04\x02\x02", b"\x03\x04\x01\x08"
DELTA_AND_LZMA2 = b"\x21\x03\x01\0" + made.LZMA2 + b"\0\x01"


@pytest.mark.parametrize("encoded", [True, False])
def test_an_archive(encoded: bool) -> None:
    content = made.seven_zip(
        ("docs/a.txt", TEXT), ("größe.exe", files.pe()), folders=["docs"], encoded=encoded
    )
    found = entries(content)
    assert [(e.name, e.kind, e.size, e.content_type) for e in found] == [
        ("docs/a.txt", Kind.REGULAR, len(TEXT), "text/plain"),
        ("größe.exe", Kind.REGULAR, len(files.pe()), "application/x-dosexec"),
        ("docs", Kind.DIRECTORY, 0, "application/octet-stream"),
    ]


@pytest.mark.parametrize("name", BY_7_ZIP)
def test_what_7_zip_makes(name: str) -> None:
    """Four streams are not unpacked."""
    *folders, zero, text, link, program = entries(base64.b64decode(BY_7_ZIP[name]))
    assert [(e.name, e.kind) for e in folders] == [
        ("docs", Kind.DIRECTORY),
        ("empty", Kind.DIRECTORY),
    ]
    assert (zero.name, zero.size, zero.content_type) == ("docs/zero", 0, "inode/x-empty")
    assert (text.name, text.size) == ("docs/a.txt", 240)
    assert (link.name, link.kind) == ("docs/link", Kind.SYMBOLIC_LINK)
    assert (program.name, program.size) == ("docs/tool.exe", 498)
    told = (text.content_type, link.link, program.content_type, program.trouble)
    unseen = ("application/octet-stream", None, "application/octet-stream", Trouble.UNSUPPORTED)
    seen = ("text/plain", "a.txt", "application/x-dosexec", None)
    assert told == (unseen if name == "four streams" else seen)


@pytest.mark.parametrize(
    ("coders", "packed"),
    [
        (made.COPY, TEXT),
        (BZIP2, bz2.compress(TEXT)),
        (DEFLATE, zlib.compress(TEXT)[2:-4]),
    ],
)
def test_methods(coders: bytes, packed: bytes) -> None:
    found = entry(made.seven_zip(("a", TEXT), packed_data=packed, coders=coders))
    assert (found.size, found.content_type, found.trouble) == (len(TEXT), "text/plain", None)


@pytest.mark.parametrize(
    ("coders", "found"),
    [
        (made.PPMD, Trouble.UNSUPPORTED),
        (made.AES, Trouble.ENCRYPTED),
        (b"\x21\x21\x01\x29", Trouble.UNREADABLE),  # no such window
        (b"\x14\x03\x03\x01\x1b\x04\x01", Trouble.UNREADABLE),  # of four streams one is there
    ],
)
def test_methods_that_are_not_dealt_with(coders: bytes, found: Trouble) -> None:
    contents = look(made.seven_zip(("a.txt", TEXT), packed_data=b"packed", coders=coders))
    told = [e.trouble for e in contents.entries] or [p.trouble for p in contents.problems]
    assert told == [found]


def test_an_encrypted_header() -> None:
    header = b"\x17" + made.streams(b"packed", [100], made.AES)
    assert trouble(made.signed(b"packed", header)) is Trouble.ENCRYPTED


@pytest.mark.parametrize(
    ("attributes", "kind", "link"),
    [
        (0x20, Kind.REGULAR, None),
        (0x8000 | 0o100644 << 16, Kind.REGULAR, None),
        (0x8000 | 0o120777 << 16, Kind.SYMBOLIC_LINK, "../b"),
        (0x400, Kind.SYMBOLIC_LINK, "../b"),
        (0x8000 | 0o020644 << 16, Kind.DEVICE, None),
    ],
)
def test_kinds(attributes: int, kind: Kind, link: str | None) -> None:
    found = entry(made.seven_zip(("a", b"../b"), attributes=[attributes]))
    assert (found.kind, found.link) == (kind, link)


def test_an_empty_one() -> None:
    assert entries(made.signed(b"", b"")) == ()


TROUBLES = {
    "no more": (b"7z\xbc\xaf\x27\x1c", Trouble.UNREADABLE),
    "a wrong checksum": (made.signed(b"", b"\x01\0")[:8] + bytes(24), Trouble.UNREADABLE),
    "cut off": (made.seven_zip(("a", TEXT))[:-3], Trouble.UNREADABLE),
    "no header": (made.signed(b"", b"hello"), Trouble.UNREADABLE),
    "a header that ends": (made.signed(b"", b"\x01\x04\x06"), Trouble.UNREADABLE),
    "streams of their own": (made.signed(b"", b"\x01\x03\0\0"), Trouble.UNSUPPORTED),
    "many folders": (made.signed(b"", b"\x01\x04\x07\x0b" + made.number(2**60)),
                     Trouble.TOO_MANY_ENTRIES),
    "many files": (made.signed(b"", b"\x01\x05" + made.number(2**60)), Trouble.TOO_MANY_ENTRIES),
    "many packed streams": (made.signed(b"", b"\x01\x04\x06\0" + made.number(2**60)),
                            Trouble.TOO_MANY_ENTRIES),
    "a long header": (made.signed(b"", b"\x01" * 2**20), Trouble.TOO_MANY_ENTRIES),
    "more files than streams": (made.signed(b"", b"\x01\x05\x01\x11\x05\0a\0\0\0\0\0"),
                                Trouble.UNREADABLE),
    "fewer names than files": (made.signed(b"", b"\x01\x05\x02\x11\x05\0a\0\0\0\0\0"),
                               Trouble.UNREADABLE),
    "headers within headers": (
        made.signed(made.lzma2(b"\x17" * 9),
                    b"\x17" + made.streams(made.lzma2(b"\x17" * 9), [9], made.LZMA2)),
        Trouble.UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_troubles(name: str) -> None:
    content, found = TROUBLES[name]
    assert trouble(content, SEVEN_ZIP) is found


def test_content_that_is_not_as_told() -> None:
    packed = made.lzma2(TEXT)
    short = made.seven_zip(("a", TEXT), ("b", b"more"), packed_data=packed)
    assert [e.trouble for e in entries(short)] == [None, Trouble.UNREADABLE]
    broken = made.seven_zip(("a", TEXT), packed_data=b"\xff" * 100)
    assert entry(broken).trouble is Trouble.UNREADABLE


def test_numbers_are_read_as_they_are_written() -> None:
    """One to nine bytes; the first tells how many follow."""
    for size in (0x7F, 0x80, 0x3FFF, 0x4000, 2**20, 2**31):
        width = next(n for n in range(9) if size < 1 << (7 * n + 7) or n == 8)
        first = (0xFF << (8 - width)) & 0xFF | size >> (8 * width)
        written = bytes([first]) + (size & ((1 << (8 * width)) - 1)).to_bytes(width, "little")
        header = b"\x01\x04\x06" + written + b"\x00\x00\x00\x00"
        assert entries(made.signed(b"", header)) == ()


def test_filters_before_the_packer() -> None:
    """Differences of bytes, as for sounds."""
    filters = [
        {"id": lzma.FILTER_DELTA, "dist": 1},
        {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 24},
    ]
    packed = lzma.compress(TEXT, lzma.FORMAT_RAW, filters=filters)
    content = made.seven_zip(("a", TEXT), packed_data=packed, coders=DELTA_AND_LZMA2, count=2)
    found = entry(content)
    assert (found.content_type, found.size, found.trouble) == ("text/plain", len(TEXT), None)
