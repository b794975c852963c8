"""What is inside an archive, as far as it was looked into."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an entry becomes where it is unpacked."""

    REGULAR = "regular"
    DIRECTORY = "directory"
    SYMBOLIC_LINK = "symbolic_link"
    """Its target is relative to the folder that it lies in."""
    HARD_LINK = "hard_link"
    """Its target is relative to the archive's root."""
    DEVICE = "device"
    """Or a pipe, or a socket."""


class Trouble(StrEnum):
    """Why somebody who looked into an archive did not see all of it."""

    TOO_MANY_ENTRIES = "too_many_entries"
    TOO_LARGE = "too_large"
    RATIO = "ratio"
    TOO_DEEP = "too_deep"
    TOOK_TOO_LONG = "took_too_long"
    ENCRYPTED = "encrypted"
    UNREADABLE = "unreadable"
    """It is damaged."""
    UNSUPPORTED = "unsupported"
    """It is of a format, or packed by a method or for a memory, that is not dealt with here."""
    AMBIGUOUS = "ambiguous"
    """It says one thing here and another there, so that two programs may unpack it in two ways."""


RATIO_FROM = 32 * 2**20
"""Bytes, unpacked, below which no ratio is too high: logs and pictures of one colour shrink to a
thousandth, and this is what anybody can unpack."""
LIMITS = frozenset(
    {
        Trouble.TOO_MANY_ENTRIES,
        Trouble.TOO_LARGE,
        Trouble.RATIO,
        Trouble.TOO_DEEP,
        Trouble.TOOK_TOO_LONG,
    }
)
"""The troubles that end looking at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far to look."""

    entries: int
    unpacked_size: int
    """Bytes, of all entries and of the archives among them."""
    ratio: float
    """Unpacked bytes for each byte of the file."""
    depth: int
    """1 for the entries of an archive, 2 for those of an archive in it, …"""
    seconds: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or link in an archive."""

    name: str
    """As its archive writes it. Empty where a format has no names, as gzip."""
    archives: tuple[str, ...] = ()
    """The names of the archives around it that are entries themselves, outermost first."""
    kind: Kind = Kind.REGULAR
    size: int | None = None
    """Unpacked bytes: as counted, or as told by the archive where the content cannot be read."""
    content_type: str = "application/octet-stream"
    """As gateway.content writes it."""
    trouble: Trouble | None = None
    """Why its content cannot be read: encrypted, unreadable, unsupported or ambiguous."""
    link: str | None = None
    """The target."""
    other_names: tuple[str, ...] = ()
    """Under which some programs unpack it instead."""

    @property
    def path(self) -> str:
        """``outer.zip/inner.tar/x.exe``."""
        return "/".join(filter(None, (*self.archives, self.name)))

    @property
    def depth(self) -> int:
        return len(self.archives) + 1

    @property
    def encrypted(self) -> bool:
        return self.trouble is Trouble.ENCRYPTED


@dataclass(frozen=True, slots=True)
class Problem:
    """An archive that was not seen to its end."""

    trouble: Trouble
    path: str = ""
    """Of the archive, as of an entry; empty for the file itself."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found before something ended the looking."""

    entries: tuple[Entry, ...]
    packed_size: int
    """Bytes of the file."""
    unpacked_size: int
    """Bytes that were unpacked, at all depths together."""
    problems: tuple[Problem, ...] = ()

    @property
    def depth(self) -> int:
        """The deepest entry's; 0 if there is none."""
        return max((entry.depth for entry in self.entries), default=0)

    def beyond(self, limits: Limits) -> Trouble | None:
        """What of them is more than ``limits`` allow, where they were looked into further."""
        if len(self.entries) > limits.entries:
            return Trouble.TOO_MANY_ENTRIES
        if self.unpacked_size > limits.unpacked_size:
            return Trouble.TOO_LARGE
        if self.unpacked_size > max(RATIO_FROM, limits.ratio * self.packed_size):
            return Trouble.RATIO
        return Trouble.TOO_DEEP if self.depth > limits.depth else None
