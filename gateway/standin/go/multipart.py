"""``mime/multipart.Reader`` as of Go 1.19, the reader that took part in the recordings."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from gateway.standin.go.body import BodyError, Source
from gateway.standin.go.media_type import MediaTypeError, parse_media_type
from gateway.standin.go.quoted_printable import QuotedPrintable

_LINE_LIMIT: Final = 4096
"""The size of Go's peek buffer, which a line between parts has to fit into."""
_HEADER_LIMIT: Final = 10 * 2**20
_HEADERS_LIMIT: Final = 10_000
_PARTS_LIMIT: Final = 1000
_TOKEN_BYTES: Final = frozenset(
    b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
)


class FormError(Exception):
    """The body is not the multipart message that it claims to be."""


class Part:
    """One part. Read it before asking for the next one: what is left unread is thrown away."""

    def __init__(self, headers: dict[str, list[str]], content: "_Content") -> None:
        self.headers = headers
        self._content: Source = content
        try:
            disposition, parameters = parse_media_type(self._header("Content-Disposition"))
        except MediaTypeError as error:
            disposition, parameters = error.media_type, {}
        self.form_name = parameters.get("name", "") if disposition == "form-data" else ""
        # The file name counts whatever the disposition is.
        self.file_name = parameters.get("filename", "")
        if self._header("Content-Transfer-Encoding").lower() == "quoted-printable":
            self._content = QuotedPrintable(content.read)

    async def read(self) -> bytes:
        """The next piece of the content; empty at its end. Raises BodyError."""
        return await self._content.read()

    async def read_value(self, limit: int) -> bytes:
        """Up to ``limit`` bytes of the content."""
        value = bytearray()
        while len(value) < limit and (piece := await self.read()):
            value += piece
        return bytes(value[:limit])

    def _header(self, name: str) -> str:
        return self.headers.get(name, [""])[0]


class MultipartReader:
    """The parts of a body, in order."""

    def __init__(self, source: Source, boundary: str) -> None:
        self._input = _Buffer(source)
        self._dash_boundary = b"--" + boundary.encode("utf-8", "surrogateescape")
        self._newline = b"\r\n"
        self._parts_read = 0
        self._content: _Content | None = None
        self._part: Part | None = None

    async def next_part(self) -> Part | None:
        """None after the last part. Raises FormError, or BodyError where the body itself ends."""
        await self._discard_part()
        if self._dash_boundary == b"--":
            raise FormError("boundary is empty")
        expect_new_part = False
        while True:
            line, ended = await self._input.read_slice()
            if ended:
                if self._is_final_boundary(line):
                    return None
                raise FormError("unexpected end")
            if self._is_delimiter(line):
                self._parts_read += 1
                return await self._begin_part()
            if self._is_final_boundary(line):
                return None
            if expect_new_part:
                raise FormError("expecting a new part")
            if self._parts_read == 0:
                continue
            if line != self._newline:
                raise FormError("unexpected line")
            expect_new_part = True

    async def _discard_part(self) -> None:
        try:
            while self._part is not None and await self._part.read():
                pass
        except BodyError:
            # Go ignores it here, and stumbles over the rest of the part in the lines that follow.
            pass

    async def _begin_part(self) -> Part | None:
        headers = await _read_headers(self._input)
        if headers is None:
            # Go hands on the bare end-of-file of a cut header, which its callers take for the
            # regular end of the form.
            return None
        content = _Content(self._input, self._dash_boundary, self._newline)
        self._part = Part(headers, content)
        return self._part

    def _is_final_boundary(self, line: bytes) -> bool:
        final = self._dash_boundary + b"--"
        return line.startswith(final) and line[len(final) :].lstrip(b" \t") in (b"", self._newline)

    def _is_delimiter(self, line: bytes) -> bool:
        if not line.startswith(self._dash_boundary):
            return False
        rest = line[len(self._dash_boundary) :].lstrip(b" \t")
        if self._parts_read == 0 and rest == b"\n":
            # The first boundary decides whether lines end in CRLF or in a bare LF.
            self._newline = b"\n"
        return rest == self._newline


