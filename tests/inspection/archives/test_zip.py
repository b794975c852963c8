"""ZIP archives: what is in them, and when that can be read in two ways."""

import bz2
import io
import lzma
import struct
import sys
import zipfile
from typing import IO, cast

import pytest

from gateway.contents import Kind, Trouble
from tests.inspection import files
from tests.inspection.test_zips import _Unseekable

from . import made
from .looking import entries, entry, look, trouble

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZIP = "application/zip"
TEXT = b"All work and no play makes Jack a dull boy.\n" * 100
UNIX = 16


def zip_by_library(method: int, *, seekable: bool = True, zip64: bool = False) -> bytes:
    buffer = io.BytesIO()
    target = buffer if seekable else cast("IO[bytes]", _Unseekable(buffer))
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.mkdir("docs")
        with archive.open("docs/a.txt", "w", force_zip64=zip64) as opened:
            opened.write(TEXT)
        archive.writestr("b.png", files.png())
    return buffer.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2,
                                    zipfile.ZIP_LZMA])  # fmt: skip
@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("zip64", [True, False])
def test_what_the_library_makes(method: int, seekable: bool, zip64: bool) -> None:
    content = zip_by_library(method, seekable=seekable, zip64=zip64)
    contents = look(content, ZIP)
    assert contents.problems == ()
    assert [(e.name, e.kind, e.size, e.content_type) for e in contents.entries] == [
        ("docs/", Kind.DIRECTORY, 0, "application/octet-stream"),
        ("docs/a.txt", Kind.REGULAR, len(TEXT), "text/plain"),
        ("b.png", Kind.REGULAR, len(files.png()), "image/png"),
    ]
    assert contents.packed_size == len(content)
    assert contents.unpacked_size == len(TEXT) + len(files.png())
    assert contents.depth == 1


@pytest.mark.parametrize(("method", "data"), [(93, zstd.compress(TEXT)), (95, lzma.compress(TEXT))])
def test_methods_that_the_library_does_not_have(method: int, data: bytes) -> None:
    found = entry(made.zip_of(made.ZipPart(b"a", data, len(TEXT), method=method)))
    assert (found.size, found.content_type, found.trouble) == (len(TEXT), "text/plain", None)


@pytest.mark.parametrize("method", [1, 6, 9, 96, 97, 98])
def test_methods_that_are_not_dealt_with(method: int) -> None:
    found = entry(made.zip_of(made.ZipPart(b"a.txt", TEXT, len(TEXT), method=method)))
    assert found.trouble is Trouble.UNSUPPORTED
    assert found.content_type == "application/octet-stream"


@pytest.mark.parametrize("part", [made.stored("a", flags=1), made.stored("a", method=99)])
def test_an_encrypted_entry(part: made.ZipPart) -> None:
    assert entry(made.zip_of(part)).encrypted


def test_an_encrypted_directory() -> None:
    end = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 72, 62, 62, 0, 0, 1, 1, 100, 0) + bytes(28)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 100, 1)
    last = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, 100, 0, 0)
    assert trouble(bytes(100) + end + locator + last, ZIP) is Trouble.ENCRYPTED


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (0o100644, Kind.REGULAR),
        (0, Kind.REGULAR),
        (0o020644, Kind.DEVICE),
        (0o060644, Kind.DEVICE),
        (0o010644, Kind.DEVICE),
        (0o140644, Kind.DEVICE),
        (0o120777, Kind.SYMBOLIC_LINK),
    ],
)
def test_kinds(mode: int, kind: Kind) -> None:
    found = entry(made.zip_of(made.stored("a", b"../b", attributes=mode << UNIX)))
    assert found.kind is kind
    assert found.link == ("../b" if kind is Kind.SYMBOLIC_LINK else None)


def test_names() -> None:
    utf8, dos = "größe".encode(), "größe".encode("cp437")
    parts = (made.ZipPart(utf8, flags=0x800), made.ZipPart(dos), made.ZipPart(b"\xff", flags=0x800))
    assert [e.name for e in entries(made.zip_of(*parts))] == ["größe", "größe", "\ufffd"]


def test_names_that_are_not_said_to_be_utf8_and_could_be() -> None:
    found = entry(made.zip_of(made.stored("größe")))
    assert (found.name, found.other_names) == ("gr├╢├ƒe", ("größe",))
    assert entry(made.zip_of(made.ZipPart("größe".encode("cp437")))).other_names == ()
    assert entry(made.zip_of(made.stored("a"))).other_names == ()


