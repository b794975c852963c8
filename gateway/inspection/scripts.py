"""Text that a shell, an interpreter or a desktop runs, told by how it begins.

Without a beginning that says so a source file is text: any words can be a program in some
language, and guessing takes notes about Python for Python.
"""

import re

SHELL = "text/x-shellscript"

_INTERPRETERS = (
    ("python", "text/x-script.python"),
    ("pypy", "text/x-script.python"),
    ("perl", "text/x-perl"),
    ("ruby", "text/x-ruby"),
    ("php", "text/x-php"),
    ("lua", "text/x-lua"),
    ("tclsh", "text/x-tcl"),
    ("wish", "text/x-tcl"),
    ("awk", "text/x-awk"),
    ("gawk", "text/x-gawk"),
    ("nawk", "text/x-nawk"),
    ("mawk", "text/x-awk"),
)
"""In libmagic's names. All others are taken for shells."""
_SHEBANG = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}#![ \t]*(/\S*)(?:[ \t]+(\S+))?")
"""As execve(2) reads it; the slash tells it from Rust's ``#![attribute]``. The kernel wants it
first, a shell that was told to run the file takes it behind a mark or blank lines as well."""

_REMARKS = rb"(?>[#;][^\n]*+\n\s*+)*+"
_BEGINNINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), content_type)
    for pattern, content_type in (
        (rb"<\?(?:php\b|=)", "text/x-php"),
        (
            rb"(?>(?:@?rem\b|::)[^\n]*+\n\s*+)*+"
            rb"(?:@?echo[ \t]++off[ \t]*+\r?(?:\n|\Z)|"
            rb"@(?:echo|setlocal|cls|chcp|pushd|rem|cmd|powershell|mshta)\b)",
            "text/x-msdos-batch",
        ),
        (rb"(?:REGEDIT4|Windows Registry Editor Version \d)", "text/x-ms-regedit"),
        (_REMARKS + rb"\[InternetShortcut(?:\.[AW])?\]", "application/x-mswinurl"),
        (_REMARKS + rb"\[Desktop Entry\]", "application/x-desktop"),
        (rb"\[Shell\]\s*+(?:Command|IconFile)=", "text/x-ms-scf"),
    )
)
"""Of PHP, Windows batch files, registry files, and shortcuts of three desktops."""


def shebang(head: bytes) -> str | None:
    """The type of a script whose first line names its interpreter; binary data may follow."""
    match = _SHEBANG.match(head)
    if match is None:
        return None
    name = match[1].rpartition(b"/")[2]
    if name == b"env" and match[2]:
        name = match[2].rpartition(b"/")[2]
    called = name.decode(errors="replace")
    return next((kind for start, kind in _INTERPRETERS if called.startswith(start)), SHELL)


def script(text: bytes) -> str | None:
    """The type of another script. ``text`` is in UTF-8, without blanks before it."""
    for pattern, content_type in _BEGINNINGS:
        if pattern.match(text):
            return content_type
    return None
