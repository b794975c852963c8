"""What the gateway takes files for: made ones, odd ones, hostile ones, and real ones."""

import csv
import ctypes.util
import io
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.inspection.activity import search_whole
from gateway.inspection.detector import EMPTY, HEAD_SIZE, UNKNOWN, Detector

from . import files

_OFFICE = "application/vnd.openxmlformats-officedocument."

FORMATS = [
    (files.png(), "image/png"),
    (files.jpeg(), "image/jpeg"),
    (files.gif(), "image/gif"),
    (files.webp(), "image/webp"),
    (files.pdf(), "application/pdf"),
    (files.zipped(("a.txt", b"a")), "application/zip"),
    (files.docx(), _OFFICE + "wordprocessingml.document"),
    (files.odt(), "application/vnd.oasis.opendocument.text"),
    (files.tar(), "application/x-tar"),
    (files.tar_gz(), "application/gzip"),
    (files.mp4(), "video/mp4"),
    (files.mp3(), "audio/mpeg"),
    (files.wav(), "audio/x-wav"),
    (files.ogg(), "audio/ogg"),
    (files.matroska(), "video/x-matroska"),
    (files.jar(), "application/java-archive"),
    (b"{\\rtf1\\ansi Hello}", "text/rtf"),
    (b"%!PS-Adobe-3.0\n%%Pages: 1\n", "application/postscript"),
    # Texts.
    (b"Dear all,\n\nsee you tomorrow.\n", "text/plain"),
    ("Grüße aus Köln\n".encode(), "text/plain"),
    ("Grüße aus Köln\n".encode("latin-1"), "text/plain"),
    ("Grüße aus Köln\n".encode("utf-16"), "text/plain"),
    (files.json_text(), "application/json"),
    (b"name,size\na,1\nb,2\nc,3\n", "text/csv"),
    (b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:A\r\nEND:VCARD\r\n", "text/vcard"),
    (b"<?xml version='1.0'?><note>x</note>", "text/xml"),
    # Programs.
    (files.elf_header(2), "application/x-executable"),
    (files.pe(), "application/x-dosexec"),
    (files.mach_o(), "application/x-mach-binary"),
    (files.fat_mach_o(), "application/x-mach-binary"),
    (files.java_class(), "application/x-java-applet"),
    # Scripts.
    (b"#!/bin/sh\necho hello\n", "text/x-shellscript"),
    (b"#!/usr/bin/env python3\nprint(1)\n", "text/x-script.python"),
    (b"#!/usr/bin/perl\nprint 1;\n", "text/x-perl"),
    (b"#!/opt/tools/own-interpreter\nx\n", "text/x-shellscript"),
    (b"#!/usr/bin/env -S node --test\n1;\n", "text/x-shellscript"),
    (b"#! /bin/sh\necho self-extracting\nexit\n" + bytes(range(256)) * 8, "text/x-shellscript"),
    (b"@echo off\r\ndir\r\n", "text/x-msdos-batch"),
    (b"<?php echo 1; ?>\n", "text/x-php"),
    (b"<?php\nclass A { public static function b() { return new A(); } }\n", "text/x-php"),
    # Without an interpreter's name these are text.
    (b"import os\n\n\ndef main():\n    return os.name\n", "text/plain"),
    (b"Get-ChildItem | Where-Object { $_.Length -gt 1 }\n", "text/plain"),
    (b"function f() { return 1; }\n", "text/plain"),
    (b"#! not a path\n", "text/plain"),
    (b"MZ is the country code of Mozambique.\n", "text/plain"),
    # Active content.
    (b"<!DOCTYPE html><html><body>x</body></html>", "text/html"),
    (b" " * 9000 + b"<html><script>alert(1)</script>", "text/html"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "image/svg+xml"),
    (b"<!-- logo --><svg xmlns='http://www.w3.org/2000/svg'></svg>", "image/svg+xml"),
    # Little or nothing.
    (b"", EMPTY),
    (b"a", "text/plain"),
    (b"\n", "text/plain"),
    (b"\0", UNKNOWN),
    (b"\xe9", UNKNOWN),
    (bytes(4096), UNKNOWN),
    (random.Random(1).randbytes(4096), UNKNOWN),
]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize(("content", "content_type"), FORMATS)
def test_formats(detector: Detector, content: bytes, content_type: str) -> None:
    assert detector.detect(content) == content_type


def test_this_interpreter_is_a_program(detector: Detector) -> None:
    assert detector.detect(files.elf()) in ("application/x-executable", "application/x-sharedlib")


def test_more_than_the_head_is_not_looked_at(detector: Detector) -> None:
    late = bytes(HEAD_SIZE) + files.zipped(("a.txt", b"a"))
    assert detector.detect(late) == detector.detect(late[:HEAD_SIZE]) == UNKNOWN


@pytest.mark.parametrize(
    "content",
    [
        b"# Notes about Python\n\nStart with `import os`, then\n\n    class A:\n        x = 1\n",
        b"Changes\n\n* def f() of class B\n\n    def __init__(self):\n        pass\n",
        b"How to write a link: <a href='https://example.com'>text</a>, or a <table>.\n",
        b"id,body\n1,<p>hello</p>\n2,<script>x</script>\n",
        b"#![allow(dead_code)]\nfn main() {}\n",
    ],
)
def test_notes_about_a_language_are_not_of_that_language(
    detector: Detector, content: bytes
) -> None:
    assert detector.detect(content) in ("text/plain", "text/csv", "text/x-c")


def test_a_program_is_not_hidden_by_looking_like_an_archive(detector: Detector) -> None:
    assert detector.detect(files.pe_that_is_a_tar()) == "application/x-dosexec"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        # Beginnings that are text prove nothing.
        (b"text\n" * 500 + bytes(100), UNKNOWN),
        (b"MZ" + bytes(range(1, 256)) * 4, "application/x-dosexec"),
        (b"ZM" + files.pe()[2:], "application/x-dosexec"),
        (b"\xca\xfe\xba\xbf\0\0\0\1", "application/x-mach-binary"),
        (b"\0asm\1\0\0\0", "application/wasm"),
        (b"#@~^AAAAAA==\x7f\x01", "text/vbscript"),
        (b"wOF2\0\1\0\0", "font/woff2"),
        (bytes(128) + b"DICM", "application/dicom"),
        # Where PDF readers look.
        (b"\n\nsome junk\n" + files.pdf(), "application/pdf"),
        (bytes(1000) + files.pdf(), "application/pdf"),
        (bytes(1020) + files.pdf(), UNKNOWN),
        (b"pdf = b'%PDF-1.4'\n", "text/plain"),
        (b"%PDF-1.4\n" + files.zipped(("a", b"a")), "application/pdf; with=other-format"),
        (files.mp4() + files.pdf(), "video/mp4; with=other-format"),
        (files.zipped(("a.pdf", files.pdf())), "application/zip"),
        (files.tar("a.pdf", files.pdf()), "application/x-tar"),
        # Archives behind other data.
        (bytes(500) + files.docx(), _OFFICE + "wordprocessingml.document"),
        (b"hello\n" + files.zipped(("a", b"a")), "application/zip"),
        # Disks.
        (files.iso(), "application/x-iso9660-image"),
        (bytes(0x8001) + b"BEA01" + bytes(2043) + b"NSR03", "application/x-iso9660-image"),
        (b"vhdxfile" + bytes(64), "application/x-virtualbox-vhd"),
        (b"conectix" + bytes(64), "application/x-virtualbox-vhd"),
        (b"KDMV" + bytes(64), "application/x-vmdk-disk"),
        (b"GIF89a/*" + files.gif()[8:], "image/gif; with=script"),
        (
            b"<?xml version='1.0'?><a xmlns='http://www.w3.org/1999/xhtml'/>",
            "text/xml; with=script",
        ),
        (b"<?xml version='1.0'?><a/>", "text/xml"),
    ],
)
def test_oddities(detector: Detector, content: bytes, found: str) -> None:
    assert detector.detect(content) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (files.png() + b"<?php", "image/png; with=script"),
        (files.jpeg() + files.zipped(("a", b"a")), "image/jpeg; with=other-format"),
        (files.webp() + files.pdf(), "image/webp; with=other-format"),
        (files.wav() + b"<script", "audio/x-wav; with=script"),
        (b"<svg onload=x></svg>" + files.pdf(), "image/svg+xml; with=other-format+script"),
    ],
)
def test_what_hides_in_pictures_is_found_by_who_looks(
    detector: Detector, content: bytes, found: str
) -> None:
    assert detector.detect(content, closely=True) == found
    assert detector.detect(content) in (found.partition(";")[0], "image/svg+xml; with=script")