def test_another_name_for_some_programs() -> None:
    extra = struct.pack("<HHBI", 0x7075, 5 + 9, 1, 0) + b"setup.exe"
    found = entry(made.zip_of(made.stored("a.txt", extra=extra)))
    assert (found.name, found.other_names) == ("a.txt", ("setup.exe",))


_A, _B = made.stored("a.txt"), made.stored("b.txt")
_MANY = b"abc" * 1000

AMBIGUOUS = {
    "names differ": made.zip_of(made.stored("a.txt", local_name=b"a.exe")),
    "methods differ": made.zip_of(made.stored("a.txt", local_method=8)),
    "sizes differ": made.zip_of(made.stored("a.txt", local_size=7)),
    "one flag says encrypted": made.zip_of(_A).replace(b"PK\x01\x02\x14\0\x14\0\0",
                                                       b"PK\x01\x02\x14\0\x14\0\1"),
    "overlap": made.zip_of(_A, made.stored("b.txt", start=10)),
    "the same twice": made.zip_of(_A, made.stored("a.txt", start=0)),
    "data reach into the directory": made.zip_of(made.stored("a.txt", packed_size=30, size=30)),
    "hidden before the first": made.zip_of(_A, before=_B.local()),
    "hidden behind the last": made.zip_of(_A, between=_B.local()),
    "a second directory": made.zip_of(_A, between=made.zip_of(_B)[len(_B.local()):]),
    "an archive in the comment": made.zip_of(_A, comment=made.zip_of(_B)),
    "the directory is not at the end": made.zip_of(_A, behind=b"1234"),
    "fewer entries than told": made.zip_of(_A, entries=2),
    "more entries than told": made.zip_of(_A, _B, entries=1),
    "a folder with content": made.zip_of(made.stored("a/")),
}  # fmt: skip


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_archives(name: str) -> None:
    assert trouble(AMBIGUOUS[name], ZIP) is Trouble.AMBIGUOUS


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (made.ZipPart(b"a", made.deflated(_MANY), 1, method=8), Trouble.AMBIGUOUS),
        (made.ZipPart(b"a", made.deflated(_MANY), len(_MANY) + 1, method=8), Trouble.UNREADABLE),
        (made.ZipPart(b"a", made.deflated(_MANY) + b"more", len(_MANY), method=8),
         Trouble.AMBIGUOUS),
        (made.ZipPart(b"a", made.deflated(_MANY)[:-2], len(_MANY), method=8), Trouble.UNREADABLE),
        (made.ZipPart(b"a", bz2.compress(_MANY)[:-2], len(_MANY), method=12), Trouble.UNREADABLE),
        (made.ZipPart(b"a", b"abc", 2), Trouble.AMBIGUOUS),
        (made.ZipPart(b"a", b"abc", 4), Trouble.UNREADABLE),
        (made.ZipPart(b"a", b"\xff" * 20, 20, method=8), Trouble.UNREADABLE),
        (made.ZipPart(b"a", b"\xff" * 20, 20, method=14), Trouble.UNREADABLE),
        (made.ZipPart(b"a", b"\xff" * 20, 20, method=93), Trouble.UNREADABLE),
    ],
)  # fmt: skip
def test_content_that_is_not_as_told(part: made.ZipPart, found: Trouble) -> None:
    """The others are looked into all the same."""
    one, other = entries(made.zip_of(part, _B), ZIP)
    assert (one.trouble, other.trouble) == (found, None)


def test_what_is_not_ambiguous() -> None:
    """Padding, descriptors and signatures between entries, a comment, an archive as content."""
    inner = made.zip_of(_A)
    later = made.stored("later", flags=8, local_size=0)
    parts = (_A, later, made.stored("in.zip", inner))
    content = made.zip_of(*parts, between=bytes(50), comment=b"hello")
    names = ["a.txt", "later", "in.zip", "in.zip/a.txt"]
    assert [e.path for e in entries(content)] == names
    assert entries(made.zip_of(), ZIP) == ()


def test_two_of_a_name_are_both_seen() -> None:
    content = made.zip_of(_A, made.stored("a.txt", files.pe()))
    assert [e.content_type for e in entries(content)] == ["text/plain", "application/x-dosexec"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", made.zip_of(_A)[:-1], b"hello" * 100])
def test_what_is_no_archive(content: bytes) -> None:
    assert trouble(content, ZIP) is Trouble.UNREADABLE


def test_a_part_of_several() -> None:
    content = bytearray(made.zip_of(_A))
    content[-18:-14] = b"\1\0\1\0"
    assert trouble(bytes(content), ZIP) is Trouble.UNSUPPORTED


def test_documents_are_archives_too() -> None:
    assert [e.name for e in entries(files.docx())][-1] == "word/document.xml"
