"""Decompression with a bound on memory, whatever the compressed bytes ask for.

A decompressor keeps as much of what it gave as the compressed bytes say, up to 4 GiB for LZMA. So
those windows are bounded, and output comes in pieces, each from one short call.
"""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from typing import Protocol

from gateway.contents import Trouble
from gateway.inspection.archives.reading import PIECE, Unfit

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

WINDOW = 32 * 2**20
"""Bytes of a window that are ever filled. ``xz -8`` and ``zstd -19`` need no more, and 7-Zip as a
rule does not."""
_XZ_WINDOW = 64 * 2**20
"""What ``xz -9`` writes into every file, however small: tolerated while less is filled."""
_XZ_BESIDES = 2 * 2**20
_ZSTD_WINDOW_LOG = WINDOW.bit_length() - 1
_LEAST_WINDOW = 4096


class Decompressor(Protocol):
    """As those of bz2, lzma and zstd are."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class Inflate:
    """zlib's decompressor with the interface of the others."""

    def __init__(self, window_bits: int) -> None:
        """15 for zlib's format, 31 for gzip's, -15 for deflate alone."""
        self._zlib = zlib.decompressobj(window_bits)
        self._more = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._more

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        found = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full answer may have more behind it even where all input is used up.
        self._more = bool(self._zlib.unconsumed_tail) or len(found) == max_length
        return found


class Copy:
    """Gives what it is given; never sees an end."""

    eof = False
    needs_input = True
    unused_data = b""

    def decompress(self, data: bytes, _max_length: int = -1, /) -> bytes:
        return data


class Xz:
    """xz and lzma files; a window larger than WINDOW is unsupported once it would be filled."""

    def __init__(self, container: int = lzma.FORMAT_XZ) -> None:
        self._container = container
        self._lzma = lzma.LZMADecompressor(container, memlimit=WINDOW + _XZ_BESIDES)
        self._seen: bytes | None = b""
        """Until the window's size is known."""
        self._left: int | None = None

    @property
    def eof(self) -> bool:
        return self._lzma.eof

    @property
    def needs_input(self) -> bool:
        return self._lzma.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._lzma.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        if self._seen is None:
            found = self._lzma.decompress(data, max_length)
        else:
            found = self._begun(data, max_length)
        if self._left is not None:
            self._left -= len(found)
            if self._left < 0:
                raise Unfit(Trouble.UNSUPPORTED)
        return found

    def _begun(self, data: bytes, max_length: int) -> bytes:
        seen = (self._seen or b"") + data
        self._seen = seen if len(seen) < PIECE else None
        try:
            found = self._lzma.decompress(data, max_length)
        except lzma.LZMAError as error:
            if not _asks_for_memory(error):
                raise
            memory = _XZ_WINDOW + _XZ_BESIDES
            self._lzma = lzma.LZMADecompressor(self._container, memlimit=memory)
            self._left, self._seen = WINDOW, None
            return self._lzma.decompress(seen, max_length)
        if found:
            self._seen = None
        return found


def lzma_alone() -> Decompressor:
    return Xz(lzma.FORMAT_ALONE)


def zstandard() -> Decompressor:
    most: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return zstd.ZstdDecompressor(options=most)


def lzma1_filter(properties: bytes, size: int) -> dict[str, int]:
    """For raw_lzma, by the five bytes that the LZMA SDK has before ``size`` bytes' data."""
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5:
        raise Unfit(Trouble.UNREADABLE)
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    window = _window(int.from_bytes(properties[1:], "little"), size)
    return {"id": lzma.FILTER_LZMA1, "dict_size": window, "lc": lc, "lp": lp, "pb": pb}


def lzma2_filter(properties: bytes, size: int) -> dict[str, int]:
    """The same by the one byte that is enough for LZMA 2."""
    if len(properties) != 1 or properties[0] > 40:
        raise Unfit(Trouble.UNREADABLE)
    bits = properties[0]
    window = 2**32 - 1 if bits == 40 else (2 | bits & 1) << (bits // 2 + 11)
    return {"id": lzma.FILTER_LZMA2, "dict_size": _window(window, size)}


def raw_lzma(*filters: dict[str, int]) -> Decompressor:
    """Without a container."""
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, ValueError):
        raise Unfit(Trouble.UNREADABLE) from None


def _window(told: int, size: int) -> int:
    """No distance is longer than what was unpacked before, so that is window enough."""
    window = max(_LEAST_WINDOW, min(told, size))
    if window > WINDOW:
        raise Unfit(Trouble.UNSUPPORTED)
    return window


def unpacked(decompressor: Decompressor, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One stream, as far as it goes; empty pieces where there is only progress.

    Raises Unfit where it is broken. It may end before its end: see ``decompressor.eof``.
    """
    for piece in pieces:
        data = piece
        while True:
            yield _step(decompressor, data)
            data = b""
            if decompressor.eof:
                return
            if decompressor.needs_input:
                break


def _step(decompressor: Decompressor, data: bytes) -> bytes:
    try:
        return decompressor.decompress(data, PIECE)
    except (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError, ValueError) as error:
        trouble = Trouble.UNSUPPORTED if _asks_for_memory(error) else Trouble.UNREADABLE
        raise Unfit(trouble) from None


def _asks_for_memory(error: Exception) -> bool:
    """Neither lzma nor zstd has an exception of its own for that."""
    return "memory" in str(error).lower()


def all_of(
    make: Callable[[], Decompressor],
    starts: tuple[bytes, ...],
    pieces: Iterable[bytes],
    most: int,
) -> Iterator[bytes]:
    """Streams that follow each other, as in gzip, bzip2, xz and zstd files; zeros may be behind.

    A further stream begins with one of ``starts``. Raises Unfit, also if there are more streams
    than ``most``: each takes as long as some kilobytes.
    """
    source = iter(pieces)
    rest = next(source, b"")
    for number in count():
        if not rest:
            break
        if number >= most:
            raise Unfit(Trouble.TOO_MANY_ENTRIES)
        decompressor = make()
        yield from unpacked(decompressor, chain((rest,), source))
        if not decompressor.eof:
            raise Unfit(Trouble.UNREADABLE)
        rest = decompressor.unused_data or next(source, b"")
        while rest and not rest.strip(b"\0"):
            rest = next(source, b"")
            yield b""
        rest = rest.lstrip(b"\0")
        rest = _filled(rest, source, max(map(len, starts)))
        if rest and not rest.startswith(starts):
            raise Unfit(Trouble.AMBIGUOUS)


def _filled(rest: bytes, source: Iterator[bytes], size: int) -> bytes:
    """``rest``, of ``size`` bytes at least if there are as many."""
    while rest and len(rest) < size and (piece := next(source, b"")):
        rest += piece
    return rest


def bzip2() -> Decompressor:
    return bz2.BZ2Decompressor()


def gzip() -> Decompressor:
    return Inflate(31)


def deflate() -> Decompressor:
    return Inflate(-15)
