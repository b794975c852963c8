"""Which rule decides."""

from collections.abc import Sequence
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.language import parse_quotas
from gateway.places import Question
from gateway.policy.circumstances import Circumstances, Conditions, IdentityKind, Role
from gateway.policy.judge import judge_content, judge_declaration
from gateway.policy.rules import Agreement, ArchiveRules, ImageRules, Metadata, Policy
from gateway.policy.ruleset import ANYTHING, NO_LIMIT, Effects, PolicyRule, Rulebook, Ruleset
from gateway.policy.selectors import EVERYTHING, NOTHING, TypeSelector

USUAL = Policy(
    1000, EVERYTHING, TypeSelector.parse("executables"), frozenset({"exe"}), Agreement.DANGEROUS
)
EMOJI = replace(USUAL, max_file_size=100, allowed=TypeSelector.parse("images"))
DEFAULTS = {"files": USUAL, "uploads": USUAL, "emoji": EMOJI}
ATTACHMENTS = frozenset({"files", "uploads"})
NO_RULES = Ruleset(DEFAULTS, ATTACHMENTS, counted=ATTACHMENTS)

GUESTS = Conditions(roles=frozenset({Role.GUEST}))
SQUARE = Conditions(channels=frozenset({"town-square"}))
ALWAYS = Conditions()


def rule(
    name: str, conditions: Conditions = ALWAYS, size: int = 10, *, enforce: bool = True
) -> PolicyRule:
    return PolicyRule(name, conditions, Effects(max_file_size=size), enforce)


def ruled(*rules: PolicyRule, enforce: bool = True) -> Ruleset:
    return replace(NO_RULES, rules=rules, enforce=enforce)


def at(endpoint: str = "files", *roles: Role) -> Circumstances:
    return Circumstances(endpoint, IdentityKind.SESSION, frozenset({"bob"}), frozenset(roles))


def names(policies: Sequence[Policy]) -> list[str]:
    return [policy.name for policy in policies]


def test_without_rules_the_settings_decide() -> None:
    decision = NO_RULES.decide(at("emoji"))
    assert decision.policy == EMOJI
    assert decision.watched == ()


G, U = Role.GUEST, Role.USER


@pytest.mark.parametrize(
    ("rules", "role", "decides", "watched"),
    [
        ([rule("a")], U, "a", []),
        ([rule("a"), rule("b")], U, "a", []),
        ([rule("a", GUESTS), rule("b")], G, "a", []),
        ([rule("a", GUESTS), rule("b")], U, "b", []),
        ([rule("a", GUESTS)], U, "default", []),
        # What is watched does not decide.
        ([rule("a", enforce=False)], U, "default", ["a"]),
        ([rule("a", enforce=False), rule("b")], U, "b", ["a"]),
        ([rule("a", enforce=False), rule("b", enforce=False), rule("c")], U, "c", ["a", "b"]),
        ([rule("a", enforce=False), rule("b", GUESTS), rule("c", enforce=False)], U, "default",
         ["a", "c"]),
        # Nor does what is behind the one that decides get a say.
        ([rule("a"), rule("b", enforce=False)], U, "a", []),
        ([rule("a", GUESTS, enforce=False), rule("b")], U, "b", []),
    ],
)  # fmt: skip
def test_order(rules: list[PolicyRule], role: Role, decides: str, watched: list[str]) -> None:
    decision = ruled(*rules).decide(at("files", role))
    assert decision.policy.name == decides
    assert names(decision.watched) == watched
    assert names(decision.policies) == [*watched, decides]

    unenforced = ruled(*rules, enforce=False).decide(at("files", role))
    assert unenforced.policy == ANYTHING
    assert names(unenforced.watched) == [*watched, decides]


def test_what_a_rule_leaves_open_is_as_in_the_settings() -> None:
    (policy,) = ruled(rule("a", size=5)).decide(at()).policies
    assert policy == replace(USUAL, name="a", max_file_size=5)


