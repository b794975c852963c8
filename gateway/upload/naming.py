"""What a file is called that is a body of its own, at an address where no form names it."""

import re
from collections.abc import Sequence
from urllib.parse import unquote, unquote_plus

from gateway.body.filename import MAX_NAME_BYTES, stored_name
from gateway.body.parameters import TOKEN, parse_parameters
from gateway.body.part_headers import agreed_name, extended_name
from gateway.names import extensions
from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request

NAMELESS = "file"
"""What a file without a name is called where it has to be called something: no ending, and so no
rule for one."""

_SEPARATOR = re.compile("[&;]")
"""A semicolon, too, once separated parameters for Go."""


def raw_name(path: bytes, query: bytes, dispositions: Sequence[bytes]) -> str:
    """From Content-Disposition or ``?filename=``; else from ``?name=`` or the path's end, if that
    has an ending. Raises Refused for two names, and for one that Mattermost would not store.
    """
    names = [_disposition_name(value) for value in dispositions]
    names += _parameters(query, "filename")
    given = {stored_name(name) for name in names if name}
    if len(given) > 1:
        raise Refused(ambiguous_request(phrase("the file has more than one name.")))
    if given:
        return given.pop()
    guesses = [*_parameters(query, "name"), unquote(path.decode("latin-1"))]
    return next((name for guess in guesses if extensions(name := _base(guess))), NAMELESS)


def _disposition_name(value: bytes) -> str | None:
    """RFC 6266; what a form's part may say, and ``filename*`` alone."""
    try:
        kind, semicolon, rest = value.decode().partition(";")
    except UnicodeDecodeError:
        raise Refused(
            ambiguous_request(phrase("the Content-Disposition is not valid UTF-8."))
        ) from None
    if not TOKEN.fullmatch(kind.strip(" \t")):
        raise Refused(ambiguous_request(phrase("the Content-Disposition header is malformed.")))
    parameters = parse_parameters("Content-Disposition", semicolon + rest)
    extended = parameters.pop("filename*", None)
    if any("*" in name for name in parameters):
        raise Refused(
            ambiguous_request(phrase("the Content-Disposition has an encoded parameter."))
        )
    name = parameters.get("filename")
    if extended is None:
        return name
    return agreed_name(extended_name(extended) if name is None else name, extended)


def _parameters(query: bytes, name: str) -> list[str]:
    pairs = (pair.partition("=") for pair in _SEPARATOR.split(query.decode("latin-1")))
    return [_unquoted(value) for key, _, value in pairs if unquote_plus(key) == name]


def _unquoted(value: str) -> str:
    try:
        return unquote_plus(value.encode("latin-1").decode(), errors="strict")
    except UnicodeDecodeError:
        raise Refused(ambiguous_request(phrase("a query parameter is not valid UTF-8."))) from None


def _base(guess: str) -> str:
    """What may be the name of a file, of no more than its length; the end is what counts."""
    return guess.rpartition("/")[2][-MAX_NAME_BYTES:]
