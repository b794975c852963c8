"""A strict streaming reader of multipart/form-data (RFC 7578, RFC 2046 §5.1): bytes in, events out.

It reads what browsers and HTTP libraries write, exactly as Mattermost does. Whatever readers are
known to disagree about is a fault, and comes as an event in its place: what stands before it was
read well. Content passes through without being copied; what waits for the next chunk is never
longer than the delimiter, or than ``max_header_bytes`` in headers.
"""

from dataclasses import dataclass
from enum import Enum, auto

from gateway.body.part_headers import PartHeaders, parse_part_headers
from gateway.phrases import Phrase, phrase
from gateway.refusals import (
    Refusal,
    Refused,
    ambiguous_request,
    unreadable_form_value,
    unreadable_request,
)

_CR = 0x0D
_OPENING_BYTES = 4096
"""How far the first boundary is looked for: as long a line as Go reads here."""
_BARE_LINE_FEED = phrase("a line of the form ends in a line feed without a carriage return.")


@dataclass(frozen=True, slots=True)
class PartBegin:
    headers: PartHeaders


@dataclass(frozen=True, slots=True)
class PartData:
    """The next bytes of the part's content, never empty. A view keeps its whole chunk alive."""

    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The delimiter after the part is complete, whatever follows it."""


@dataclass(frozen=True, slots=True)
class FormEnd:
    """The form is complete and nothing follows it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """From here on the form cannot be read, or not in one way only. Nothing comes after it.

    Once a part's content has begun, none comes before its PartEnd unless the body ends there.
    """

    refusal: Refusal
    truncated: bool = False
    """Whether it is that the body ended before the form did. The refusal then is what Mattermost
    answers when it streams a form."""


Event = PartBegin | PartData | PartEnd | FormEnd | Fault


class _State(Enum):
    OPENING = auto()
    AFTER_BOUNDARY = auto()
    HEADERS = auto()
    CONTENT_START = auto()
    CONTENT = auto()
    EPILOGUE = auto()
    FAULT = auto()


