"""Rules that are fine each on their own, but not one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

from gateway.policy.circumstances import Conditions, IdentityKind
from gateway.policy.ruleset import PolicyRule


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
        if _only_strangers(rule.conditions):
            sentence = (
                "when.identity: a stranger has neither role nor user name, so that the rule can "
                "never apply"
            )
            yield Misplaced(number, ("when", "identity"), sentence)
        before = _before(rules, number)
        if before is not None:
            sentence = (
                f"the rule {rule.name} can never apply: {rules[before].name}, in line "
                f"{line_of(before)}, comes before it, and decides wherever it would"
            )
            yield Misplaced(number, (), sentence)


def _only_strangers(conditions: Conditions) -> bool:
    of_people = conditions.roles or conditions.users
    return bool(of_people) and conditions.identities == {IdentityKind.STRANGER}


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
