"""A form as the gateway writes it (RFC 7578): one spelling of everything, whatever came in.

Go reads in it what is meant (``mime.ParseMediaType``): of the characters of a quoted string,
quotation marks and backslashes are escaped, and all others stand for themselves.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from os import urandom

Read = Callable[[], Awaitable[bytes]]

ANY_FILE = "application/octet-stream"


class Framing:
    """What stands around the contents of a form's parts."""

    def __init__(self) -> None:
        # No client sees it before its content has come, and 128 bits are not guessed.
        self._boundary = urandom(16).hex().encode()

    @property
    def content_type(self) -> bytes:
        return b"multipart/form-data; boundary=" + self._boundary

    def before(self, name: str, filename: str | None, content_type: str | None) -> bytes:
        """What precedes a part's content; CRLF follows it."""
        lines = b'--%s\r\nContent-Disposition: form-data; name="%s"' % (
            self._boundary,
            _quoted(name),
        )
        if filename is not None:
            lines += b'; filename="%s"' % _quoted(filename)
        if content_type is not None:
            lines += b"\r\nContent-Type: %s" % content_type.encode()
        return lines + b"\r\n\r\n"

    def end(self) -> bytes:
        """What follows the last part."""
        return b"--%s--\r\n" % self._boundary


class FormWriter:
    """Takes parts, and then reads as the body that they make."""

    def __init__(self) -> None:
        self._framing = Framing()
        self._pieces: deque[bytes | Read] = deque()
        self.length = 0
        """Bytes of the body so far."""

    @property
    def content_type(self) -> bytes:
        return self._framing.content_type

    def add_value(self, name: str, value: str) -> None:
        self._add(self._framing.before(name, None, None))
        self._add(value.encode() + b"\r\n")

    def add_file(self, name: str, filename: str, read: Read, size: int) -> None:
        """A file of ``size`` bytes, which ``read`` gives piece by piece; empty bytes at the end."""
        self._add(self._framing.before(name, filename, ANY_FILE))
        self._pieces.append(read)
        self.length += size
        self._add(b"\r\n")

    def end(self) -> None:
        """All parts are there."""
        self._add(self._framing.end())

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end. Raises what the files' ``read`` raises.

        If it is cancelled, nothing has been read.
        """
        while self._pieces:
            piece = self._pieces[0]
            if isinstance(piece, bytes):
                self._pieces.popleft()
                return piece
            if data := await piece():
                return data
            self._pieces.popleft()
        return b""

    def _add(self, data: bytes) -> None:
        self._pieces.append(data)
        self.length += len(data)


def _quoted(text: str) -> bytes:
    return text.replace("\\", "\\\\").replace('"', '\\"').encode()
