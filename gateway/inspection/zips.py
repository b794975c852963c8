"""ZIP archives, and the documents and programs that are ZIP archives inside.

Told by the entries that the head shows, in whatever order they come: libmagic wants the telling
one first. An entry beyond the head does not count.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from gateway.content import Finding, with_findings
from gateway.inspection.encodings import as_utf8

ZIP = "application/zip"
PARTS = "[Content_Types].xml"
"""The entry that lists the parts of an Office document, and their types."""
MACRO_ENABLED = ".macroEnabled"
"""In the types of those that are there for macros."""
JAR = "application/java-archive"

_MARK = b"PK\x03\x04"
_HEADER = struct.Struct("<4s5H3I2H")
"""Local file header, APPNOTE.TXT 4.3.7."""
_ENCRYPTED, _SIZE_FOLLOWS = 1, 8
_STORED, _DEFLATED = 0, 8
_METHODS = frozenset({0, 1, 6, 8, 9, 12, 14, 93, 95, 96, 97, 98, 99})
_MOST_ENTRIES = 400
_MOST_INFLATED, _MOST_OF_ONE = 512 * 1024, 128 * 1024
"""Bytes, of all entries together and of one that is read."""
_MOST_MARKS = 64
"""How many places in other data are looked at."""
_JAR_MARK = 0xCAFE
"""An extra field that the ``jar`` tool writes."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
_MAIN_PART = re.compile(
    r"application/vnd\.((?:openxmlformats-officedocument\.\w+|ms-word|ms-excel|ms-powerpoint|"
    r"ms-visio)\.[A-Za-z.]+?)\.main\b"
)
_VBA, _MACRO_SHEETS = "vbaproject.bin", "xl/macrosheets/"
_TELL_OF_MACROS = ("vbaProject", "&#", "<!DOCTYPE")
"""No writer of documents spells letters as numbers there, or defines entities: that hides words."""
_OTHER_PARTS = {
    "application/vnd.ms-package.xps-fixeddocumentsequence+xml": "application/vnd.ms-xpsdocument",
    "application/vnd.ms-package.3dmanufacturing-3dmodel+xml": "model/3mf",
    "application/vnd.ms-appx.manifest+xml": "application/vnd.ms-appx",
}
_MAIN_NAMES = {
    "word/document.xml": _OFFICE + "wordprocessingml.document",
    "xl/workbook.xml": _OFFICE + "spreadsheetml.sheet",
    "xl/workbook.bin": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    "ppt/presentation.xml": _OFFICE + "presentationml.presentation",
}
"""Where [Content_Types].xml is not to be seen."""
_DECLARED = re.compile(
    r"application/(?:vnd\.oasis\.opendocument\.[a-z-]+|vnd\.sun\.xml\.[a-z.]+|epub\+zip|"
    r"vnd\.adobe\.indesign-idml-package|x-krita|hwp\+zip)"
)
"""What an entry named ``mimetype`` is believed."""
_PROGRAMS = {
    "androidmanifest.xml": "application/vnd.android.package-archive",
    "meta-inf/manifest.mf": JAR,
    "appxmanifest.xml": "application/vnd.ms-appx",
}
"""In lower case: Java looks for its manifest in any."""
_IOS_APP = re.compile(r"Payload/[^/]+\.app/")
_IWORK = re.compile(r"Index/.*\.iwa|index\.(?:apxl|xml)\.gz")


class ZipEntry(NamedTuple):
    """An entry, as far as it matters for its archive's type."""

    name: str
    flags: int
    extra: bytes
    content: bytes
    """Inflated, as far as it was wanted and seen; empty if that is impossible."""


def archive(head: bytes) -> str | None:
    """The type of a ZIP archive that begins where ``head`` does."""
    return _type_at(head, 0) if head.startswith(_MARK) else None


def hidden_archive(head: bytes) -> str | None:
    """The type of a ZIP archive that begins within ``head``: other data may stand before it."""
    start = 0
    for _ in range(_MOST_MARKS):
        start = head.find(_MARK, start + 1)
        if start < 0:
            break
        found = _type_at(head, start)
        if found is not None:
            return found
    return None


def _type_at(head: bytes, start: int) -> str | None:
    entries = list(_entries(head, start))
    return type_of(entries) if entries else None


