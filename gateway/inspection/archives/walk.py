"""The walk through an archive and the archives in it, within limits.

An archive in an archive is laid aside and looked into when the one around it is done, so that no
two decompressors need memory at the same time.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from os import SEEK_END
from typing import BinaryIO, NamedTuple, cast

from gateway.content import split
from gateway.contents import LIMITS, RATIO_FROM, Contents, Entry, Kind, Limits, Problem, Trouble
from gateway.inspection.activity import is_searched, may_act, search_whole
from gateway.inspection.archives.formats import (
    COMPRESSIONS,
    RARS,
    SEVEN_ZIPS,
    TARS,
    ZIPS,
    is_container,
)
from gateway.inspection.archives.rar import read_rar
from gateway.inspection.archives.reading import (
    MOST_TARGET,
    PIECE,
    Item,
    Stream,
    Unfit,
    read_at,
    size_of,
    slices,
)
from gateway.inspection.archives.seven_zip import read_seven_zip
from gateway.inspection.archives.streams import Compression, name_in_gzip
from gateway.inspection.archives.tar import BLOCK, is_header, read_tar
from gateway.inspection.archives.zip import read_zip
from gateway.inspection.detector import HEAD_SIZE, UNKNOWN
from gateway.inspection.whole import detect_whole, looks_at_whole

_NAME_CHARACTERS = 400
"""Of each entry, on average."""


class _Archive(NamedTuple):
    """One to look into: the file, or a part of what is laid aside."""

    file: BinaryIO
    start: int
    end: int
    content_type: str
    archives: tuple[str, ...]


class _Part:
    """A part of a file, as a file that watches the clock; read by one reader at a time."""

    def __init__(self, file: BinaryIO, start: int, end: int, watch: Callable[[], None]) -> None:
        self._file, self._start, self._size = file, start, end - start
        self._at = 0
        self._watch = watch

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (self._size if whence == SEEK_END else 0)
        return self._at

    def read(self, size: int) -> bytes:
        self._watch()
        self._file.seek(self._start + self._at)
        found = self._file.read(max(0, min(size, self._size - self._at)))
        self._at += len(found)
        return found


class _Ended(Exception):
    """A limit is reached."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class Walk:
    """Used once."""

    def __init__(
        self,
        limits: Limits,
        detect: Callable[[bytes], str],
        opens: Callable[[str], bool],
        aside: BinaryIO,
        *,
        searches: bool,
    ) -> None:
        """``opens`` tells by its type whether an entry is to be looked into, ``searches`` whether
        it matters what acts behind an entry's head; ``aside`` is empty."""
        self._limits = limits
        self._detect = detect
        self._opens = opens
        self._searches = searches
        self._aside = aside
        self._deadline = time.monotonic() + limits.seconds
        self._waiting: deque[_Archive] = deque()
        self._entries: list[Entry] = []
        self._characters = 0
        self._packed = self._unpacked = 0
        self._problems: list[Problem] = []

    def contents(self, file: BinaryIO, content_type: str) -> Contents:
        """What ``file`` has in it. Raises OSError if it, or what is laid aside, has no room."""
        self._packed = size_of(file)
        self._waiting.append(_Archive(file, 0, self._packed, content_type, ()))
        while self._waiting:
            archive = self._waiting.popleft()
            path = "/".join(archive.archives)
            try:
                self._look_into(archive)
            except Unfit as unfit:
                self._problems.append(Problem(unfit.trouble, path))
                if unfit.trouble in LIMITS:
                    break
            except _Ended as ended:
                self._problems.append(Problem(ended.trouble, path))
                break
        return Contents(tuple(self._entries), self._packed, self._unpacked, tuple(self._problems))

    def _look_into(self, archive: _Archive) -> None:
        size = archive.end - archive.start
        part = _Part(archive.file, archive.start, archive.end, self._check_time)
        file = cast("BinaryIO", part)
        for item in self._items(file, size, split(archive.content_type)[0]):
            self._entries.append(self._entry(item, archive.archives))

    def _items(self, file: BinaryIO, size: int, content_type: str) -> Iterator[Item]:
        """Entries whose contents are counted as they are read."""
        if content_type in COMPRESSIONS:
            return self._compressed(file, size, COMPRESSIONS[content_type])
        if content_type in TARS:
            return read_tar(Stream(self._counted(slices(file, 0, size))))
        if content_type in SEVEN_ZIPS:
            return self._counted_items(read_seven_zip(file, self._limits, self._expect))
        if content_type in RARS:
            return read_rar(file)
        if content_type in ZIPS or is_container(content_type):
            return self._counted_items(read_zip(file, self._limits, self._expect))
        raise Unfit(Trouble.UNSUPPORTED)

    def _compressed(self, file: BinaryIO, size: int, compression: Compression) -> Iterator[Item]:
        name = name_in_gzip(read_at(file, 0, min(size, PIECE)))
        stream = Stream(self._counted(compression.unpack(file, size, self._limits)))
        if not is_header(stream.peek(BLOCK)):
            yield Item("", stream.rest(), other_names=(name,) if name else ())
            return
        # A program, or a script, can be made to look like a tar archive.
        if split(self._detect(stream.peek(HEAD_SIZE)))[0] not in (*TARS, UNKNOWN):
            raise Unfit(Trouble.AMBIGUOUS)
        yield from read_tar(stream)

    def _counted_items(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            item.content = self._counted(item.content)
            yield item

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._count(len(piece))
            yield piece

    def _count(self, size: int) -> None:
        self._check_time()
        self._expect(size)
        self._unpacked += size

    def _expect(self, size: int) -> None:
        """What an archive tells to be too much need not be unpacked to be too much."""
        unpacked = self._unpacked + size
        if unpacked > self._limits.unpacked_size:
            raise _Ended(Trouble.TOO_LARGE)
        if unpacked > max(RATIO_FROM, self._limits.ratio * self._packed):
            raise _Ended(Trouble.RATIO)

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise _Ended(Trouble.TOOK_TOO_LONG)

    def _entry(self, item: Item, archives: tuple[str, ...]) -> Entry:
        self._check_time()
        self._check_names(item)
        entry = Entry(
            item.name,
            archives,
            item.kind,
            item.size,
            trouble=item.trouble,
            link=item.link,
            other_names=item.other_names,
        )
        if item.trouble is not None:
            self._count(item.size or 0)
        elif item.kind is Kind.REGULAR:
            return self._read(entry, iter(item.content))
        return entry

    def _check_names(self, item: Item) -> None:
        sizes = [len(name) for name in (item.name, item.link or "", *item.other_names)]
        if max(sizes) > MOST_TARGET:
            raise Unfit(Trouble.UNREADABLE)
        self._characters += sum(sizes)
        most = self._limits.entries
        if len(self._entries) >= most or self._characters > _NAME_CHARACTERS * (most + 128):
            raise _Ended(Trouble.TOO_MANY_ENTRIES)

    def _read(self, entry: Entry, content: Iterator[bytes]) -> Entry:
        """``entry`` with what its content is; that is laid aside if somebody wants to look in."""
        head = bytearray()
        size, trouble = self._measured(self._until_known(content, head))
        if trouble is not None and not head:
            return replace(entry, trouble=trouble)
        content_type = self._detect(bytes(head[:HEAD_SIZE]))
        entry = replace(entry, size=size, content_type=content_type, trouble=trouble)
        if trouble is not None:
            return entry
        pieces = chain((bytes(head),), content)
        searched = self._searches and may_act(bytes(head), content_type)
        if searched or self._opens(content_type) or looks_at_whole(content_type):
            return self._read_whole(entry, pieces)
        size, trouble = self._measured(pieces)
        return replace(entry, size=size, trouble=trouble)

    def _until_known(self, content: Iterator[bytes], head: bytearray) -> Iterator[bytes]:
        while len(head) < HEAD_SIZE and (piece := next(content, None)) is not None:
            head += piece
            yield piece

    def _read_whole(self, entry: Entry, pieces: Iterable[bytes]) -> Entry:
        start = self._aside.seek(0, SEEK_END)
        size, trouble = self._measured(self._laid_aside(pieces))
        entry = replace(entry, size=size, trouble=trouble)
        if trouble is None:
            part = cast("BinaryIO", _Part(self._aside, start, start + size, self._check_time))
            entry = replace(entry, content_type=self._told_whole(part, entry.content_type))
        if trouble is None and self._opens(entry.content_type):
            archives = (*entry.archives, entry.name or next(iter(entry.other_names), ""))
            if len(archives) >= self._limits.depth:
                raise _Ended(Trouble.TOO_DEEP)
            found = _Archive(self._aside, start, start + size, entry.content_type, archives)
            self._waiting.append(found)
        else:
            self._aside.truncate(start)
        return entry

    def _told_whole(self, file: BinaryIO, content_type: str) -> str:
        told = detect_whole(file, content_type)
        return search_whole(file, told) if self._searches and is_searched(told) else told

    def _laid_aside(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._aside.seek(0, SEEK_END)
            self._aside.write(piece)
            yield piece

    def _measured(self, pieces: Iterable[bytes]) -> tuple[int, Trouble | None]:
        """How many bytes could be read, and why no more."""
        size = 0
        try:
            for piece in pieces:
                size += len(piece)
        except Unfit as unfit:
            if unfit.trouble in LIMITS:
                raise
            return size, unfit.trouble
        return size, None
