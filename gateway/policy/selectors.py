"""Sets of content types as people write them: ``images, application/pdf, video/*``."""

import re
from dataclasses import dataclass, field
from typing import Self

from gateway.policy.groups import Group, group_of
from gateway.policy.synonyms import canonical
from gateway.policy.traits import Trait, traits_of

_SELECTABLE = tuple(group for group in Group if group is not Group.OTHER)
_TRAITS = tuple(Trait)
_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
"""RFC 6838 §4.2."""
_EXACT = re.compile(f"{_NAME}/{_NAME}")
_FAMILY = re.compile(rf"{_NAME}/\*")
_MOST_KNOWN = 1024


@dataclass(frozen=True, slots=True)
class TypeSelector:
    """Says of a content type whether it is meant."""

    everything: bool = False
    groups: frozenset[Group] = frozenset()
    traits: frozenset[Trait] = frozenset()
    families: frozenset[str] = frozenset()
    """Such as ``image``."""
    types: frozenset[str] = frozenset()
    """Canonical names."""
    _known: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Verdicts so far, since content types are few."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """``text`` lists groups, traits, types, ``type/*`` and ``*``, separated by commas; an empty
        one selects nothing. Raises ValueError with a sentence for the administrator.
        """
        everything = False
        groups: set[Group] = set()
        traits: set[Trait] = set()
        families: set[str] = set()
        types: set[str] = set()
        for item in filter(None, (part.strip().lower() for part in text.split(","))):
            if item in ("*", "*/*"):
                everything = True
            elif item in _SELECTABLE:
                groups.add(Group(item))
            elif item in _TRAITS:
                traits.add(Trait(item))
            elif _FAMILY.fullmatch(item):
                families.add(item.removesuffix("/*"))
            elif _EXACT.fullmatch(item):
                types.add(canonical(item))
            else:
                raise ValueError(
                    f"{item!r} is neither a content type such as application/pdf or image/* "
                    f"nor one of the groups {', '.join((*_SELECTABLE, *_TRAITS))}"
                )
        return cls(
            everything,
            frozenset(groups),
            frozenset(traits),
            frozenset(families),
            frozenset(types),
        )

    def __str__(self) -> str:
        """As ``parse`` reads it."""
        words = (*sorted(self.groups), *sorted(self.traits), *sorted(self.types))
        families = [f"{family}/*" for family in sorted(self.families)]
        return ", ".join(("*",) * self.everything + words + tuple(families))

    def matches(self, content_type: str) -> bool:
        if self.everything:
            return True
        known = self._known.get(content_type)
        if known is None:
            known = self._matches(content_type)
            if len(self._known) < _MOST_KNOWN:
                self._known[content_type] = known
        return known

    def _matches(self, content_type: str) -> bool:
        name = canonical(content_type)
        return (
            name in self.types
            or group_of(name) in self.groups
            or name.partition("/")[0] in self.families
            or not self.traits.isdisjoint(traits_of(content_type))
        )


EVERYTHING = TypeSelector(everything=True)
NOTHING = TypeSelector()