def _entries(head: bytes, start: int) -> Iterator[ZipEntry]:
    budget = _MOST_INFLATED
    for _ in range(_MOST_ENTRIES):
        if len(head) < start + _HEADER.size or head[start : start + 4] != _MARK:
            return
        _, version, flags, method, _, _, _, size, _, name_size, extra_size = _HEADER.unpack_from(
            head, start
        )
        name_at = start + _HEADER.size
        data_at = name_at + name_size + extra_size
        name = head[name_at : name_at + name_size].decode("utf-8", "replace")
        if version & 0xFF > 63 or method not in _METHODS or not name_size or "\0" in name:
            return
        content, end = b"", data_at + size
        if method == _STORED and not flags & _SIZE_FOLLOWS:
            content = head[data_at:end]
        elif method == _DEFLATED and (flags & _SIZE_FOLLOWS or is_telling(name)):
            most = budget if flags & _SIZE_FOLLOWS else min(budget, _MOST_OF_ONE)
            content, used, ended = _inflated(memoryview(head)[data_at:], most)
            budget -= len(content)
            if flags & _SIZE_FOLLOWS:
                end = data_at + used if ended else len(head)
                end = _behind_descriptor(head, end)
        elif flags & _SIZE_FOLLOWS:
            end = len(head)
        yield ZipEntry(name, flags, head[name_at + name_size : data_at], content[:_MOST_OF_ONE])
        start = end


def is_telling(name: str) -> bool:
    """Whether the content of an entry of that name matters."""
    return name in ("mimetype", PARTS, "META-INF/manifest.xml")


def _inflated(data: memoryview, most: int) -> tuple[bytes, int, bool]:
    """Content, bytes that it took, and whether its end was seen."""
    if most <= 0:
        return b"", len(data), False
    inflate = zlib.decompressobj(-15)
    try:
        content = inflate.decompress(data, most)
    except zlib.error:
        return b"", len(data), False
    return content, len(data) - len(inflate.unused_data), inflate.eof


def _behind_descriptor(head: bytes, end: int) -> int:
    """The data descriptor has 12 to 24 bytes, APPNOTE.TXT 4.3.9."""
    found = head.find(_MARK, end, end + 24 + len(_MARK))
    return found if found >= 0 else len(head)


def type_of(entries: list[ZipEntry]) -> str:
    """The type of an archive that has these."""
    names = {entry.name for entry in entries}
    findings: set[Finding] = set()
    if any(entry.flags & _ENCRYPTED for entry in entries):
        findings.add(Finding.ENCRYPTION)
    lowered = {name.lower() for name in names}
    content_type = next((kind for name, kind in _PROGRAMS.items() if name in lowered), None)
    if content_type is None and any(_IOS_APP.match(name) for name in names):
        content_type = "application/x-ios-app"
    if content_type is None and any(_has_jar_mark(entry.extra) for entry in entries):
        content_type = JAR
    if content_type is None:
        content_type = _opendocument(entries, findings) or _office(entries, names, findings)
    if content_type is None and any(_IWORK.match(name) for name in names):
        content_type = "application/x-iwork"
    return with_findings(content_type or ZIP, findings)


def _has_jar_mark(extra: bytes) -> bool:
    return len(extra) >= 4 and struct.unpack_from("<H", extra)[0] == _JAR_MARK


def _opendocument(entries: list[ZipEntry], findings: set[Finding]) -> str | None:
    declared = next((entry for entry in entries if entry.name == "mimetype"), None)
    if declared is None:
        return None
    content_type = declared.content.decode("ascii", "replace").strip()
    if not _DECLARED.fullmatch(content_type):
        return None
    for entry in entries:
        if entry.name.startswith(("Basic/", "Scripts/")):
            findings.add(Finding.MACROS)
        if entry.name == "META-INF/manifest.xml" and b"encryption-data" in entry.content:
            findings.add(Finding.ENCRYPTION)
    return content_type


def _office(entries: list[ZipEntry], names: set[str], findings: set[Finding]) -> str | None:
    if any(name.endswith(_VBA) or name.startswith(_MACRO_SHEETS) for name in map(str.lower, names)):
        findings.add(Finding.MACROS)
    parts = next((entry for entry in entries if entry.name == PARTS), None)
    text = as_utf8(parts.content).decode(errors="replace") if parts else ""
    if any(word in text for word in _TELL_OF_MACROS):
        findings.add(Finding.MACROS)
    main = _MAIN_PART.search(text)
    if main is not None:
        return _office_type(main[1])
    for part, content_type in _OTHER_PARTS.items():
        if part in text:
            return content_type
    for name, content_type in _MAIN_NAMES.items():
        if name in names or (parts and _has_folder(names, name)):
            return content_type
    return None


def _has_folder(names: set[str], name: str) -> bool:
    folder = name.partition("/")[0] + "/"
    return any(other.startswith(folder) for other in names)


def _office_type(main: str) -> str:
    """The registered name of a document by that of its main part."""
    main = main.removesuffix("Template")  # of Word's macroEnabledTemplate
    if main.endswith(MACRO_ENABLED):
        return f"application/vnd.{main}.12"
    return f"application/vnd.{main}{'.main+xml' if main.startswith('ms-visio') else ''}"
