"""Content types that a few first bytes settle, without asking libmagic.

Pictures, because most uploads are pictures and this costs a hundredth of libmagic's time; the
answers are libmagic's. Programs, because libmagic can be led to overlook them: it looks for tar
archives before all else, and a Windows program can be made to look like one.
"""

import re
from typing import Literal

from gateway.content import Finding, with_findings

_JPEG_LS = 0xF7
"""The marker that makes a JPEG file JPEG-LS (ISO 14495-1)."""
_FAT_MACH_O_64 = b"\xca\xfe\xba\xbf"
_MACH_O = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_CAFE_BABE = b"\xca\xfe\xba\xbe"
_LEAST_JAVA_VERSION = 45
"""Java 1.1. The same four bytes hold the number of architectures in a Mach-O file."""
_ELF_TYPES = {1: "application/x-object", 3: "application/x-sharedlib", 4: "application/x-coredump"}
"""``e_type`` of the ELF header. Most programs of today are type 3, as libraries are."""
_JAVASCRIPT = re.compile(rb"(?:GIF8[79]a|BM|RIFF|\xff\xd8\xff[\xe0-\xef\xfe])(?:/\*|=[ -~])")
"""A file that begins so is JavaScript, too, up to what follows; as a picture it would have a side
of 8,000 pixels or more, or a first segment of 12,074 bytes."""
_ENDS_COMMENT = b"*/"
_HIDDEN_SCRIPTS = (b"<?php", b"<script")
_OTHERS = (
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\0asm", "application/wasm"),
    (b"#@~^", "text/vbscript"),  # encoded, so that it has bytes in it that no text has
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"CDF\x01", "application/x-netcdf"),
    (b"CDF\x02", "application/x-netcdf"),
)
_LEAST_PYTHON, _MOST_PYTHON = 3000, 4000
"""Magic numbers of Python 3, which a carriage return and a line feed follow."""
_PDF = b"%PDF-"
_PDF_WITHIN = 1024
"""Bytes within which PDF readers look for the mark."""
_TEXT_IN_MZ = re.compile(rb"MZ[\t\n\r -~\x80-\xff]*+")


def picture(head: bytes) -> str | None:
    """The type of a PNG, JPEG, GIF or WebP file."""
    if head.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff") and len(head) > 3 and head[3] != _JPEG_LS:
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        if head[6:7] in (b"/", b"=") and _JAVASCRIPT.match(head):
            return with_findings("image/gif", {Finding.SCRIPT})
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:15] == b"WEBPVP8":
        return "image/webp"
    return None


def program(head: bytes) -> str | None:
    """The type of what Windows, Linux, macOS or a Java machine would load as a program."""
    start = head[:4]
    if start == b"\x7fELF":
        order: Literal["big", "little"] = "big" if head[5:6] == b"\x02" else "little"
        return _ELF_TYPES.get(int.from_bytes(head[16:18], order), "application/x-executable")
    if start[:2] in (b"MZ", b"ZM") and not _TEXT_IN_MZ.fullmatch(head):
        return "application/x-dosexec"
    if start in _MACH_O or start == _FAT_MACH_O_64:
        return "application/x-mach-binary"
    if start == _CAFE_BABE and len(head) >= 8:
        number = int.from_bytes(head[4:8], "big")
        java = number & 0xFFFF >= _LEAST_JAVA_VERSION
        return "application/x-java-applet" if java else "application/x-mach-binary"
    return None


def other(head: bytes) -> str | None:
    """The type of some formats for which libmagic takes long, or has no MIME type."""
    for start, content_type in _OTHERS:
        if head.startswith(start):
            return content_type
    if head[128:132] == b"DICM":
        return "application/dicom"  # may begin with a TIFF, for other readers
    if head.startswith(b"\x80\x01") and head[6:8] == b"%!":
        return "application/x-font-type1"
    if head.startswith(b"RIFX") and head[8:12] == b"WAVE":
        return "audio/x-wav"
    compiled = _LEAST_PYTHON <= int.from_bytes(head[:2], "little") <= _MOST_PYTHON
    if compiled and head[2:4] == b"\r\n" and b"\0" in head[:16]:
        return "application/x-bytecode.python"
    return None


def pdf_at(head: bytes) -> int:
    """Where a PDF begins in ``head``; -1 if none does."""
    return head.find(_PDF, 0, _PDF_WITHIN)


def hidden_script(head: bytes) -> bool:
    """Whether something that looks like a picture, sound or film has a script in its head."""
    if any(mark in head for mark in _HIDDEN_SCRIPTS):
        return True
    return _JAVASCRIPT.match(head) is not None and _ENDS_COMMENT in head
