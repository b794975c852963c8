"""The short cuts give libmagic's answers, or better ones."""

import random

import pytest

from gateway.inspection.libmagic import LibMagic
from gateway.inspection.signatures import picture, program

from . import files

_libmagic = LibMagic()

PICTURES = [
    files.png(),
    files.png(200),
    files.jpeg(),
    files.jpeg(b"\xe1\x00\x10Exif\0\0MM\0*\0\0\0\x08\0\0"),  # Exif, as cameras write it
    files.jpeg(b"\xdb\x00\x43\x00" + bytes([1]) * 64),  # a table at once
    files.jpeg(b"\xee\x00\x0eAdobe\0d\0\0\0\0\0"),
    files.gif(b"87a"),
    files.gif(b"89a"),
    files.webp(b"VP8 "),
    files.webp(b"VP8L"),
    files.webp(b"VP8X"),
]


@pytest.mark.parametrize("whole", PICTURES)
def test_pictures_are_what_libmagic_says(whole: bytes) -> None:
    assert picture(whole) == _libmagic.ask(whole)


@pytest.mark.parametrize("whole", PICTURES)
def test_truncated_pictures_too(whole: bytes) -> None:
    settled = [n for n in range(len(whole)) if picture(whole[:n]) is not None]
    assert settled == list(range(settled[0], len(whole)))
    for length in settled:
        assert picture(whole[:length]) == _libmagic.ask(whole[:length])


@pytest.mark.parametrize("whole", PICTURES)
def test_damaged_pictures_too(whole: bytes) -> None:
    dice = random.Random(whole)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        found = picture(bytes(damaged))
        if found is not None:
            assert found == _libmagic.ask(bytes(damaged))


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xf7\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00",  # JPEG-LS
        b"\x89PNG\n\x1a\n",
        b"GIF90a",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"RIFF\x24\0\0\0WEBPxxxx",
        files.pdf(),
    ],
)
def test_no_picture(other: bytes) -> None:
    assert picture(other) is None


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (files.elf_header(1), "application/x-object"),
        (files.elf_header(2), "application/x-executable"),
        (files.elf_header(3), "application/x-sharedlib"),
        (files.elf_header(3, ">"), "application/x-sharedlib"),
        (files.elf_header(4), "application/x-coredump"),
        (b"\x7fELF", "application/x-executable"),
        (files.pe(), "application/x-dosexec"),
        (files.pe(header_at=0x40000), "application/x-dosexec"),
        (files.pe_that_is_a_tar(), "application/x-dosexec"),
        (files.mach_o(), "application/x-mach-binary"),
        (files.fat_mach_o(), "application/x-mach-binary"),
        (files.java_class(45), "application/x-java-applet"),
        (files.java_class(68), "application/x-java-applet"),
    ],
)
def test_programs(head: bytes, content_type: str) -> None:
    assert program(head) == content_type


@pytest.mark.parametrize(
    "other", [b"", b"M", b"MZ", b"MZ, Mozambique\n", b"\x7fEL", b"\xca\xfe\xba\xbe\0", b"#!/bin/sh"]
)
def test_no_program(other: bytes) -> None:
    assert program(other) is None
