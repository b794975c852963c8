"""Documents that are ZIP archives, as a whole: told by all their entries."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from gateway.content import Finding, split, with_findings
from gateway.contents import Limits
from gateway.inspection.archives.reading import Unfit, size_of
from gateway.inspection.archives.zip import content_of
from gateway.inspection.archives.zip_directory import (
    LOCAL_MARK,
    Record,
    data_start,
    read_directory,
    read_local,
)
from gateway.inspection.zips import MACRO_ENABLED, PARTS, ZIP, ZipEntry, is_telling, type_of

_LIMITS = Limits(entries=20_000, unpacked_size=0, ratio=0, depth=1, seconds=0)
"""Of a directory that is read at once."""
_MOST_CONTENT = 2 * 2**20
"""Bytes. [Content_Types].xml has a tenth of that in large documents."""
_MOST_ENTRIES = 4096
"""That matter."""
_MOST_LISTS = 2
"""Entries of the same name whose contents are read."""
_SECONDS = 3.0
_MATTERS = re.compile(
    rb"mimetype|\[content_types\]\.xml|(?:meta-inf/)?manifest\.(?:mf|xml)|"
    rb"(?:android|appx)manifest\.xml|payload/[^/]+\.app/.*|(?:basic|scripts)/.+|.*vbaproject\.bin|"
    rb"(?:word|xl|ppt)/[^/]+|xl/macrosheets/.+|index/.*\.iwa|index\.(?:apxl|xml)\.gz",
    re.IGNORECASE | re.DOTALL,
)
"""A name that says something about the archive's type."""
_PIECE = 256 * 1024


def whole_zip(file: BinaryIO, head_type: str) -> str:
    """The type of a ZIP archive, or a document that is one, of which the head told ``head_type``.

    Where the directory cannot be trusted, entries are looked for in all of the file, since some
    program may find them there. They tell nothing of the type, only what was found besides.
    """
    bare, findings = split(head_type)
    try:
        entries = _read(file, _listed(file))
    except Unfit:
        entries = _read(file, _scattered(file))
    else:
        told, _ = split(type_of(entries))
        bare = bare if told == ZIP else told
    return with_findings(bare, {*findings, *_found_in(entries)})


def _found_in(entries: list[ZipEntry]) -> set[Finding]:
    """By each of several lists of parts, of which somebody may read any."""
    lists = [entry for entry in entries if entry.name == PARTS]
    others = [entry for entry in entries if entry.name != PARTS]
    found: set[Finding] = set()
    for number in range(max(1, len(lists))):
        told, findings = split(type_of(others + lists[number : number + 1]))
        found |= findings
        if len(lists) > 1 and MACRO_ENABLED in told:
            found.add(Finding.MACROS)
    if len(lists) > _MOST_LISTS or any(len(entry.content) >= _MOST_CONTENT for entry in lists):
        found.add(Finding.MACROS)  # no writer of documents does that: it hides something
    return found


def _listed(file: BinaryIO) -> list[tuple[Record, int]]:
    """Entries that matter, and where their data start if they are to be read. Raises Unfit."""
    records = read_directory(file, _LIMITS)
    matter = [record for record in records if _MATTERS.fullmatch(record.name)]
    encrypted = [record for record in records if record.flags & 1]
    return [
        (record, data_start(file, record) if is_telling(_name(record)) else 0)
        for record in matter[:_MOST_ENTRIES] + encrypted[:1]
    ]


def _scattered(file: BinaryIO) -> Iterator[tuple[Record, int]]:
    """The same, wherever there is a header of one, as far as time allows."""
    found, size = 0, size_of(file)
    for at in _marks(file):
        if found >= _MOST_ENTRIES:
            return
        try:
            record, start = read_local(file, at)
        except Unfit:
            continue
        if _MATTERS.fullmatch(record.name):
            found += 1
            if not record.packed_size:  # it follows the content
                record = record._replace(packed_size=size - start, size=_MOST_CONTENT)
            yield record, start


def _marks(file: BinaryIO) -> Iterator[int]:
    """Where local headers may be."""
    ends = time.monotonic() + _SECONDS
    size, start = size_of(file), 0
    while start < size and time.monotonic() < ends:
        file.seek(start)
        piece = file.read(_PIECE)
        at = piece.find(LOCAL_MARK)
        while at >= 0 and time.monotonic() < ends:
            yield start + at
            at = piece.find(LOCAL_MARK, at + 1)
        start += max(1, len(piece) - len(LOCAL_MARK) + 1)


def _read(file: BinaryIO, entries: Iterable[tuple[Record, int]]) -> list[ZipEntry]:
    """With the contents of those that tell something, of the first ones with such a name."""
    read: Counter[str] = Counter()
    found = []
    for record, start in entries:
        name, content = _name(record), b""
        if is_telling(name):
            read[name] += 1
            if read[name] > _MOST_LISTS + 1:
                continue
            if read[name] <= _MOST_LISTS:
                content = _content(file, record, start)
        found.append(ZipEntry(name, record.flags, record.extra, content))
    return found


def _content(file: BinaryIO, record: Record, start: int) -> bytes:
    """As much of it as can be read."""
    content = bytearray()
    try:
        for piece in content_of(file, record, start):
            content += piece
            if len(content) >= _MOST_CONTENT:
                break
    except Unfit:
        pass
    return bytes(content[:_MOST_CONTENT])


def _name(record: Record) -> str:
    return record.name.decode("utf-8", "replace")
