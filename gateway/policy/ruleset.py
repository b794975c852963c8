"""Which rule decides about a file: rules in order, the settings last. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

from gateway.ledger.quotas import Quota
from gateway.places import Question
from gateway.policy.circumstances import Circumstances, Conditions
from gateway.policy.rules import Agreement, ArchiveRules, ImageRules, Metadata, Policy
from gateway.policy.selectors import EVERYTHING, NOTHING, TypeSelector

NO_LIMIT = 2**63 - 1
"""Bytes; more than any file has."""
ANYTHING = Policy(NO_LIMIT, EVERYTHING, NOTHING, frozenset(), Agreement.OFF, name="none")
"""What decides where nothing is enforced."""


@dataclass(frozen=True, slots=True)
class Decision:
    """By what a file is judged."""

    policy: Policy
    """What holds."""
    watched: tuple[Policy, ...] = ()
    """What would hold if it were enforced: what these would refuse is reported."""
    policies: tuple[Policy, ...] = field(init=False)
    looks_closely: bool = field(init=False)
    """Whether what hides in pictures, sounds and films matters to any of them."""
    examines: bool = field(init=False)
    """Whether any of them could want more of a file than its head."""
    smallest_limit: int = field(init=False)
    """Bytes of a file that is too large for none of them."""

    def __post_init__(self) -> None:
        policies = (*self.watched, self.policy)
        closely = any(policy.looks_closely for policy in policies)
        object.__setattr__(self, "policies", policies)
        object.__setattr__(self, "looks_closely", closely)
        object.__setattr__(self, "examines", any(policy.examines for policy in policies))
        object.__setattr__(self, "smallest_limit", min(p.max_file_size for p in policies))


_ASKED = {"team": Question.TEAM_ID, "team_admin": Question.TEAM_ADMIN}
"""What quotas of a scope need to know of places."""


def asked_by(quotas: Iterable[Quota]) -> frozenset[Question]:
    """What ``quotas`` need to know of places."""
    return frozenset([_ASKED[quota.scope] for quota in quotas if quota.scope in _ASKED])


@dataclass(frozen=True, slots=True)
class Effects:
    """What a rule says; what is None is as in the settings for the endpoint."""

    max_file_size: int | None = None
    allowed: TypeSelector | None = None
    denied: TypeSelector | None = None
    allowed_extensions: frozenset[str] | None = None
    denied_extensions: frozenset[str] | None = None
    allowed_names: tuple[str, ...] | None = None
    denied_names: tuple[str, ...] | None = None
    agreement: Agreement | None = None
    scan: bool | None = None
    metadata: Metadata | None = None
    message: str | None = None
    archives: ArchiveRules | None = None
    images: ImageRules | None = None
    quotas: tuple[Quota, ...] | None = None

    def said(self) -> dict[str, Any]:
        """What is not None, by its name, which is that of a policy's field."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A rule of the policy file."""

    name: str
    conditions: Conditions
    effects: Effects
    enforce: bool = True
    """False only watches: what it would refuse is reported, and the rules behind it decide."""

    def policy(self, endpoint: str, default: Policy, *, widens: bool) -> Policy:
        """What it says of ``endpoint``, where ``default`` holds otherwise.

        Unless it ``widens``, or names the endpoint, it lets nothing pass there that the endpoint
        does not take anyway: a rule for documents is none for licences.
        """
        policy = replace(default, name=self.name, **self.effects.said())
        if widens or endpoint in self.conditions.endpoints:
            return policy
        size = min(policy.max_file_size, default.max_file_size)
        return replace(policy, max_file_size=size, within=default.allowed)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All rules: the first whose conditions hold decides, the settings if there is none."""

    defaults: Mapping[str, Policy]
    """What the settings say, by endpoint."""
    widened: frozenset[str] = frozenset()
    """Endpoints of attachments, where any rule may let more pass than the settings."""
    rules: Sequence[PolicyRule] = ()
    enforce: bool = True
    """False lets everything pass but for quotas, and reports what would be refused."""
    counted: frozenset[str] = frozenset()
    """Endpoints where uploads take from quotas."""
    quota_questions: frozenset[Question] = field(init=False, repr=False, compare=False)
    """What quotas need to know of places."""
    _decisions: dict[tuple[str, tuple[int, ...]], Decision] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    questions: frozenset[Question] = field(init=False, compare=False)
    """What the rules need to know of places."""
    plain: Mapping[str, Decision] = field(init=False, repr=False, compare=False)
    """By what any file is judged where there are no rules, by endpoint; empty if there are any."""

    def __post_init__(self) -> None:
        said = [policy.quotas for policy in self.defaults.values()]
        said += [rule.effects.quotas or () for rule in self.rules]
        object.__setattr__(self, "quota_questions", asked_by(chain(*said)))
        asked = (rule.conditions.questions() for rule in self.rules)
        object.__setattr__(self, "questions", frozenset[Question]().union(*asked))
        endpoints = () if self.rules else self.defaults
        plain = {endpoint: self._decision(endpoint, ()) for endpoint in endpoints}
        object.__setattr__(self, "plain", plain)

    def decide(self, circumstances: Circumstances) -> Decision:
        return self._decision(circumstances.endpoint, self._matching(circumstances))

    def before(self, endpoint: str) -> Decision:
        """For a file of which it is not known yet where it goes: all that any rule lets pass."""
        if not self.questions:
            raise ValueError("the place makes no difference")
        policies = [
            self.defaults[endpoint],
            *(self._policy(rule, endpoint) for rule in self.rules if rule.enforce),
        ]
        largest = max(policy.max_file_size for policy in policies) if self.enforce else NO_LIMIT
        return Decision(replace(ANYTHING, max_file_size=largest))

    def _matching(self, circumstances: Circumstances) -> tuple[int, ...]:
        """The rules that are watched, and the one that decides, by their places."""
        matching = []
        for number, rule in enumerate(self.rules):
            if rule.conditions.hold(circumstances):
                matching.append(number)
                if rule.enforce:
                    break
        return tuple(matching)

    def _decision(self, endpoint: str, matching: tuple[int, ...]) -> Decision:
        decision = self._decisions.get((endpoint, matching))
        if decision is None:
            decision = self._decisions[endpoint, matching] = self._made(endpoint, matching)
        return decision

    def _made(self, endpoint: str, matching: tuple[int, ...]) -> Decision:
        rules = [self.rules[number] for number in matching]
        policies = [self._policy(rule, endpoint) for rule in rules]
        if not rules or not rules[-1].enforce:
            policies.append(self._counted(endpoint, self.defaults[endpoint]))
        if not self.enforce:
            policies.append(replace(ANYTHING, quotas=policies[-1].quotas))
        return Decision(policies[-1], tuple(policies[:-1]))

    def _policy(self, rule: PolicyRule, endpoint: str) -> Policy:
        default = self.defaults[endpoint]
        policy = rule.policy(endpoint, default, widens=endpoint in self.widened)
        return self._counted(endpoint, policy)

    def _counted(self, endpoint: str, policy: Policy) -> Policy:
        return policy if endpoint in self.counted else replace(policy, quotas=())


class Rulebook:
    """The rules in force, for all who ask; others may take their place at any time."""

    def __init__(self, rules: Ruleset) -> None:
        self.rules = rules