@pytest.mark.parametrize(
    ("svg", "acts"),
    [
        (b"<path d='M0 0'/>", False),
        (b"<style>a { color: red }</style><text font-size='1'>on = off</text>", False),
        (b"<image href='data:image/png;base64,AAAA'/>", False),
        (b"<script>x</script>", True),
        (b"<svg:script/>", True),
        (b"<g\nonclick = 'x'/>", True),
        (b"<g a='b'onload='x'/>", True),
        (b"<a xlink:href='javascript:x'/>", True),
        (b"<use href='data:image/svg+xml,x'/>", True),
        (b"<set attributeName='href' to='x'/>", True),
        (b"<foreignObject/>", True),
    ],
)
def test_svg_that_acts(detector: Detector, svg: bytes, acts: bool) -> None:
    found = detector.detect(b"<svg xmlns='http://www.w3.org/2000/svg'>" + svg + b"</svg>")
    assert found == ("image/svg+xml; with=script" if acts else "image/svg+xml")


def test_what_lies_behind_the_head_of_an_svg_is_for_those_who_search_all_of_it(
    detector: Detector,
) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<path/>" * 10_000
    assert detector.detect(svg) == "image/svg+xml"
    with_script = svg + b"<script/>"
    assert detector.detect(with_script) == "image/svg+xml"
    found = search_whole(io.BytesIO(with_script), "image/svg+xml")
    assert found == "image/svg+xml; with=script"
    assert search_whole(io.BytesIO(svg), "image/svg+xml") == "image/svg+xml"


