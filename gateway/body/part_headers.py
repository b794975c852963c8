"""The headers of one part of a form: field name, file name, declared type (RFC 7578 §4)."""

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.body.parameters import TOKEN, parse_parameters
from gateway.phrases import Phrase, phrase
from gateway.refusals import Refused, ambiguous_request, shown

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_SINGLE = frozenset({"content-disposition", "content-type", "content-transfer-encoding"})
_IDENTITY_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
_EXTENDED_VALUE = re.compile(
    r"utf-8'[0-9A-Za-z-]*'((?:%[0-9A-Fa-f]{2}|[!#$&+\-.^_`|~0-9A-Za-z])+)", re.ASCII | re.IGNORECASE
)
"""RFC 8187 §3.2.1."""
_ENCODED_WORD = re.compile(r"=\?utf-8\?b\?([0-9A-Za-z+/=]+)\?=", re.ASCII | re.IGNORECASE)
"""RFC 2047 §2."""


@dataclass(frozen=True, slots=True)
class PartHeaders:
    """``filename`` is None for a form value; a file's name is as sent, with any path before it."""

    name: str
    filename: str | None
    content_type: str | None

    def __post_init__(self) -> None:
        if not self.name or self.filename == "":
            raise ValueError("a part has a name, and a file a file name")


def parse_part_headers(lines: Sequence[bytes]) -> PartHeaders:
    """``lines`` are the header lines without their ends. Raises Refused."""
    fields: dict[str, str] = {}
    for line in lines:
        name, value = _field(line)
        if name in fields and name in _SINGLE:
            raise _ambiguous(phrase("a part has two {name} headers.", name=name.title()))
        fields[name] = value
    encoding = fields.get("content-transfer-encoding", "binary")
    if encoding.lower() not in _IDENTITY_ENCODINGS:
        raise _ambiguous(
            phrase(
                "a part has the Content-Transfer-Encoding “{encoding}”.", encoding=shown(encoding)
            )
        )
    content_type = fields.get("content-type")
    if content_type is not None and content_type.lower().startswith("multipart/mixed"):
        raise _ambiguous(phrase("a part is declared to be a form of its own (multipart/mixed)."))
    name, filename = _disposition(fields.get("content-disposition"))
    return PartHeaders(name, filename, content_type)


def _field(line: bytes) -> tuple[str, str]:
    """Name in lower case, and value."""
    if line.startswith((b" ", b"\t")):
        raise _ambiguous(phrase("a header of a part is continued on a second line."))
    try:
        name, colon, value = line.decode("utf-8").partition(":")
    except UnicodeDecodeError:
        raise _ambiguous(phrase("a header of a part is not valid UTF-8.")) from None
    value = value.strip(" \t")
    if not colon or not TOKEN.fullmatch(name):
        raise _ambiguous(phrase("a part has a malformed header line."))
    if _CONTROL.search(value):
        raise _ambiguous(phrase("a header of a part has control characters in it."))
    return name.lower(), value


def _disposition(value: str | None) -> tuple[str, str | None]:
    """Field name and file name of a Content-Disposition."""
    if value is None:
        raise _ambiguous(phrase("a part has no Content-Disposition header."))
    kind, semicolon, rest = value.partition(";")
    if kind.strip(" \t").lower() != "form-data":
        raise _ambiguous(phrase("the Content-Disposition of a part is not “form-data”."))
    parameters = parse_parameters("Content-Disposition", semicolon + rest)
    filename = parameters.get("filename")
    extended = parameters.pop("filename*", None)
    if extended is not None:
        filename = agreed_name(filename, extended)
    if any("*" in name for name in parameters):
        raise _ambiguous(phrase("the Content-Disposition of a part has an encoded parameter."))
    if filename == "":
        raise _ambiguous(phrase("a part has an empty file name."))
    if not parameters.get("name"):
        raise _ambiguous(phrase("a part has no name."))
    if parameters["name"].lower() == "_charset_":
        raise _ambiguous(phrase("the form has a _charset_ field."))
    return parameters["name"], filename


def agreed_name(plain: str | None, extended: str) -> str:
    """A file name given twice, as .NET's HttpClient and React Native 0.74 do.

    RFC 7578 §4.2 forbids it; Mattermost takes ``filename*``, other readers ``filename``, so both
    must say the same. .NET writes a ``filename`` beyond ASCII as an RFC 2047 word. Raises Refused.
    """
    name = extended_name(extended)
    word = _ENCODED_WORD.fullmatch(plain or "")
    try:
        if word:
            plain = b64decode(word[1], validate=True).decode("utf-8")
    except ValueError:
        name = None
    if name is None or name != plain or _CONTROL.search(name):
        raise _ambiguous(phrase("a part has a “filename*” that is not the same as its “filename”."))
    return name


def extended_name(extended: str) -> str | None:
    """The value of a ``filename*``, None if it is malformed."""
    match = _EXTENDED_VALUE.fullmatch(extended)
    try:
        return unquote(match[1], errors="strict") if match else None
    except ValueError:
        return None


def _ambiguous(problem: Phrase) -> Refused:
    return Refused(ambiguous_request(problem))
