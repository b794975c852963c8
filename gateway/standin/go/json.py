"""``encoding/json`` as Mattermost decodes request bodies with it."""

import json
from typing import NoReturn


def decode_object(raw: bytes) -> dict[str, object] | None:
    """The first JSON value, if it is an object; what follows it does not matter to Go.

    Names are folded to lower case: Go finds a struct's field by any spelling, the last one wins.
    """
    text = raw.decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        value, _ = _DECODER.raw_decode(text)
    except ValueError:
        return None
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    return {name.lower(): inner for name, inner in value.items()}


def decode_texts(raw: bytes) -> list[str]:
    """The first JSON value, if it is a list of strings; else nothing."""
    try:
        value, _ = _DECODER.raw_decode(raw.decode("utf-8", "replace").lstrip(" \t\r\n"))
    except ValueError:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return []
    return value


def text_of(document: dict[str, object], name: str) -> str:
    """A string field; empty if it is missing or something else."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
