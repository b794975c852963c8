"""What Mattermost calls an uploaded file, and which names it may not have."""

import re

from gateway.phrases import Phrase, phrase
from gateway.refusals import Refused, file_name_refused

MAX_NAME_BYTES = 255
"""A file system's limit (NAME_MAX); Mattermost answers 500 to longer names."""
MAX_EXTENSION_CHARACTERS = 64
"""The column ``FileInfo.Extension``: the database refuses more once the file is stored (500)."""

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,63}")
"""What most names are, read at a glance."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates (UAX #9 §2): they make ``gpj.exe`` read ``exe.jpg``."""


def stored_name(name: str) -> str:
    """The name under which Mattermost would store a file sent as ``name``. Raises Refused.

    That is Go's ``filepath.Base``: what follows the last slash; a backslash is a character.
    """
    if _PLAIN.fullmatch(name):
        return name
    base = name.rstrip("/").rpartition("/")[2]
    problem = _problem(base)
    if problem is not None:
        raise Refused(file_name_refused(problem))
    return base


def _problem(base: str) -> Phrase | None:
    """Completes the sentence "The file's name …"."""
    try:
        size = len(base.encode("utf-8"))
    except UnicodeEncodeError:
        return phrase("is not valid Unicode text")
    if not base:
        return phrase("is empty")
    if base in (".", ".."):
        return phrase("is “{name}”, which means a folder", name=base)
    if size > MAX_NAME_BYTES:
        return phrase("is longer than {most} bytes (it has {size})", most=MAX_NAME_BYTES, size=size)
    _, dot, extension = base.rpartition(".")
    if dot and len(extension) > MAX_EXTENSION_CHARACTERS:
        return phrase(
            "has more than {most} characters after its last dot", most=MAX_EXTENSION_CHARACTERS
        )
    if _CONTROL.search(base):
        return phrase("has control characters in it")
    if match := _BIDIRECTIONAL.search(base):
        return phrase(
            "has an invisible character in it ({character}) that shows letters in another order "
            "than they are in",
            character=f"U+{ord(match[0]):04X}",
        )
    return None