class _Buffer:
    """Buffered input of which lines and peeks can be taken."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._error: BodyError | None = None
        self.data = bytearray()
        self.ended = False

    async def fill(self) -> bool:
        """Fetch more; False at the end. Raises BodyError, again and again once it has."""
        if self._error is not None:
            raise self._error
        if self.ended:
            return False
        try:
            piece = await self._source.read()
        except BodyError as error:
            self._error = error
            raise
        self.data += piece
        self.ended = not piece
        return bool(piece)

    async def failure_to_fill(self) -> BodyError | None:
        """None if there is more; within a part, the end of the input is a failure too."""
        try:
            return None if await self.fill() else BodyError("unexpected EOF")
        except BodyError as error:
            return error

    def take(self, size: int) -> bytes:
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    async def read_slice(self) -> tuple[bytes, bool]:
        """The next line with its newline, and whether the input ended before one."""
        try:
            line, ended = await self.read_line(_LINE_LIMIT)
        except BodyError as error:
            raise FormError(str(error)) from error
        return line, ended

    async def read_line(self, limit: int | None = None) -> tuple[bytes, bool]:
        searched = 0
        while True:
            newline = self.data.find(b"\n", searched, limit)
            if newline >= 0:
                return self.take(newline + 1), False
            searched = len(self.data)
            if limit is not None and searched >= limit:
                raise FormError("line too long")
            if not await self.fill():
                return self.take(searched), True

    async def peek(self, size: int) -> bytes:
        while len(self.data) < size and await self.failure_to_fill() is None:
            pass
        return bytes(self.data[:size])


class _Content:
    """A part's raw content, up to the next boundary."""

    def __init__(self, buffer: _Buffer, dash_boundary: bytes, newline: bytes) -> None:
        self._input = buffer
        self._dash_boundary = dash_boundary
        self._delimiter = newline + dash_boundary
        self._begun = False
        self._finished = False

    async def read(self, limit: int | None = None) -> bytes:
        """The next piece, of ``limit`` bytes at most."""
        while not self._finished:
            size, self._finished = self._scan(ended=False)
            if not size and not self._finished:
                failure = await self._input.failure_to_fill()
                if failure is None:
                    continue
                size, self._finished = self._scan(ended=True)
                if not size and not self._finished:
                    raise failure
            if size:
                self._begun = True
                if limit is not None and size > limit:
                    size, self._finished = limit, False
                return self._input.take(size)
        return b""

    def _scan(self, *, ended: bool) -> tuple[int, bool]:
        """How many buffered bytes belong to the content, and whether it ends behind them."""
        data = self._input.data
        if not self._begun:
            if data.startswith(self._dash_boundary):
                matches = self._matches_at(len(self._dash_boundary), ended=ended)
                return (len(self._dash_boundary), False) if matches is False else (0, bool(matches))
            if self._dash_boundary.startswith(data):
                return 0, False
        found = data.find(self._delimiter)
        if found >= 0:
            after = found + len(self._delimiter)
            matches = self._matches_at(after, ended=ended)
            return (after, False) if matches is False else (found, bool(matches))
        if self._delimiter.startswith(data):
            return 0, False
        begin = data.rfind(self._delimiter[:1])
        if begin >= 0 and self._delimiter.startswith(data[begin:]):
            return begin, False
        return len(data), False

    def _matches_at(self, after: int, *, ended: bool) -> bool | None:
        """Whether what precedes ``after`` is a boundary; None if that takes more input."""
        following = self._input.data[after : after + 2]
        if not following:
            return True if ended else None
        if following[0] in b" \t\r\n":
            return True
        if following == b"-":
            return False if ended else None
        return following == b"--"


async def _read_headers(buffer: _Buffer) -> dict[str, list[str]] | None:
    """``textproto.ReadMIMEHeader``. None if the input ends within the header."""
    headers: dict[str, list[str]] = defaultdict(list)
    room = _HEADER_LIMIT - 400
    count = 0
    try:
        if await buffer.peek(1) in (b" ", b"\t"):
            raise FormError("malformed initial line")
        while True:
            line, ended = await buffer.read_line()
            if not line and ended:
                return None
            line = _without_newline(line)
            if not line:
                return headers
            if b":" not in line:
                raise FormError("missing colon")
            line = await _unfold(buffer, line.strip(b" \t"))
            name, _, value = line.partition(b":")
            key = _canonical(name)
            if not key:
                continue
            count += 1
            room -= len(value) + (0 if key in headers else len(key) + 200)
            if count > _HEADERS_LIMIT or room < 0:
                raise FormError("message too large")
            headers[key].append(value.lstrip(b" \t").decode("utf-8", "surrogateescape"))
    except BodyError as error:
        raise FormError(str(error)) from error


async def _unfold(buffer: _Buffer, line: bytes) -> bytes:
    while await buffer.peek(1) in (b" ", b"\t"):
        more, _ = await buffer.read_line()
        if not more:
            break
        line += b" " + _without_newline(more).strip(b" \t")
    return line


def _without_newline(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line


def _canonical(name: bytes) -> str:
    """Content-Type for content-type; a name with a space or other oddity stays as it is."""
    if all(c in _TOKEN_BYTES for c in name):
        return "-".join(word.capitalize() for word in name.decode().split("-"))
    return name.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class FormFile:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A whole form, read into memory (Go moves what is too large for its memory to disk)."""

    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    files: dict[str, list[FormFile]] = field(default_factory=lambda: defaultdict(list))


async def read_form(reader: MultipartReader, max_memory: int) -> Form:
    """``multipart.Reader.ReadForm``. Raises FormError and BodyError."""
    form = Form()
    room = max_memory + 10 * 2**20
    parts = 0
    while (part := await reader.next_part()) is not None:
        parts += 1
        if parts > _PARTS_LIMIT:
            raise FormError("message too large")
        if not part.form_name:
            continue
        room -= len(part.form_name) + 200
        if part.file_name:
            pieces = []
            while piece := await part.read():
                pieces.append(piece)
            form.files[part.form_name].append(FormFile(part.file_name, b"".join(pieces)))
            continue
        value = await part.read_value(max(room, 0) + 1)
        room -= len(value)
        if room < 0:
            raise FormError("message too large")
        form.values[part.form_name].append(value.decode("utf-8", "surrogateescape"))
    return form
