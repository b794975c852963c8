"""Rules as an administrator reads them again."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from gateway.ledger.language import format_limit
from gateway.ledger.quotas import Quota
from gateway.policy.circumstances import Conditions
from gateway.policy.extensions import DEFAULT_DENIED_EXTENSIONS
from gateway.policy.rules import ArchiveRules, ImageRules, Metadata
from gateway.policy.ruleset import PolicyRule

_SIZES = {40: "TiB", 30: "GiB", 20: "MiB", 10: "KiB", 0: ""}
"""Units, by powers of two."""
_CONDITIONS = {
    "endpoints": "endpoint",
    "roles": "role",
    "identities": "identity",
    "users": "user",
    "channels": "channel",
    "teams": "team",
}
_EFFECTS = {
    "allowed": "allowed_types",
    "denied": "denied_types",
    "agreement": "extension_agreement",
    "metadata": "strip_metadata",
}
"""What the file calls them, where that is another name."""
_METADATA = {Metadata.KEEP: "false", Metadata.REMOVE: "true", Metadata.REQUIRE: "require"}


class DescribedRule(NamedTuple):
    """A rule in words."""

    name: str
    when: str
    watched: bool
    effects: list[str]


def described_rule(rule: PolicyRule) -> DescribedRule:
    """When it applies, and what it says."""
    effects = [
        line
        for name, value in rule.effects.said().items()
        for line in _effect(_EFFECTS.get(name, name), value)
    ]
    return DescribedRule(rule.name, _when(rule.conditions), not rule.enforce, effects)


def described(rules: Sequence[PolicyRule]) -> Iterator[str]:
    """Lines that say in which order rules are asked, when they apply, and what they say."""
    for number, rule in enumerate(map(described_rule, rules), 1):
        watched = ", only watched" if rule.watched else ""
        yield f"{number}. {rule.name}: {rule.when}{watched}"
        for effect in rule.effects:
            yield f"   {effect}"


def _when(conditions: Conditions) -> str:
    met = [
        f"{key} is {' or '.join(sorted(wanted))}"
        for name, key in _CONDITIONS.items()
        if (wanted := getattr(conditions, name))
    ]
    return f"if {', and '.join(met)}" if met else "always"


def _effect(key: str, value: object) -> Iterator[str]:
    if isinstance(value, ArchiveRules | ImageRules):
        for item in fields(value):
            yield from _effect(f"{key}.{item.name}", getattr(value, item.name))
    else:
        yield f"{key} = {_shown(key, value) or '[]'}"


def _shown(key: str, value: Any) -> str:
    if key.endswith("_size"):
        return _size(value)
    if key == "quotas":
        return ", ".join(_quota(quota) for quota in value)
    if isinstance(value, Metadata):
        return _METADATA[value]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, frozenset):
        return ", ".join(_endings(value))
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _size(size: int) -> str:
    return next(f"{size >> p}{unit}" for p, unit in _SIZES.items() if size % 2**p == 0)


def _quota(quota: Quota) -> str:
    limit = format_limit(quota)
    if quota.unit == "bytes":
        limit = limit.replace(f"{quota.limit}", _size(quota.limit))
    return f"{quota.scope} {limit}"


def _endings(endings: frozenset[str]) -> list[str]:
    if endings >= DEFAULT_DENIED_EXTENSIONS:
        return ["default", *sorted(endings - DEFAULT_DENIED_EXTENSIONS)]
    return sorted(endings)
