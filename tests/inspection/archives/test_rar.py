"""RAR archives: their names, and what is encrypted."""

import pytest

from gateway.contents import Kind, Trouble

from . import made
from .looking import entries, entry, look, trouble

RAR = "application/x-rar"
LOCKED = made.vint(2) + b"\x01\0"
LINK = b"\x05\x01\0\x04../b"
COPY = b"\x05\x05\0\x01b"


def extra(record: bytes) -> bytes:
    return made.vint(len(record)) + record


@pytest.mark.parametrize(
    "content",
    [
        made.rar5(made.rar5_file("docs/größe.exe"), made.rar5_file("docs", flags=1)),
        made.rar4(
            made.rar4_file("docs/größe.exe".encode(), flags=0x200),
            made.rar4_file(b"docs", system=2, attributes=0x10),
        ),
    ],
)
def test_names_and_sizes(content: bytes) -> None:
    file, folder = entries(content)
    assert (file.name, file.size, file.kind) == ("docs/größe.exe", 6, Kind.REGULAR)
    assert (file.trouble, file.content_type) == (Trouble.UNSUPPORTED, "application/octet-stream")
    assert (folder.name, folder.kind, folder.trouble) == ("docs", Kind.DIRECTORY, None)
    assert look(content).unpacked_size == 6


def test_sizes_of_more_than_four_gibibytes() -> None:
    high = bytes(4) + (1).to_bytes(4, "little")
    block = made.rar4_file(b"a", flags=0x100, high=high)
    assert trouble(made.rar4(block)) is Trouble.TOO_LARGE
    assert trouble(made.rar5(made.rar5_file("a", 2**40))) is Trouble.TOO_LARGE


@pytest.mark.parametrize(
    "content",
    [
        made.rar5(made.rar5_file("a", extra=extra(b"\x01\0\0"))),
        made.rar4(made.rar4_file(b"a", flags=0x04)),
    ],
)
def test_an_encrypted_entry(content: bytes) -> None:
    assert entry(content).encrypted


@pytest.mark.parametrize(
    "content",
    [made.rar5(made.rar5_block(4, bytes(20))), made.rar4(made.rar4_file(b"a"), flags=0x80)],
)
def test_encrypted_headers(content: bytes) -> None:
    assert trouble(content) is Trouble.ENCRYPTED


@pytest.mark.parametrize(
    ("content", "kind", "link"),
    [
        (made.rar5(made.rar5_file("a", extra=extra(LINK))), Kind.SYMBOLIC_LINK, "../b"),
        (made.rar5(made.rar5_file("a", extra=extra(COPY))), Kind.HARD_LINK, "b"),
        (made.rar5(made.rar5_file("a", mode=0o010644)), Kind.DEVICE, None),
        (made.rar4(made.rar4_file(b"a", attributes=0o120777)), Kind.SYMBOLIC_LINK, None),
        (made.rar4(made.rar4_file(b"a", attributes=0o020644)), Kind.DEVICE, None),
    ],
)
def test_kinds(content: bytes, kind: Kind, link: str | None) -> None:
    found = entry(content)
    assert (found.kind, found.link) == (kind, link)


@pytest.mark.parametrize(
    ("packed", "name"),
    [
        (b"\x00" + b"\x00ab", "ab"),  # as they are
        (b"\x04" + b"\x5412", "\u0431\u0432"),  # with the high byte that all share
        (b"\x00" + b"\xa0" + b"\x31\x04\x32\x04", "\u0431\u0432"),  # two bytes each
        (b"\x00" + b"\xc0\x06", "setup.ex"),  # of the old name
        (b"\x04" + b"\xc0\x80\x01", "\u0474\u0466"),  # of the old name, moved
    ],
)
def test_names_of_old_versions(packed: bytes, name: str) -> None:
    """Both count: which one is used depends on the program."""
    old = b"setup.exe"
    found = entry(made.rar4(made.rar4_file(old + b"\0" + packed, flags=0x200)))
    assert found.other_names == ("setup.exe",)
    assert found.name == name


def test_other_blocks_are_passed_over() -> None:
    comment = made.rar5_block(3, bytes(3), data=b"comment")
    assert entry(made.rar5(comment, made.rar5_file("a"))).name == "a"
    old = made.rar4_block(0x7A, 0x8000, (4).to_bytes(4, "little"), b"data")
    assert entry(made.rar4(old, made.rar4_file(b"a"))).name == "a"


_5, _4 = made.rar5(made.rar5_file("a")), made.rar4(made.rar4_file(b"a"))


@pytest.mark.parametrize(
    "content",
    [
        b"Rar!\x1a\x07\x01\0",
        b"Rar!",
        b"hello" * 10,
        _5[:-1],
        _5[:-12],
        _5[:20] + b"\xff" + _5[21:],
        _5[:12] + b"\xff" * 20,
        made.rar5(made.rar5_file("a", extra=b"\xff" * 5)),
        _4[:-9],
        _4[:40] + b"\xff" + _4[41:],
        _4[:12] + bytes(10),
    ],
)
def test_damage(content: bytes) -> None:
    assert trouble(content, RAR) is Trouble.UNREADABLE
