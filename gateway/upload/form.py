"""A form's parts, one after the other, each file as a Source of its own."""

from collections import deque
from dataclasses import dataclass

from gateway.body.multipart import (
    Event,
    Fault,
    FormEnd,
    MultipartParser,
    PartBegin,
    PartData,
    PartEnd,
)
from gateway.body.part_headers import PartHeaders
from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request
from gateway.units import told_size
from gateway.upload.request import Source
from gateway.upstream.sink import Sink

FORM_ROOM = 64 * 1024
"""Bytes that the names and values of a form may have together."""
_LONGEST_VALUE = 10 * 1024
"""Bytes; Mattermost cuts longer values off without a word."""


@dataclass(frozen=True, slots=True)
class Field:
    """A part that is no file."""

    name: str
    value: str


class Truncated(Refused):
    """The body ended before the form did."""


class FilePart:
    """A file within a form, to be read before the next part is asked for."""

    def __init__(self, form: "Form", headers: PartHeaders) -> None:
        self.field = headers.name
        self.filename = headers.filename or ""
        self.content_type = headers.content_type
        """As the part declares it."""
        self.ended = False
        self.received = 0
        self._form = form

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises what the body raises.

        Raises Refused, too, as soon as what has been read of the form makes it a bad one.
        """
        piece = await self.read_on()
        self._form.check_framing()
        return piece

    async def read_on(self) -> bytes:
        """As ``read``, but what is wrong behind the file is left for ``next_part`` to raise.

        Raises Refused where the file itself is cut off.
        """
        while not self.ended:
            piece = await self._form.read_content()
            # Known at once where it is in hand: a file that is complete needs no waiting.
            self.ended = not piece or self._form.at_part_end()
            if piece:
                self.received += len(piece)
                return piece
        return b""

    def check(self) -> None:
        self._form.check()

    async def pour(self, sink: Sink) -> bool:
        """A form's files have to be read: where they end is for the parser to say."""
        return False


class Form:
    """Reads a form from a body. Raises what the body raises, and Refused for a bad form."""

    def __init__(self, boundary: bytes, body: Source, content_length: int | None) -> None:
        self._parser = MultipartParser(boundary)
        self._body = body
        self._content_length = content_length
        self._delimiter_size = len(boundary) + len(b"\r\n--")
        self._events: deque[Event] = deque()
        self._values = 0
        """Bytes of names and values so far."""

    async def next_part(self) -> Field | FilePart | None:
        """The next part, or None after the last."""
        while not isinstance(event := await self._next_event(), FormEnd):
            if isinstance(event, PartBegin):
                headers = event.headers
                if headers.filename:
                    return FilePart(self, headers)
                return await self._read_field(headers.name)
        return None

    async def next_content(self) -> FilePart | None:
        """The next part as a file, whatever it calls itself, or None after the last."""
        while not isinstance(event := await self._next_event(), FormEnd):
            if isinstance(event, PartBegin):
                return FilePart(self, event.headers)
        return None

    async def skip(self, part: FilePart) -> None:
        """Read past what is left of ``part``."""
        while not part.ended:
            await part.read()

    def check(self) -> None:
        """Raises ClientGone if the client is known to have left."""
        self._body.check()

    def bound(self) -> int | None:
        """Bytes that the content of the present part cannot exceed; None if nothing tells."""
        if self._content_length is None:
            return None
        here = 0
        for event in self._events:
            if isinstance(event, PartEnd):
                return here
            if isinstance(event, PartData):
                here += len(event.data)
        to_come = self._content_length - self._body.received
        return max(0, here + self._parser.held + to_come - self._delimiter_size)

    def check_framing(self) -> None:
        """Raises Refused if a fault is known, however far behind it may stand."""
        if self._parser.fault is not None:
            raise _refused(self._parser.fault)

    async def read_content(self) -> bytes:
        """The next piece of the present part; empty at its end."""
        event = await self._next_event()
        if isinstance(event, PartData):
            return bytes(event.data)
        return b""

    def at_part_end(self) -> bool:
        """Whether the present part is known to end here."""
        return bool(self._events) and isinstance(self._events[0], PartEnd)

    async def _read_field(self, name: str) -> Field:
        field = Field(name, await self._read_value())
        self._values += len(f"{name}{field.value}".encode())
        if self._values > FORM_ROOM:
            raise Refused(
                ambiguous_request(
                    phrase("the form’s fields are longer than {size}.", size=told_size(FORM_ROOM))
                )
            )
        return field

    async def _read_value(self) -> str:
        pieces, size = [], 0
        while piece := await self.read_content():
            pieces.append(piece)
            size += len(piece)
            if size > _LONGEST_VALUE:
                raise Refused(
                    ambiguous_request(
                        phrase(
                            "a form field is longer than {size}.", size=told_size(_LONGEST_VALUE)
                        )
                    )
                )
        try:
            return b"".join(pieces).decode()
        except UnicodeDecodeError:
            raise Refused(ambiguous_request(phrase("a form field is not valid UTF-8."))) from None

    async def _next_event(self) -> Event:
        while not self._events:
            piece = await self._body.read()
            if piece:
                self._events.extend(self._parser.feed(piece))
            if self._body.ended:
                self._events.extend(self._parser.finish())
        event = self._events[0]
        if isinstance(event, Fault):
            raise _refused(event)
        return self._events.popleft()


def _refused(fault: Fault) -> Refused:
    return Truncated(fault.refusal) if fault.truncated else Refused(fault.refusal)
