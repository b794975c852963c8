"""Is a request's body a form, or the file itself? Decided by its Content-Type alone."""

import re
from collections.abc import Sequence

from gateway.body.parameters import TOKEN, parse_parameters
from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request, shown, unreadable_request

_FORM = "multipart/form-data"
_PLAIN = re.compile(rb"(?!multipart)[a-z]+/[a-z0-9.+-]+")
"""What most files are declared as, read at a glance."""
_MEDIA_TYPE = re.compile(rf"{TOKEN.pattern}(?:/{TOKEN.pattern})?")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
"""RFC 2046 §5.1.1."""


def form_boundary(content_types: Sequence[bytes]) -> bytes | None:
    """The boundary of a form; None when the body is not a form, but the file itself.

    ``content_types`` are the values of all Content-Type headers of the request. Raises Refused
    when a reader could take a form for a file, a file for a form, or another boundary.
    """
    if len(content_types) == 1 and _PLAIN.fullmatch(content_types[0]):
        return None
    if len(content_types) > 1:
        raise Refused(ambiguous_request(phrase("it has more than one Content-Type header.")))
    value = content_types[0] if content_types else b""
    if _CONTROL.search(value):
        raise Refused(
            ambiguous_request(phrase("the Content-Type header has control characters in it."))
        )
    # Bytes beyond ASCII are part of no type or boundary, and stay visible as what they are.
    text = value.decode("latin-1")
    media_type, semicolon, rest = text.partition(";")
    media_type = media_type.strip(" \t").lower()
    if "," in media_type:
        raise Refused(
            ambiguous_request(phrase("the Content-Type header names more than one type."))
        )
    if not media_type.startswith("multipart") and "multipart/" not in text.lower():
        _check_that_go_parses(media_type, semicolon + rest)
        return None
    if media_type != _FORM:
        raise Refused(
            ambiguous_request(
                phrase(
                    "“{type}” is not a form to everybody; use {form}.", type=shown(text), form=_FORM
                )
            )
        )
    return _boundary(parse_parameters("Content-Type", semicolon + rest))


def _check_that_go_parses(media_type: str, parameters: str) -> None:
    """Mattermost refuses a body, whatever it is, whose Content-Type it cannot parse."""
    try:
        parse_parameters("Content-Type", parameters)
    except Refused:
        raise Refused(unreadable_request()) from None
    if (media_type or parameters) and not _MEDIA_TYPE.fullmatch(media_type):
        raise Refused(unreadable_request())


def _boundary(parameters: dict[str, str]) -> bytes:
    if any("*" in name for name in parameters):
        raise Refused(
            ambiguous_request(phrase("the Content-Type header has an encoded parameter."))
        )
    if "boundary" not in parameters:
        raise Refused(unreadable_request())
    boundary = parameters["boundary"]
    if not _BOUNDARY.fullmatch(boundary):
        raise Refused(
            ambiguous_request(
                phrase(
                    "the boundary in the Content-Type header is not 1 to 70 of the "
                    "characters that RFC 2046 allows."
                )
            )
        )
    return boundary.encode("ascii")
