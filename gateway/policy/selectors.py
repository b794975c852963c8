"""Sets of content types as people write them: ``images, application/pdf, video/*``."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from gateway.policy.groups import Group, group_of
from gateway.policy.synonyms import canonical

_SELECTABLE = tuple(group for group in Group if group is not Group.OTHER)
_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
"""RFC 6838 §4.2."""
_EXACT = re.compile(f"{_NAME}/{_NAME}")
_FAMILY = re.compile(rf"{_NAME}/\*")


@dataclass(frozen=True, slots=True)
class TypeSelector:
    """Says of a content type whether it is meant."""

    everything: bool = False
    groups: frozenset[Group] = frozenset()
    families: frozenset[str] = frozenset()
    """Such as ``image``."""
    types: frozenset[str] = frozenset()
    """Canonical names."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """``text`` lists groups, types, ``type/*`` and ``*``, separated by commas; an empty
        one selects nothing. Raises ValueError with a sentence for the administrator.
        """
        everything = False
        groups: set[Group] = set()
        families: set[str] = set()
        types: set[str] = set()
        for item in filter(None, (part.strip().lower() for part in text.split(","))):
            if item in ("*", "*/*"):
                everything = True
            elif item in _SELECTABLE:
                groups.add(Group(item))
            elif _FAMILY.fullmatch(item):
                families.add(item.removesuffix("/*"))
            elif _EXACT.fullmatch(item):
                types.add(canonical(item))
            else:
                raise ValueError(
                    f"{item!r} is neither a content type such as application/pdf or image/* "
                    f"nor one of the groups {', '.join(_SELECTABLE)}"
                )
        return cls(everything, frozenset(groups), frozenset(families), frozenset(types))

    @lru_cache(1024)  # noqa: B019 - selectors live as long as the process
    def matches(self, content_type: str) -> bool:
        if self.everything:
            return True
        name = canonical(content_type)
        return (
            name in self.types
            or group_of(name) in self.groups
            or name.partition("/")[0] in self.families
        )
