"""The chain that the lines of an audit log are: each carries the hash of the one before.

A line is a JSON object, in UTF-8, in which what some take for ends of lines is escaped. Its hash is
the SHA-256 of its bytes as they are in the file, without the newline behind them.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

GENESIS = "0" * 64
"""What the first line of all carries."""


class Link(NamedTuple):
    """The last line so far, for the next one."""

    number: int = 0
    """Of the line; the first one is 1."""
    hash: str = GENESIS

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class NotInChain(Exception):
    """A line does not follow the one before; the text says why."""


def digest(line: bytes) -> str:
    """The hash of a line without its newline."""
    return hashlib.sha256(line).hexdigest()


def forge(link: Link, documents: Iterable[bytes]) -> tuple[bytes, Link]:
    """The lines that say ``documents``, JSON objects with at least one name each, and follow
    ``link``; and what follows them."""
    number, before = link
    lines = bytearray()
    for document in documents:
        number += 1
        line = b'{"seq":%d,"prev":"%b",%b' % (number, before.encode(), document[1:])
        before = digest(line)
        lines += line
        lines += b"\n"
    return bytes(lines), Link(number, before)


def read_link(line: bytes) -> tuple[Link, Link]:
    """Which line ``line`` says it follows, and what the next one follows. Raises NotInChain."""
    try:
        document = json.loads(line)  # orjson takes no lone surrogates
    except (ValueError, RecursionError):
        raise NotInChain("it is not JSON") from None
    number = document.get("seq") if isinstance(document, dict) else None
    before = document.get("prev") if isinstance(document, dict) else None
    if type(number) is not int or number < 1 or not isinstance(before, str):
        raise NotInChain("it has no place in a chain")
    return Link(number - 1, before), Link(number, digest(line))


def follow(link: Link, line: bytes) -> Link:
    """What the line after ``line`` follows. Raises NotInChain if it does not follow ``link``."""
    before, after = read_link(line)
    if before.number != link.number:
        raise NotInChain(f"it is line {before.number + 1} and should be line {link.number + 1}")
    if before.hash != link.hash:
        raise NotInChain("the line before it is not the one that it was written behind")
    return after
