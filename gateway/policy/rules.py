"""The rules that files are judged by."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from gateway.contents import Limits
from gateway.ledger.quotas import Quota
from gateway.policy.agreement import Agreement
from gateway.policy.selectors import EVERYTHING, TypeSelector
from gateway.policy.traits import Trait

__all__ = [
    "DEFAULT_RULE",
    "Agreement",
    "ArchiveRules",
    "ImageRules",
    "Metadata",
    "Policy",
    "Unseen",
]

DEFAULT_RULE = "default"
"""The name of what the settings say, which decides where no other rule does."""
_ALL_NAMES = ("*",)
_MAY_LIE_DEEP = frozenset({Trait.MACROS, Trait.ENCRYPTED, Trait.ACTIVE})
"""What the head of a file does not always tell."""


class Metadata(StrEnum):
    """What becomes of what a picture tells beside what it shows."""

    KEEP = "keep"
    REMOVE = "remove"
    """Where it can be; what cannot be parsed passes as it is."""
    REQUIRE = "require"
    """A picture whose metadata cannot be removed is refused."""


class Unseen(StrEnum):
    """What becomes of what nobody can look into."""

    DENY = "deny"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class ArchiveRules:
    """How far archives are looked into, and what they may have in them."""

    max_entries: int = 10_000
    """Of an archive and all that are in it."""
    max_unpacked_size: int = 2**30
    """Bytes of all entries together."""
    max_ratio: int = 200
    """Unpacked bytes for each byte of the file; looked at from 32 MiB on. Real archives have 1 to
    20, logs and tables some more; a format's most is 1,032 for deflate, more for others."""
    max_depth: int = 3
    """Archives within archives; 1 is one without any."""
    max_seconds: float = 30.0
    """How long it may take to look into one."""
    encrypted: Unseen = Unseen.DENY
    unreadable: Unseen = Unseen.DENY
    """What is broken, or of a kind that nobody here can read."""

    def __post_init__(self) -> None:
        counts = (self.max_entries, self.max_unpacked_size, self.max_ratio, self.max_depth)
        if min(counts) < 1 or not self.max_seconds > 0:
            raise ValueError(f"{self} lets no archive pass")

    @property
    def limits(self) -> Limits:
        return Limits(
            self.max_entries,
            self.max_unpacked_size,
            self.max_ratio,
            self.max_depth,
            self.max_seconds,
        )


@dataclass(frozen=True, slots=True)
class ImageRules:
    """How large a picture may be once it is decoded."""

    max_pixels: int = 40_000_000
    """Of one frame."""
    max_frames: int = 200
    """Of an animation."""

    def __post_init__(self) -> None:
        if min(self.max_pixels, self.max_frames) < 1:
            raise ValueError(f"{self} lets no picture pass")


@dataclass(frozen=True, slots=True)
class Policy:
    """What may pass. A type has to be allowed and not denied; so has a name."""

    max_file_size: int
    """Bytes."""
    allowed: TypeSelector
    denied: TypeSelector
    denied_extensions: frozenset[str]
    """Lower case, without the dot: ``exe``, ``tar.gz``."""
    agreement: Agreement
    name: str = DEFAULT_RULE
    """Of the rule that says so."""
    within: TypeSelector = EVERYTHING
    """What the endpoint takes at all; allowed is only what is in here as well."""
    allowed_extensions: frozenset[str] | None = None
    """None allows all, and names without one."""
    allowed_names: tuple[str, ...] = _ALL_NAMES
    """Globs in small letters (fnmatch), one of which has to match."""
    denied_names: tuple[str, ...] = ()
    """Globs in small letters, none of which may match."""
    scan: bool = False
    """Whether a malware scanner has to find the file clean."""
    metadata: Metadata = Metadata.KEEP
    message: str = ""
    """What users are told beside the reason why a file may not pass."""
    archives: ArchiveRules | None = None
    """None does not look into archives."""
    images: ImageRules | None = None
    """None does not look how large pictures are."""
    quotas: tuple[Quota, ...] = ()
    """What uploads take from."""
    also: "Policy | None" = None
    """What holds as well, since the sender's credential has limits of its own."""
    limits_names: bool = field(init=False)
    """Whether there is more to say of names than which endings are denied."""
    examines: bool = field(init=False)
    """Whether it could want more of a file than its head."""

    @property
    def looks_closely(self) -> bool:
        """Whether what hides in pictures, sounds and films matters to it."""
        wanted = self.denied.traits & {Trait.ACTIVE, Trait.POLYGLOTS}
        return bool(wanted) or self.agreement is Agreement.STRICT

    def __post_init__(self) -> None:
        if self.max_file_size < 0:
            raise ValueError(f"a largest size cannot be {self.max_file_size}")
        for extension in self.denied_extensions | (self.allowed_extensions or frozenset()):
            if extension != extension.lower() or extension.startswith("."):
                raise ValueError(f"{extension!r} is not a lower-case ending without its dot")
        limited = self.allowed_extensions is not None or self.allowed_names != _ALL_NAMES
        object.__setattr__(self, "limits_names", limited or bool(self.denied_names))
        examines = self.scan or self.archives is not None or self.images is not None
        examines |= self.metadata is not Metadata.KEEP
        object.__setattr__(self, "examines", examines or bool(self.denied.traits & _MAY_LIE_DEEP))

    def fingerprint(self) -> str:
        """The same for policies that say the same of files, in whatever process."""
        said = asdict(self, dict_factory=_of_files)
        document = json.dumps(said, sort_keys=True, default=sorted)  # sets as lists
        return blake2b(document.encode(), digest_size=16).hexdigest()


def _of_files(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in items if not name.startswith("_") and name != "quotas"}
