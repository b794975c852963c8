"""Tar archives of all makers."""

import io
import tarfile

import pytest

from gateway.contents import Kind, Trouble
from tests.inspection import files

from . import made
from .looking import entries, entry, look, trouble

TAR = "application/x-tar"
LONG = "folder/" * 40 + "setup.exe"


def tar_by_library(kind: int, *members: tarfile.TarInfo, content: bytes = b"hello\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made_ = tarfile.TarInfo(name)
    made_.type, made_.linkname = kind, link
    return made_


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_the_library_makes(kind: int) -> None:
    members = (
        member("docs", tarfile.DIRTYPE),
        member("docs/a.txt"),
        member("docs/link", tarfile.SYMTYPE, "../b"),
        member("docs/hard", tarfile.LNKTYPE, "docs/a.txt"),
        member("pipe", tarfile.FIFOTYPE),
        member("disk", tarfile.BLKTYPE),
        member("tty", tarfile.CHRTYPE),
    )
    found = entries(tar_by_library(kind, *members), TAR)
    assert [(e.name.rstrip("/"), e.kind, e.size, e.link) for e in found] == [
        ("docs", Kind.DIRECTORY, 0, None),
        ("docs/a.txt", Kind.REGULAR, 6, None),
        ("docs/link", Kind.SYMBOLIC_LINK, 0, "../b"),
        ("docs/hard", Kind.HARD_LINK, 0, "docs/a.txt"),
        ("pipe", Kind.DEVICE, 0, None),
        ("disk", Kind.DEVICE, 0, None),
        ("tty", Kind.DEVICE, 0, None),
    ]
    assert found[1].content_type == "text/plain"


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(kind: int) -> None:
    link = member(LONG + "2", tarfile.SYMTYPE, LONG)
    found = entries(tar_by_library(kind, member(LONG), link), TAR)
    assert [(e.name, e.link) for e in found] == [(LONG, None), (LONG + "2", LONG)]


def test_a_prefix() -> None:
    name = "a" * 80 + "/" + "b" * 80
    assert entry(tar_by_library(tarfile.USTAR_FORMAT, member(name)), TAR).name == name


def test_a_file_of_each_size() -> None:
    content = made.tar_of(*((f"{size}", bytes(size)) for size in (0, 1, 511, 512, 513, 70_000)))
    assert [e.size for e in entries(content, TAR)] == [0, 1, 511, 512, 513, 70_000]


def test_a_size_in_binary() -> None:
    header = bytearray(made.tar_header("a", 0))
    header[124:136] = b"\x80" + (6).to_bytes(11, "big")
    content = made.with_checksum(bytes(header)) + made.padded(b"hello\n") + bytes(1024)
    assert entry(content, TAR).size == 6


def test_a_checksum_of_signed_bytes() -> None:
    header = bytearray(made.tar_header("größe", 0))
    total = sum(header[:148]) + 256 + sum(header[156:])
    high = sum(byte >= 0x80 for byte in header)
    header[148:156] = b"%06o\0 " % (total - 256 * high)
    assert entry(bytes(header) + bytes(1024), TAR).name == "größe"


def test_a_sparse_file_is_as_large_as_it_says() -> None:
    header = bytearray(made.tar_header("a", 512, b"S"))
    header[482], header[483:495] = 1, b"%011o\0" % 10_000
    more = bytes(504) + b"\1" + bytes(7) + bytes(512)
    content = made.with_checksum(bytes(header)) + more + bytes(512) + made.tar_of(("b", b"b"))
    sparse, other = entries(content, TAR)
    assert (sparse.size, sparse.trouble) == (10_000, Trouble.UNSUPPORTED)
    assert (other.name, other.size) == ("b", 1)


def test_a_sparse_file_of_pax() -> None:
    content = made.pax(GNU__sparse__realsize="10000", GNU__sparse__name="a.exe")
    content += made.tar_of(("b", b"b"))
    found = entry(content, TAR)
    assert (found.name, found.size, found.trouble) == ("a.exe", 10_000, Trouble.UNSUPPORTED)


_A = made.tar_header("a", 0)
_END = bytes(1024)

TROUBLES = {
    "something behind the end": (made.tar_of(("a", b"a")) + b"x", Trouble.AMBIGUOUS),
    "an archive behind the end": (made.tar_of(("a", b"a")) * 2, Trouble.AMBIGUOUS),
    "a folder with content": (made.tar_header("a", 9, b"5") + made.padded(b"a"), Trouble.AMBIGUOUS),
    "a link with content": (made.tar_header("a", 9, b"2", "b") + bytes(512), Trouble.AMBIGUOUS),
    "two sizes": (made.pax(size="600") + made.tar_of(("a", bytes(9))), Trouble.AMBIGUOUS),
    "no number": (made.pax(size="-1") + made.tar_of(("a", b"")), Trouble.AMBIGUOUS),
    "a name for all": (made.pax(b"g", path="b.exe") + made.tar_of(("a", b"")), Trouble.AMBIGUOUS),
    "no checksum": (_A + b"x" * 512 + _END, Trouble.UNREADABLE),
    "no name": (made.tar_of(("", b"")), Trouble.UNREADABLE),
    "no octal number": (
        made.with_checksum(_A[:124] + b"12345678901x" + _A[136:]) + _END, Trouble.UNREADABLE),
    "a negative size": (
        made.with_checksum(_A[:124] + b"\xff" * 12 + _A[136:]) + _END, Trouble.UNREADABLE),
    "a broken record": (
        made.tar_header("x", 9, b"x") + made.padded(b"9 path=ab") + _A, Trouble.UNREADABLE),
    "a record of nothing": (
        made.tar_header("x", 9, b"x") + made.padded(b"0 a=b\n123") + _A, Trouble.UNREADABLE),
    "a long header": (made.tar_header("x", 2**21, b"x") + bytes(2**21), Trouble.UNREADABLE),
    "many headers": (made.pax(path="a") * 9 + _A + _END, Trouble.UNREADABLE),
    "a long path": (made.pax(path="a" * 5000) + _A + _END, Trouble.UNREADABLE),
    "a long GNU name": (
        made.tar_header("x", 5000, b"L") + made.padded(b"a" * 5000) + _A, Trouble.UNREADABLE),
    "cut off in a header": (_A[:100], Trouble.UNREADABLE),
    "cut off in content": (made.tar_of(("a", bytes(9)), end=b"")[:-505], Trouble.UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("name", TROUBLES)
def test_troubles(name: str) -> None:
    content, found = TROUBLES[name]
    assert trouble(content, TAR) is found


def test_a_header_for_all() -> None:
    content = made.pax(b"g", comment="a commit") + made.tar_of(("a", b"a"))
    assert entry(content, TAR).name == "a"


def test_an_end_is_not_wanted() -> None:
    """Some writers leave it out, some write one block, some many."""
    for blocks in (0, 1, 2, 20):
        assert entry(made.tar_of(("a", b"a"), end=bytes(512 * blocks)), TAR).size == 1


def test_what_was_seen_before_the_trouble() -> None:
    contents = look(made.tar_of(("setup.exe", files.pe())) + b"x", TAR)
    assert [e.name for e in contents.entries] == ["setup.exe"]
