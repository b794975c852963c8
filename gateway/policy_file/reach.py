"""Rules that are fine each on their own, but not one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

from gateway.endpoints import ENDPOINTS, Way
from gateway.policy.circumstances import Conditions, IdentityKind
from gateway.policy.ruleset import PolicyRule

_NOBODY = {IdentityKind.STRANGER, IdentityKind.SERVER}
_FOR_CHANNELS = {row.name for row in ENDPOINTS if row.way in (Way.ATTACHMENTS, Way.DECLARATION)}
_FOR_TEAMS = _FOR_CHANNELS | {row.name for row in ENDPOINTS if "/teams/" in row.path}


class Misplaced(NamedTuple):
    """What is wrong with a rule, and at which of its keys."""

    number: int
    key: tuple[str, ...]
    sentence: str


def misplaced(
    rules: Mapping[int, PolicyRule], line_of: Callable[[int], int]
) -> Iterator[Misplaced]:
    """What is wrong with ``rules``, by their places; ``line_of`` says where one begins."""
    named: dict[str, int] = {}
    for number, rule in rules.items():
        first = named.setdefault(rule.name.lower(), number)
        if first != number:
            sentence = f"name: the rule in line {line_of(first)} is called {rules[first].name}, too"
            yield Misplaced(number, ("name",), sentence)
        for key, why in _never_met(rule.conditions):
            sentence = f"when.{key}: {why}, so that the rule can never apply"
            yield Misplaced(number, ("when", key), sentence)
        before = _before(rules, number)
        if before is not None:
            sentence = (
                f"the rule {rule.name} can never apply: {rules[before].name}, in line "
                f"{line_of(before)}, comes before it, and decides wherever it would"
            )
            yield Misplaced(number, (), sentence)


def _never_met(conditions: Conditions) -> Iterator[tuple[str, str]]:
    """Conditions that exclude each other: the key of one, and why."""
    only_by, only_at = conditions.identities, conditions.endpoints
    if only_by and only_by <= _NOBODY:
        if conditions.roles or conditions.channels or conditions.teams:
            yield "identity", "a stranger or another server has neither a role nor a channel here"
        elif conditions.users and only_by == {IdentityKind.STRANGER}:
            yield "identity", "of a stranger it is not known which user it is"
    if only_at and conditions.channels and only_at.isdisjoint(_FOR_CHANNELS):
        yield "channel", f"files for {', '.join(sorted(only_at))} are for no channel"
    if only_at and conditions.teams and only_at.isdisjoint(_FOR_TEAMS):
        yield "team", f"files for {', '.join(sorted(only_at))} are for no team"


def _before(rules: Mapping[int, PolicyRule], number: int) -> int | None:
    """The first rule that decides wherever that of this number would."""
    for earlier, rule in rules.items():
        if earlier == number:
            break
        if rule.enforce and _cover(rule.conditions, rules[number].conditions):
            return earlier
    return None


def _cover(wide: Conditions, narrow: Conditions) -> bool:
    """Whether ``wide`` hold wherever ``narrow`` do."""
    for item in fields(Conditions):
        wanted, given = getattr(wide, item.name), getattr(narrow, item.name)
        if wanted and not (given and given <= wanted):
            return False
    return True