@pytest.mark.parametrize("blanks", [b"\n", b" ", b" \n", b"\t", b"\r\n"])
def test_a_flood_of_blanks_is_text(detector: Detector, blanks: bytes) -> None:
    assert detector.detect(blanks * HEAD_SIZE) == "text/plain"


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "image/gif", "image/webp"])
def test_a_picture_keeps_its_type_whatever_follows(detector: Detector, content_type: str) -> None:
    whole = next(content for content, name in FORMATS if name == content_type)
    assert detector.detect(whole + files.zipped(("a", b"a"))) == content_type


def _detected_without_the_wheel(content: bytes) -> str:
    """In a process of its own, in which ``import pylibmagic`` fails."""
    program = (
        "import sys; sys.modules['pylibmagic'] = None\n"
        "from gateway.inspection.detector import Detector\n"
        "print(Detector().detect(sys.stdin.buffer.read()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=content, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode().strip()


@pytest.mark.skipif(ctypes.util.find_library("magic") is None, reason="no libmagic in the system")
@pytest.mark.parametrize("make", [files.pdf, files.docx, files.pe, files.json_text])
def test_the_systems_libmagic_does_too(detector: Detector, make: Callable[[], bytes]) -> None:
    assert _detected_without_the_wheel(make()) == detector.detect(make())


_SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "samples"
_SAMPLE_TYPES: dict[str, tuple[str, ...]] = {
    ".csv": ("text/csv",),
    ".docx": (_OFFICE + "wordprocessingml.document",),
    ".gif": ("image/gif",),
    ".gz": ("application/gzip",),
    ".json": ("application/json", "text/plain"),  # newer versions of libmagic read more of it
    ".jpeg": ("image/jpeg",),
    ".jpg": ("image/jpeg",),
    ".odp": ("application/vnd.oasis.opendocument.presentation",),
    ".odt": ("application/vnd.oasis.opendocument.text",),
    ".pdf": ("application/pdf",),
    ".png": ("image/png",),
    ".pptx": (_OFFICE + "presentationml.presentation",),
    ".rar": ("application/x-rar",),
    ".rtf": ("text/rtf",),
    ".svg": ("image/svg+xml",),
    ".tiff": ("image/tiff",),
    ".zip": ("application/zip",),
}
"""Others are text."""


@pytest.mark.skipif(not _SAMPLES.is_dir(), reason="the folder of samples is not here")
def test_samples(detector: Detector) -> None:
    with (_SAMPLES / "manifest.csv").open(newline="") as manifest:
        names = [row["file"] for row in csv.DictReader(manifest)]
    assert names
    for name in names:
        sample = _SAMPLES / name
        with sample.open("rb") as file:
            found = detector.detect(file.read(HEAD_SIZE))
        assert found in _SAMPLE_TYPES.get(sample.suffix, ("text/plain",)), name