class MultipartParser:
    """Feed it the body's chunks, then call ``finish``."""

    def __init__(
        self, boundary: bytes, *, max_parts: int = 1000, max_header_bytes: int = 8192
    ) -> None:
        """``max_parts`` is Go's own limit; ``max_header_bytes`` counts per part."""
        self._delimiter = b"\r\n--" + boundary
        self._max_parts = max_parts
        self._max_header_bytes = max_header_bytes
        self._state = _State.OPENING
        # The first delimiter has no line break before it; with this one it looks like the others.
        self._held = b"\r\n"
        self._parts = 0
        self._header_lines: list[bytes] = []
        self._header_bytes = 0
        self._part: PartHeaders | None = None
        self.fault: Fault | None = None
        """The fault, as soon as it is certain that it will come."""

    @property
    def held(self) -> int:
        """Bytes of the present part's content that the next chunk decides about."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Event]:
        """What the next chunk of the body completes; nothing any more behind a Fault."""
        events: list[Event] = []
        try:
            self._read(data, events)
        except Refused as refused:
            events.append(self._fail(Fault(refused.refusal)))
        return events

    def _read(self, data: bytes, events: list[Event]) -> None:
        position = 0
        while position < len(data):
            match self._state:
                case _State.CONTENT:
                    position = self._read_content(data, position, events)
                case _State.OPENING:
                    position = self._read_opening(data, position)
                case _State.AFTER_BOUNDARY:
                    position = self._read_after_boundary(data, position)
                case _State.HEADERS:
                    position = self._read_headers(data, position, events)
                case _State.CONTENT_START:
                    position = self._read_content_start(data, position, events)
                case _State.EPILOGUE:
                    position = self._read_epilogue(data, position)
                case _State.FAULT:
                    return

    def finish(self) -> list[Event]:
        """The last event, at the end of the body; none behind a Fault."""
        if self._state is _State.FAULT:
            return []
        if self._state is _State.EPILOGUE and self._held in (b"", b"\r\n"):
            return [FormEnd()]
        return [self._fail(Fault(self._unreadable(), truncated=True))]

    def _unreadable(self) -> Refusal:
        """As Mattermost answers when it streams a form that ends here."""
        if self._part is not None and self._part.filename is None:
            return unreadable_form_value(self._part.name)
        return unreadable_request()

    def _fail(self, fault: Fault) -> Fault:
        """The fault that comes now: ``fault``, unless one is noted already."""
        self.fault = self.fault or fault
        self._enter(_State.FAULT)
        return self.fault

    def _read_opening(self, data: bytes, position: int) -> int:
        """Up to the first boundary, which nothing but an empty line may precede.

        Go skips a preamble, line by line; without a boundary in sight it is no form to anybody.
        """
        room = _OPENING_BYTES - len(self._held)
        held = self._held + data[position : position + room]
        found = held.find(self._delimiter)
        if found < 0:
            if len(held) >= _OPENING_BYTES:
                raise Refused(unreadable_request())
            self._held = held
            return len(data)
        if held[:found] not in (b"", b"\r\n"):
            raise _ambiguous(phrase("there is text before the form’s first boundary."))
        end = position + found + len(self._delimiter) - len(self._held)
        self._enter(_State.AFTER_BOUNDARY)
        return end

    def _read_after_boundary(self, data: bytes, position: int) -> int:
        """The two bytes that tell whether another part follows."""
        end = min(position + 2 - len(self._held), len(data))
        self._held += data[position:end]
        if len(self._held) < 2:
            return end
        match self._held:
            case b"--":
                self._enter(_State.EPILOGUE)
            case b"\r\n":
                self._begin_part()
            case _ if self._held.startswith(b"\n"):
                raise _ambiguous(_BARE_LINE_FEED)
            case _:
                raise _ambiguous(phrase("something other than a line break follows a boundary."))
        return end

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > self._max_parts:
            raise _ambiguous(phrase("the form has more than {most} parts.", most=self._max_parts))
        self._header_lines = []
        self._header_bytes = 0
        self._enter(_State.HEADERS)

    def _read_headers(self, data: bytes, position: int, events: list[Event]) -> int:
        """One header line, or the empty line after the last."""
        line_feed = data.find(b"\n", position)
        end = line_feed + 1 if line_feed >= 0 else len(data)
        self._header_bytes += end - position
        if self._header_bytes > self._max_header_bytes:
            raise _ambiguous(
                phrase(
                    "the headers of a part are longer than {most} bytes.",
                    most=self._max_header_bytes,
                )
            )
        self._held += data[position:end]
        if line_feed < 0:
            return end
        if not self._held.endswith(b"\r\n"):
            raise _ambiguous(_BARE_LINE_FEED)
        line, self._held = self._held[:-2], b""
        if line:
            self._header_lines.append(line)
        else:
            self._part = parse_part_headers(self._header_lines)
            events.append(PartBegin(self._part))
            self._enter(_State.CONTENT_START)
        return end

    def _read_content_start(self, data: bytes, position: int, events: list[Event]) -> int:
        """A boundary right here, without its line break, is one to Go and content to others."""
        boundary = self._delimiter[2:]
        start = self._held + data[position : position + len(boundary) - len(self._held)]
        if start == boundary:
            raise _ambiguous(phrase("a part’s content begins with the boundary."))
        if boundary.startswith(start):
            self._held = start
            return len(data)
        if self._held:
            events.append(PartData(self._held))
        self._enter(_State.CONTENT)
        return position

    def _read_content(self, data: bytes, position: int, events: list[Event]) -> int:
        if self._held:
            return self._read_held_content(data, position, events)
        # Searched for without its carriage return, so that one search also finds bare line feeds.
        boundary = self._delimiter[1:]
        found = data.find(boundary, position)
        while found >= 0 and (found == position or data[found - 1] != _CR):
            self._note_bare_line_feed()
            found = data.find(boundary, found + len(boundary))
        if found < 0:
            end = self._possible_delimiter(data, position)
            self._pass_on(data, position, end, events)
            self._held = data[end:]
            return len(data)
        self._pass_on(data, position, found - 1, events)
        self._end_part(events)
        return found + len(boundary)

    def _read_held_content(self, data: bytes, position: int, events: list[Event]) -> int:
        """Does this chunk go on with the delimiter that the last one may have begun?"""
        bare = self._held[0] != _CR
        missing = self._delimiter[1 if bare else 0 :][len(self._held) :]
        piece = data[position : position + len(missing)]
        if piece == missing and not bare:
            self._end_part(events)
            return position + len(missing)
        if piece == missing:
            self._note_bare_line_feed()
        elif missing.startswith(piece):
            self._held += piece
            return len(data)
        events.append(PartData(self._held))
        self._held = b""
        return position

    def _end_part(self, events: list[Event]) -> None:
        """Its delimiter is complete. Raises Refused if its content could be read in two ways."""
        events.append(PartEnd())
        self._part = None
        if self.fault is not None:
            raise Refused(self.fault.refusal)
        self._enter(_State.AFTER_BOUNDARY)

    def _note_bare_line_feed(self) -> None:
        """A delimiter behind one ends the part for some readers; to Go it is content."""
        self.fault = self.fault or Fault(ambiguous_request(_BARE_LINE_FEED))

    def _possible_delimiter(self, data: bytes, position: int) -> int:
        """Where a delimiter may begin that the end of ``data`` cuts; its length if none does.

        Boundaries hold no line breaks (RFC 2046), so only the last line feed can begin one.
        """
        boundary = self._delimiter[1:]
        line_feed = data.rfind(b"\n", max(position, len(data) - len(boundary) + 1))
        if line_feed >= 0 and boundary.startswith(data[line_feed:]):
            after_cr = line_feed > position and data[line_feed - 1] == _CR
            return line_feed - after_cr
        return len(data) - (data[-1] == _CR)

    def _read_epilogue(self, data: bytes, position: int) -> int:
        self._held += data[position : position + 3]
        if not b"\r\n".startswith(self._held):
            raise _ambiguous(phrase("there is something after the form’s last boundary."))
        return len(data)

    def _enter(self, state: _State) -> None:
        self._state = state
        self._held = b""

    @staticmethod
    def _pass_on(data: bytes, start: int, end: int, events: list[Event]) -> None:
        if start == 0 and end == len(data):
            events.append(PartData(data))
        elif start < end:
            events.append(PartData(memoryview(data)[start:end]))


def _ambiguous(problem: Phrase) -> Refused:
    return Refused(ambiguous_request(problem))