def test_a_rule_can_say_everything() -> None:
    effects = Effects(
        max_file_size=5,
        allowed=TypeSelector.parse("images"),
        denied=NOTHING,
        allowed_extensions=frozenset({"png"}),
        denied_extensions=frozenset(),
        allowed_names=("a*",),
        denied_names=("b*",),
        agreement=Agreement.STRICT,
        scan=True,
        metadata=Metadata.REMOVE,
        message="No.",
        archives=ArchiveRules(),
        images=ImageRules(),
        quotas=parse_quotas("user 5 files/day"),
    )
    assert None not in [getattr(effects, item.name) for item in fields(effects)]
    (policy,) = ruled(PolicyRule("a", ALWAYS, effects)).decide(at()).policies
    assert {name: getattr(policy, name) for name in effects.said()} == effects.said()
    assert policy.within == EVERYTHING


QUOTAS = parse_quotas("user 5 files/day, team 1GiB/day")


def test_quotas_are_those_of_the_rule_that_decides() -> None:
    usual = {
        name: replace(policy, quotas=parse_quotas("user 1 file/day, team_admin 2 files/day"))
        for name, policy in DEFAULTS.items()
    }
    guests = PolicyRule("guests", Conditions(roles=frozenset({Role.GUEST})), Effects(quotas=QUOTAS))
    bots = PolicyRule("bots", Conditions(roles=frozenset({Role.BOT})), Effects(quotas=()))
    rules = replace(ruled(guests, bots), defaults=usual)
    for enforced in (True, False):  # a quota is not tried by watching: its books are real
        rules = replace(rules, enforce=enforced)
        assert rules.decide(at("files", Role.GUEST)).policy.quotas == QUOTAS
        assert rules.decide(at("files", Role.BOT)).policy.quotas == ()
        assert rules.decide(at("files", Role.USER)).policy.quotas == usual["files"].quotas
        plain = replace(rules, rules=()).plain
        assert plain["files"].policy.quotas == usual["files"].quotas
        # Licences and the like count against nobody's.
        assert rules.decide(at("emoji", Role.GUEST)).policy.quotas == ()
        assert plain["emoji"].policy.quotas == ()
    assert rules.quota_questions == {Question.TEAM_ID, Question.TEAM_ADMIN}
    assert rules.questions == frozenset()


def test_a_verdict_holds_whatever_becomes_of_quotas() -> None:
    assert replace(USUAL, quotas=QUOTAS).fingerprint() == USUAL.fingerprint()


LARGE_TEXTS = Effects(max_file_size=5000, allowed=TypeSelector.parse("text"))


@pytest.mark.parametrize(
    ("conditions", "endpoint", "size", "within"),
    [
        (ALWAYS, "files", 5000, "*"),
        (ALWAYS, "uploads", 5000, "*"),
        (ALWAYS, "emoji", 100, "images"),
        (Conditions(endpoints=frozenset({"emoji", "files"})), "emoji", 5000, "*"),
    ],
)
def test_a_rule_widens_only_what_it_names(
    conditions: Conditions, endpoint: str, size: int, within: str
) -> None:
    policy = ruled(PolicyRule("a", conditions, LARGE_TEXTS)).decide(at(endpoint)).policy
    assert (policy.max_file_size, str(policy.within)) == (size, within)
    assert str(policy.allowed) == "text"


def test_nothing_widens_a_special_endpoint_by_the_way() -> None:
    policy = ruled(PolicyRule("a", ALWAYS, LARGE_TEXTS)).decide(at("emoji")).policy
    for content_type in ("text/plain", "image/png"):
        assert judge_content(policy, "a", content_type) is not None


def test_where_the_place_is_not_known_yet_the_largest_of_all_may_pass() -> None:
    rules = [rule("a", SQUARE, 5000), rule("b", GUESTS, 9000, enforce=False), rule("c", size=10)]
    before = ruled(*rules).before("files")
    assert before.policy == replace(ANYTHING, max_file_size=5000)
    assert before.watched == ()
    assert ruled(*rules).before("emoji").policy.max_file_size == 100
    assert ruled(*rules, enforce=False).before("files").policy.max_file_size == NO_LIMIT
    assert ruled(rule("a", SQUARE, 5)).before("files").policy.max_file_size == 1000
    with pytest.raises(ValueError, match="no difference"):
        ruled(rule("a", GUESTS)).before("files")


def test_what_has_to_be_asked() -> None:
    assert NO_RULES.questions == set()
    rules = ruled(rule("a", GUESTS), rule("b", SQUARE, enforce=False))
    assert rules.questions == {Question.CHANNEL}


