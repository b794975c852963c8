"""What all of them are."""

from typing import NamedTuple


class Disguise(NamedTuple):
    """A file, and what it pretends to be."""

    name: str
    content: bytes
    declared: str | None = None
    """Its type, as its sender says."""
