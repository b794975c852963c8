"""``mime/quotedprintable.Reader``, which Go puts behind a part's back if the part asks for it."""

import re
from collections.abc import Awaitable, Callable

from gateway.standin.go.body import BodyError

_LINE_LIMIT = 4096
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_INVALID = re.compile(rb"[^\t\r\n\x20-\x7e\x80-\xff]|=(?=[\r\n]|\Z)")


class QuotedPrintable:
    """Decodes leniently: bare line ends, bytes above 0x7F and stray equals signs pass through."""

    def __init__(self, read: Callable[[int], Awaitable[bytes]]) -> None:
        """``read`` gives so many bytes at most. What an error leaves unread stays in the part."""
        self._read_up_to = read
        self._data = bytearray()
        self._ended = False
        self._error: BodyError | None = None

    async def read(self) -> bytes:
        while self._error is None:
            line = await self._read_line()
            if not line and self._ended:
                return b""
            if decoded := self._decode(line):
                return decoded
        raise self._error

    async def _read_line(self) -> bytes:
        while True:
            newline = self._data.find(b"\n", 0, _LINE_LIMIT)
            if newline >= 0:
                return self._take(newline + 1)
            if len(self._data) >= _LINE_LIMIT:
                self._error = BodyError("line too long")
                return self._take(_LINE_LIMIT)
            try:
                piece = await self._read_up_to(_LINE_LIMIT - len(self._data))
            except BodyError as error:
                self._error = error
                return self._take(len(self._data))
            if not piece:
                self._ended = True
                return self._take(len(self._data))
            self._data += piece

    def _take(self, size: int) -> bytes:
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _decode(self, line: bytes) -> bytes:
        text = line.rstrip(b"\n\r \t")
        stripped = line[len(text) :]
        if text.endswith(b"="):
            text = text[:-1]
            at_end = not stripped and bool(text) and self._ended
            if not stripped.startswith((b"\n", b"\r\n")) and not at_end:
                self._error = BodyError("invalid bytes after =")
        elif line.endswith(b"\r\n"):
            text += b"\r\n"
        elif line.endswith(b"\n"):
            text += b"\n"
        if (invalid := _INVALID.search(text)) is not None:
            self._error = BodyError("invalid byte in body")
            text = text[: invalid.start()]
        return _ESCAPE.sub(lambda m: bytes.fromhex(m[1].decode()), text)
