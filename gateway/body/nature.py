"""What a body is, at an address where nothing is known of it: a form, a file, or neither.

JSON and text are what clients talk to Mattermost in. Everything else may be somebody's file.
"""

import re
from enum import Enum, auto


class Nature(Enum):
    """What a body says it is."""

    FORM = auto()
    """``multipart/form-data``, or what a reader could take for it."""
    JSON = auto()
    TEXT = auto()
    """Text, fields in the encoding of URLs, or nothing that can be understood."""
    FILE = auto()
    """Anything else."""


LOOK_BYTES = 16 * 1024
"""How far a body is looked at; inspection looks as far into a text."""

_MEDIA_TYPE = re.compile(rb"[ \t]*([^\s;,/]+/[^\s;,/]+)[ \t]*(?:;|\Z)")
_URL_ENCODED = b"application/x-www-form-urlencoded"

_BINARY = bytes([*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)])
"""https://mimesniff.spec.whatwg.org/#binary-data-byte: text has none of them."""
_BLANK = b" \t\r\n"
_BEGINNING_BYTES = 16
"""Bytes, blanks left out, that tell JSON from anything else, and texts that are documents."""
_JSON = re.compile(
    rb"(?:\xef\xbb\xbf|\xef\xbb?\Z)?"
    rb'(?:\Z|["0-9-]|\{(?:["}]|\Z)|\[(?:[]["{0-9tfn-]|\Z)'
    rb"|t(?:rue|ru?\Z|\Z)|f(?:alse|al?s?\Z|\Z)|n(?:ull|ul?\Z|\Z))"
)
"""How JSON begins (RFC 8259), or a first piece of it."""
_DOCUMENTS = (b"%PDF-", b"%!PS-Adobe-", rb"{\rtf")
"""Formats whose files may have no other than text in them."""


def declared(content_type: bytes) -> Nature:
    """What a body is according to its Content-Type, which is empty if there is none."""
    content_type = content_type.lower()
    if b"multipart" in content_type:
        return Nature.FORM
    match = _MEDIA_TYPE.match(content_type)
    media_type = match[1] if match else b""
    if media_type == b"application/json" or media_type.endswith(b"+json"):
        return Nature.JSON
    if not media_type or media_type.startswith(b"text/") or media_type == _URL_ENCODED:
        return Nature.TEXT
    return Nature.FILE


class Look:
    """A look at a body that says it is JSON or text, as its pieces come."""

    __slots__ = ("_beginning", "_is_json", "left")

    def __init__(self, nature: Nature) -> None:
        self.left = LOOK_BYTES
        """Bytes still to be looked at."""
        self._is_json = nature is Nature.JSON
        self._beginning = b""

    def believes(self, piece: bytes) -> bool:
        """Whether the next ``piece`` is what the body says."""
        piece = piece[: self.left]
        self.left -= len(piece)
        if len(piece.translate(None, _BINARY)) < len(piece):
            return False
        if len(self._beginning) < _BEGINNING_BYTES:
            seen = self._beginning + piece.translate(None, _BLANK)
            self._beginning = seen[:_BEGINNING_BYTES]
        if self._is_json:
            return _JSON.match(self._beginning) is not None
        return not self._beginning.startswith(_DOCUMENTS)
