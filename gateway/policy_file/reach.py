"""Rules that are fine each on their own, but not one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

from gateway.endpoints import COUNTED, ENDPOINTS, Way
from gateway.policy.circumstances import Conditions, IdentityKind, Role
from gateway.policy.ruleset import PolicyRule

_NOBODY = {IdentityKind.STRANGER, IdentityKind.SERVER}
_FOR_CHANNELS = {row.name for row in ENDPOINTS if row.way in (Way.ATTACHMENTS, Way.DECLARATION)}
_FOR_TEAMS = _FOR_CHANNELS | {row.name for row in ENDPOINTS if "/teams/" in row.path}


_WHERE = {"channel": _FOR_CHANNELS, "team": _FOR_TEAMS, "team_admin": _FOR_TEAMS}
"""Endpoints of files that are for one, by the scope of a quota."""
_MACHINES = {IdentityKind.API_KEY, IdentityKind.OIDC}
_EXCLUSIVE = {Role.GUEST, Role.USER, Role.BOT}
"""Nobody is two of these."""


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
        for why in _never_taken(rule):
            yield Misplaced(number, ("quotas",), f"quotas: {why}")
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


def _never_taken(rule: PolicyRule) -> Iterator[str]:
    """Why quotas of ``rule``, or some of them, could never apply."""
    quotas, conditions = rule.effects.quotas or (), rule.conditions
    only_at, only_for = conditions.endpoints, conditions.roles
    if quotas and not rule.enforce:
        yield "a rule that only watches takes from none; give them to one that decides"
    elif quotas and only_at and only_at.isdisjoint(COUNTED):
        yield f"files for {', '.join(sorted(only_at))} take from none"
    elif quotas and conditions.identities and conditions.identities <= _NOBODY:
        yield "a stranger or another server takes from none"
    for scope in dict.fromkeys(quota.scope for quota in quotas):
        where = _WHERE.get(scope)
        if where and only_at and only_at.isdisjoint(where):
            place = scope.removesuffix("_admin")
            yield f"files for {', '.join(sorted(only_at))} are for no {place}"
        if scope == "key" and conditions.identities and conditions.identities.isdisjoint(_MACHINES):
            yield "only who comes with an API key or a token of an issuer has a key"
        if scope in ("guest", "bot") and only_for and only_for <= _EXCLUSIVE - {scope}:
            yield f"a {' or '.join(sorted(only_for))} is no {scope}"


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