def test_equal_decisions_are_one() -> None:
    """So that what is known of a policy is known the next time."""
    rules = ruled(rule("a", GUESTS), rule("b", enforce=False))
    assert rules.decide(at("files", G)) is rules.decide(at("files", G, U))
    assert rules.decide(at("files", G)) is not rules.decide(at("files", U))
    assert rules.decide(at("files", U)) is not rules.decide(at("uploads", U))


def test_what_is_remembered_belongs_to_one_ruleset() -> None:
    """And not to what is made of it."""
    rules = ruled(rule("a"))
    assert rules.decide(at()).policy.name == "a"
    assert replace(rules, rules=[rule("b")]).decide(at()).policy.name == "b"


def test_rules_in_force_can_be_replaced() -> None:
    book = Rulebook(NO_RULES)
    book.rules = ruled(rule("a"))
    assert book.rules.decide(at()).policy.name == "a"


# What is only watched never makes a difference.

SELECTORS = st.sampled_from(["", "*", "images", "text", "executables"]).map(TypeSelector.parse)
EFFECTS = st.builds(
    Effects,
    max_file_size=st.none() | st.integers(0, 2000),
    allowed=st.none() | SELECTORS,
    denied=st.none() | SELECTORS,
    allowed_extensions=st.none() | st.just(frozenset({"png"})),
    denied_names=st.none() | st.just(("a*",)),
    agreement=st.none() | st.sampled_from(Agreement),
)
CONDITIONS = st.builds(
    Conditions,
    endpoints=st.frozensets(st.sampled_from(list(DEFAULTS)), max_size=1),
    roles=st.frozensets(st.sampled_from([G, U]), max_size=2),
)
RULES = st.lists(st.builds(PolicyRule, st.just("a"), CONDITIONS, EFFECTS, st.booleans()))
FILES = st.tuples(
    st.sampled_from(["a.png", "b.png", "a.exe", "b"]),
    st.sampled_from(["image/png", "text/plain", "application/x-dosexec"]),
    st.integers(0, 2000),
)


def verdict(rules: Ruleset, circumstances: Circumstances, file: tuple[str, str, int]) -> object:
    name, content_type, size = file
    policy = rules.decide(circumstances).policy
    return judge_declaration(policy, name, size) or judge_content(policy, name, content_type)


WHO = st.builds(at, st.sampled_from(list(DEFAULTS)), st.sampled_from([G, U]))


@given(RULES, st.integers(0), CONDITIONS, EFFECTS, WHO, FILES)
def test_watching_changes_no_verdict(
    rules: list[PolicyRule],
    place: int,
    conditions: Conditions,
    effects: Effects,
    who: Circumstances,
    file: tuple[str, str, int],
) -> None:
    place %= len(rules) + 1
    watched = PolicyRule("watched", conditions, effects, enforce=False)
    more = [*rules[:place], watched, *rules[place:]]
    assert verdict(ruled(*rules), who, file) == verdict(ruled(*more), who, file)


@given(RULES, WHO, FILES)
def test_nothing_is_refused_where_nothing_is_enforced(
    rules: list[PolicyRule], who: Circumstances, file: tuple[str, str, int]
) -> None:
    assert verdict(ruled(*rules, enforce=False), who, file) is None


@given(RULES, WHO, FILES)
def test_what_is_watched_then_is_what_would_have_decided(
    rules: list[PolicyRule], who: Circumstances, file: tuple[str, str, int]
) -> None:
    decision = ruled(*rules, enforce=False).decide(who)
    assert decision.watched == ruled(*rules).decide(who).policies


@given(RULES, WHO, FILES)
def test_no_rule_lets_pass_what_a_special_endpoint_does_not_take(
    rules: list[PolicyRule], who: Circumstances, file: tuple[str, str, int]
) -> None:
    """Unless it names the endpoint."""
    general = [
        replace(rule, conditions=replace(rule.conditions, endpoints=frozenset())) for rule in rules
    ]
    emoji = replace(who, endpoint="emoji")
    if not EMOJI.allowed.matches(file[1]) or file[2] > EMOJI.max_file_size:
        assert verdict(ruled(*general), emoji, file) is not None
