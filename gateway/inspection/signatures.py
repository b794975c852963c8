"""Content types that a few first bytes settle, without asking libmagic.

Pictures, because most uploads are pictures and this costs a hundredth of libmagic's time; the
answers are libmagic's. Programs, because libmagic can be led to overlook them: it looks for tar
archives before all else, and a Windows program can be made to look like one.
"""

import re
from typing import Literal

_JPEG_LS = 0xF7
"""The marker that makes a JPEG file JPEG-LS (ISO 14495-1)."""
_MACH_O = (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")
_CAFE_BABE = b"\xca\xfe\xba\xbe"
_LEAST_JAVA_VERSION = 45
"""Java 1.1. The same four bytes hold the number of architectures in a Mach-O file."""
_ELF_TYPES = {1: "application/x-object", 3: "application/x-sharedlib", 4: "application/x-coredump"}
"""``e_type`` of the ELF header. Most programs of today are type 3, as libraries are."""
_SHEBANG = re.compile(rb"#![ \t]*/")
"""As execve(2) reads it; the slash tells it from Rust's ``#![attribute]``."""


def picture(head: bytes) -> str | None:
    """The type of a PNG, JPEG, GIF or WebP file."""
    if head.startswith(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff") and len(head) > 3 and head[3] != _JPEG_LS:
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
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
    if start[:2] == b"MZ" and b"\0" in head:  # without a NUL it is text
        return "application/x-dosexec"
    if start in _MACH_O:
        return "application/x-mach-binary"
    if start == _CAFE_BABE and len(head) >= 8:
        number = int.from_bytes(head[4:8], "big")
        java = number & 0xFFFF >= _LEAST_JAVA_VERSION
        return "application/x-java-applet" if java else "application/x-mach-binary"
    return None


def has_shebang(head: bytes) -> bool:
    return _SHEBANG.match(head) is not None
