"""libmagic is limited, and its failures are answers."""

import pytest

from gateway.inspection.libmagic import UNKNOWN, LibMagic


@pytest.fixture(scope="module")
def libmagic() -> LibMagic:
    return LibMagic()


def test_what_it_fails_on_is_unknown(libmagic: LibMagic) -> None:
    """It says "indirect count (50) exceeded" to this."""
    assert libmagic.ask(b"\0<" * 8192) == UNKNOWN
    assert libmagic.ask(b"still works\n") == "text/plain"


def test_of_text_only_the_beginning_is_looked_at(libmagic: LibMagic) -> None:
    assert libmagic.ask(b"word " * 100 + b"\1\2\3\4") == UNKNOWN
    assert libmagic.ask(b"word " * 500 + b"\1\2\3\4") == "text/plain"


def test_the_slow_patterns_see_less(libmagic: LibMagic) -> None:
    """A directive of an assembler is looked for by a regular expression."""
    assert libmagic.ask(b"\n.byte 1\n") == "text/x-asm"
    assert libmagic.ask(b"word\n" * 300 + b"\n.byte 1\n") == "text/plain"


def test_what_follows_a_flood_of_blanks_is_seen(libmagic: LibMagic) -> None:
    assert libmagic.ask(b" " * 9000 + b"\1\2\3\4") == UNKNOWN


def test_blanks_in_other_files_are_left_alone(libmagic: LibMagic) -> None:
    """A tar archive's mark stays at its place, though most of what surrounds it is blank."""
    header = bytearray(512)
    header[:99] = b" " * 99
    header[157:256] = b" " * 99
    header[345:499] = b" " * 154
    header[257:265] = b"ustar\00000"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert libmagic.ask(bytes(header)) == "application/x-tar"
