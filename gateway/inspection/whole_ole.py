"""OLE2 files as a whole: macros and encryption, wherever they lie."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from gateway.content import Finding, split, with_findings
from gateway.inspection.compound import CompoundFile, Damaged, DirectoryEntry, children
from gateway.inspection.ole import OLE, STREAMS, type_by_names, type_by_sector

_DOCUMENT_STREAMS = ("WordDocument", "Workbook", "Book")
_POWERPOINT = "application/vnd.ms-powerpoint"
_MOST_OF_STREAM = 8 * 2**20
"""Bytes of a workbook's beginning, where its sheets are listed."""
_MOST_RECORDS = 100_000
_FILEPASS, _BOUNDSHEET, _END_OF_PART = 0x2F, 0x85, 0x0A
"""Records, [MS-XLS] 2.3."""
_KIND_AT, _MACRO_SHEET = 5, 1
"""Where a BOUNDSHEET tells that it is one of Excel 4's, [MS-XLS] 2.4.28."""
_VBA_INFO = re.compile(
    rb"\x02\x00\x00\x04\x0c\x00\x00\x00.{4}\x01\x00\x00\x00\x02\x00\x00\x00", re.DOTALL
)
"""A VBAInfoAtom that says that there are macros, [MS-PPT] 2.4.11: PowerPoint keeps them in its own
stream."""
_ENCRYPTED_POWERPOINT = re.compile(
    rb"\x00\x00\xf6\x0f.{4}\x14\x00\x00\x00\xdf\xc4\xd1\xf3", re.DOTALL
)
"""A CurrentUserAtom that says so, [MS-PPT] 2.3.2."""
_OVERLAP = 32
_PIECE = 256 * 1024


def whole_compound(file: BinaryIO, head_type: str) -> str:
    """The type of an OLE2 file of which the head has told ``head_type``."""
    try:
        return _told(file, head_type)
    except Damaged:
        return head_type


def _told(file: BinaryIO, head_type: str) -> str:
    compound = CompoundFile(file)
    entries = compound.directory()
    root = entries[0]
    top = {entry.name: entry for entry in children(entries, root)}
    by_names, findings = type_by_names(set(top), root.class_id)
    content_type, found_before = split(head_type)
    findings |= found_before
    if by_names is not None and by_names not in STREAMS.values():
        return by_names
    _, found_anywhere = type_by_names({entry.name for entry in entries}, root.class_id)
    findings |= found_anywhere
    for name in _DOCUMENT_STREAMS:
        if name in top:
            _look_at_stream(compound, top[name], findings)
    content_type = by_names or content_type
    if content_type == _POWERPOINT:
        _look_at_powerpoint(file, findings)
    return with_findings(content_type or OLE, findings)


def _look_at_stream(compound: CompoundFile, entry: DirectoryEntry, findings: set[Finding]) -> None:
    start = b"".join(compound.stream(entry, 1))
    type_by_sector(start, findings)
    if entry.name != "WordDocument":
        _look_at_records(b"".join(compound.stream(entry, _MOST_OF_STREAM)), findings)


def _look_at_records(workbook: bytes, findings: set[Finding]) -> None:
    """Up to the end of the first part, which is about the whole workbook."""
    at = 0
    for _ in range(_MOST_RECORDS):
        kind = int.from_bytes(workbook[at : at + 2], "little")
        size = int.from_bytes(workbook[at + 2 : at + 4], "little")
        data = workbook[at + 4 : at + 4 + size]
        if kind == _FILEPASS:
            findings.add(Finding.ENCRYPTION)
        if kind in (_FILEPASS, _END_OF_PART) or len(data) < size:
            return  # behind a FILEPASS all is encrypted
        if kind == _BOUNDSHEET and len(data) > _KIND_AT and data[_KIND_AT] == _MACRO_SHEET:
            findings.add(Finding.MACROS)
        at += 4 + size


def _look_at_powerpoint(file: BinaryIO, findings: set[Finding]) -> None:
    for seen in _pieces(file):
        if _VBA_INFO.search(seen):
            findings.add(Finding.MACROS)
        if _ENCRYPTED_POWERPOINT.search(seen):
            findings.add(Finding.ENCRYPTION)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """All of it, each piece with the end of the one before."""
    file.seek(0)
    before = b""
    while piece := file.read(_PIECE):
        yield before + piece
        before = piece[-_OVERLAP:]
