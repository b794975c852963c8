"""An object of JSON as a request's body, read strictly: whoever reads it otherwise is not heard."""

import json
from collections.abc import Collection, Mapping
from typing import NoReturn

from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request, invalid_body_param
from gateway.upload.request import Source

LONGEST = 64 * 1024
"""Bytes."""


async def read_object(
    body: Source, content_length: int | None, name: str, longest: int = LONGEST
) -> dict[str, object]:
    """``name`` is what Mattermost calls it. Raises Refused and ClientGone."""
    if content_length is not None and content_length > longest:
        raise Refused(invalid_body_param(name))
    pieces, size = [], 0
    while piece := await body.read():
        pieces.append(piece)
        size += len(piece)
        if size > longest:
            raise Refused(invalid_body_param(name))
    return _object(b"".join(pieces), name)


def check_case(given: Mapping[str, object], known: Collection[str]) -> None:
    """Raises Refused for a key that Go would take for another one, which it writes in small
    letters."""
    for key in given:
        if key not in known and key.casefold() in known:
            raise Refused(
                ambiguous_request(phrase("the key {key} is not written in small letters.", key=key))
            )


def _object(document: bytes, name: str) -> dict[str, object]:
    try:
        given = json.loads(
            document.decode(), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise Refused(invalid_body_param(name)) from None
    if not isinstance(given, dict):
        raise Refused(invalid_body_param(name))
    return given


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Refused(ambiguous_request(phrase("a key of its JSON comes twice.")))
    return given


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
