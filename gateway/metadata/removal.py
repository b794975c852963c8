"""The one place that knows for which pictures there is a way, and what becomes of the others."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from gateway.content import split
from gateway.metadata.jpeg import JpegStripper
from gateway.metadata.png import PngStripper
from gateway.metadata.stripper import Editor, Stripper, Unparsable
from gateway.metadata.webp import edits

__all__ = ["Remover", "Unparsable", "check", "needs_whole", "strips"]

_STREAMED: dict[str, Callable[[], Stripper]] = {
    "image/jpeg": JpegStripper,
    "image/png": PngStripper,
}
_WEBP = "image/webp"
_BLOCK = 256 * 1024


def strips(content_type: str) -> bool:
    """Whether there is a way. ``content_type`` is as gateway.content writes it, here and below."""
    return content_type in _STREAMED or split(content_type)[0] in {*_STREAMED, _WEBP}


def needs_whole(content_type: str) -> bool:
    """Whether the whole file has to be there before the first byte can go on."""
    return split(content_type)[0] == _WEBP


def check(file: BinaryIO, content_type: str) -> int:
    """Bytes that remain of a whole file. Blocks. Raises Unparsable, exactly where removing does."""
    stripper = _stripper(content_type, file)
    file.seek(0)
    size = 0
    while block := file.read(_BLOCK):
        size += len(stripper.feed(block))
    return size + len(stripper.finish())


class Remover:
    """Removes the metadata of one file that streams through. What it gives out is not longer."""

    def __init__(
        self,
        content_type: str,
        *,
        leaves: bool,
        pad_to: int | None = None,
        whole: BinaryIO | None = None,
    ) -> None:
        """With ``leaves`` nothing is Unparsable: from there on all passes as it came.

        The end is filled up to ``pad_to`` bytes with what no reader looks at. ``whole`` is the
        same file for types of which ``needs_whole`` says so; it is read here, which blocks.
        """
        self._leaves = leaves
        self._pad_to = pad_to
        self._given_out = 0
        self._stripper: Stripper | None = None
        self._padding = b"\0"
        try:
            self._stripper = _stripper(content_type, whole)
            self._padding = self._stripper.padding
        except Unparsable:
            if not leaves:
                raise

    def feed(self, data: bytes) -> bytes:
        """What goes on at once; it may be nothing. Raises Unparsable."""
        out = data
        if self._stripper is not None:
            try:
                out = self._stripper.feed(data)
            except Unparsable as error:
                out = self._given_up(self._stripper, error)
        self._given_out += len(out)
        return out

    def finish(self) -> Iterator[bytes]:
        """What is left, and the padding, in pieces. Raises Unparsable before the first."""
        out = b""
        if self._stripper is not None:
            try:
                out = self._stripper.finish()
            except Unparsable as error:
                out = self._given_up(self._stripper, error)
        self._given_out += len(out)
        missing = max(0, (self._pad_to or 0) - self._given_out)
        return _pieces(out, missing, self._padding)

    def _given_up(self, stripper: Stripper, error: Unparsable) -> bytes:
        if not self._leaves:
            raise error
        self._stripper = None
        return stripper.give_up()


def _pieces(first: bytes, missing: int, padding: bytes) -> Iterator[bytes]:
    if first:
        yield first
    full = padding * min(missing, _BLOCK)
    while missing:
        piece = full[:missing]
        missing -= len(piece)
        yield piece


def _stripper(content_type: str, whole: BinaryIO | None) -> Stripper:
    bare = split(content_type)[0]
    if bare in _STREAMED:
        return _STREAMED[bare]()
    if whole is None or bare != _WEBP:
        raise ValueError(f"there is no way to remove metadata from {bare}")
    return Editor(edits(whole))
