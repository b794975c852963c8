"""Sets of content that cut across the groups: a file is in one group, and has any of these."""

from enum import StrEnum
from functools import lru_cache

from gateway.content import Finding, split
from gateway.policy.synonyms import canonical


class Trait(StrEnum):
    """A trait's name in a rule. Each is told as far as the head of a file tells it."""

    MACROS = "macros"
    """Office documents with programs in them."""
    ENCRYPTED = "encrypted"
    """What nobody can look into."""
    ACTIVE = "active"
    """What acts when a browser shows it."""
    POLYGLOTS = "polyglots"
    """What can be opened as something else, too."""


_BY_FINDING = {
    Finding.MACROS: Trait.MACROS,
    Finding.ENCRYPTION: Trait.ENCRYPTED,
    Finding.SCRIPT: Trait.ACTIVE,
    Finding.OTHER_FORMAT: Trait.POLYGLOTS,
}
_ALWAYS = {
    "application/encrypted": Trait.ENCRYPTED,
    "application/pgp-encrypted": Trait.ENCRYPTED,
    "text/html": Trait.ACTIVE,
    "application/xhtml+xml": Trait.ACTIVE,
    "application/hta": Trait.ACTIVE,
    "application/x-shockwave-flash": Trait.ACTIVE,
}
_MACRO_ENABLED = ".macroenabled"
"""In the names of Office formats that are there for macros."""


@lru_cache(1024)
def traits_of(content_type: str) -> frozenset[Trait]:
    """The traits of content, as gateway.content writes it."""
    name = canonical(content_type)
    traits = {_BY_FINDING[finding] for finding in split(content_type)[1]}
    if name in _ALWAYS:
        traits.add(_ALWAYS[name])
    if _MACRO_ENABLED in name:
        traits.add(Trait.MACROS)
    return frozenset(traits)
