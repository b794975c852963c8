"""A form as the gateway writes it (RFC 7578): one spelling of everything, whatever came in.

Go reads in it what is meant (``mime.ParseMediaType``): of the characters of a quoted string,
quotation marks and backslashes are escaped, and all others stand for themselves.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from os import urandom

Read = Callable[[], Awaitable[bytes]]


class FormWriter:
    """Takes parts, and then reads as the body that they make."""

    def __init__(self) -> None:
        # No client sees it before its content has come, and 128 bits are not guessed.
        self._boundary = urandom(16).hex().encode()
        self._pieces: deque[bytes | Read] = deque()
        self.length = 0
        """Bytes of the body so far."""

    @property
    def content_type(self) -> bytes:
        return b"multipart/form-data; boundary=" + self._boundary

    def add_value(self, name: str, value: str) -> None:
        self._begin(name, b"")
        self._add(value.encode() + b"\r\n")

    def add_file(self, name: str, filename: str, read: Read, size: int) -> None:
        """A file of ``size`` bytes, which ``read`` gives piece by piece; empty bytes at the end."""
        content_type = b"Content-Type: application/octet-stream"
        self._begin(name, b'; filename="%s"\r\n%s' % (_quoted(filename), content_type))
        self._pieces.append(read)
        self.length += size
        self._add(b"\r\n")

    def end(self) -> None:
        """All parts are there."""
        self._add(b"--%s--\r\n" % self._boundary)

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

    def _begin(self, name: str, more: bytes) -> None:
        disposition = b'Content-Disposition: form-data; name="%s"' % _quoted(name)
        self._add(b"--%s\r\n%s%s\r\n\r\n" % (self._boundary, disposition, more))

    def _add(self, data: bytes) -> None:
        self._pieces.append(data)
        self.length += len(data)


def _quoted(text: str) -> bytes:
    return text.replace("\\", "\\\\").replace('"', '\\"').encode()
