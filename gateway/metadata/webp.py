"""WebP (RFC 9649): kept are the chunks that decoders need.

The file's size stands at its beginning and its metadata at its end, so that all of it has to be
there before the first byte can be written.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from gateway.metadata.exif import only_orientation, without_mark
from gateway.metadata.stripper import Edit, Unparsable

_HEADER, _RIFF_HEADER = 8, 12
_EXTENDED, _FRAME, _EXIF = b"VP8X", b"ANMF", b"EXIF"
_PICTURES = frozenset({b"VP8 ", b"VP8L"})
_NEEDED = _PICTURES | {b"ALPH", b"ANIM", b"ICCP"}
_NEEDED_IN_FRAME = _PICTURES | {b"ALPH"}
_EXTENDED_SIZE, _FRAME_HEADER = 10, 16
_HAS_EXIF, _HAS_XMP = 0x08, 0x04
"""In the flags of VP8X."""
_MOST_CHUNKS = 30_000
"""So that an Editor, which takes two steps for each, never has too many."""
_EXIF_SEEN = 64 * 1024
"""Bytes of an EXIF chunk in which the orientation has to be found."""


class _Chunk(NamedTuple):
    name: bytes
    start: int
    size: int
    """Of what is in it."""
    end: int
    """Behind its padding."""


class _Cut(NamedTuple):
    start: int
    end: int
    writes: bytes = b""

    @property
    def saves(self) -> int:
        return self.end - self.start - len(self.writes)


def edits(file: BinaryIO) -> list[Edit]:
    """What to do to a whole file, which has to be seekable. Blocks. Raises Unparsable."""
    head = _read(file, 0, _RIFF_HEADER)
    end = int.from_bytes(head[4:8], "little") + _HEADER
    if head[:4] != b"RIFF" or head[8:] != b"WEBP" or end > file.seek(0, io.SEEK_END):
        raise Unparsable
    plan = _Plan(file)
    plan.picture(end)
    size = end - _HEADER - sum(cut.saves for cut in plan.cuts)
    return _as_edits([_Cut(4, 8, struct.pack("<I", size)), *sorted(plan.cuts)], end)


def _as_edits(cuts: list[_Cut], end: int) -> list[Edit]:
    done, made = 0, []
    for cut in cuts:
        made.append(Edit(cut.start - done, cut.writes, cut.end - cut.start))
        done = cut.end
    return [*made, Edit(end - done)]


class _Plan:
    """What to cut out."""

    def __init__(self, file: BinaryIO) -> None:
        self.cuts: list[_Cut] = []
        self._file = file
        self._chunks_left = _MOST_CHUNKS

    def picture(self, end: int) -> None:
        """Goes through a file that ends there."""
        chunks = self._chunks(_RIFF_HEADER, end)
        first = next(chunks, None)
        if first is None or first.name not in {*_PICTURES, _EXTENDED}:
            raise Unparsable
        extended = first.name == _EXTENDED
        if extended and first.size != _EXTENDED_SIZE:
            raise Unparsable
        shown, has_exif, oriented = not extended, False, False
        for chunk in chunks:  # the first EXIF counts
            shown = shown or chunk.name in {*_PICTURES, _FRAME}
            if chunk.name == _FRAME:
                self._frame(chunk)
            elif chunk.name not in _NEEDED:
                writes = b""
                if extended and chunk.name == _EXIF and not has_exif:
                    writes, has_exif = self._orientation(chunk), True
                    oriented = bool(writes)
                self.cuts.append(_Cut(chunk.start, chunk.end, writes))
        if not shown:
            raise Unparsable
        if extended:
            self._flag(first, has_exif=oriented)

    def _flag(self, chunk: _Chunk, *, has_exif: bool) -> None:
        at = chunk.start + _HEADER
        flags = _read(self._file, at, 1)[0] & ~(_HAS_EXIF | _HAS_XMP)
        self.cuts.append(_Cut(at, at + 1, bytes([flags | (_HAS_EXIF if has_exif else 0)])))

    def _frame(self, frame: _Chunk) -> None:
        """A frame of an animation has chunks in it, too."""
        start = frame.start + _HEADER
        unneeded = [
            _Cut(chunk.start, chunk.end)
            for chunk in self._chunks(start + _FRAME_HEADER, start + frame.size)
            if chunk.name not in _NEEDED_IN_FRAME
        ]
        if unneeded:
            size = frame.size - sum(cut.saves for cut in unneeded)
            self.cuts.append(_Cut(start - 4, start, struct.pack("<I", size)))
            self.cuts.extend(unneeded)

    def _orientation(self, chunk: _Chunk) -> bytes:
        """A chunk with nothing else in it."""
        data = _read(self._file, chunk.start + _HEADER, min(chunk.size, _EXIF_SEEN))
        tiff = only_orientation(without_mark(data))
        if not tiff:
            return b""
        return struct.pack("<4sI", _EXIF, len(tiff)) + tiff + bytes(len(tiff) % 2)

    def _chunks(self, start: int, end: int) -> Iterator[_Chunk]:
        while start < end:
            self._chunks_left -= 1
            if self._chunks_left < 0:
                raise Unparsable
            name, size = struct.unpack("<4sI", _read(self._file, start, _HEADER))
            behind = start + _HEADER + size
            if behind > end:
                raise Unparsable
            behind = min(behind + size % 2, end)
            yield _Chunk(name, start, size, behind)
            start = behind


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    data = file.read(size)
    if len(data) < size:
        raise Unparsable
    return data
