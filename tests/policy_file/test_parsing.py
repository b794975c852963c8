"""The text of a policy file, and what is wrong with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.endpoints import ENDPOINTS
from gateway.policy.agreement import Agreement
from gateway.policy.circumstances import Conditions, IdentityKind, Role
from gateway.policy.extensions import DEFAULT_DENIED_EXTENSIONS
from gateway.policy.rules import ArchiveRules, ImageRules, Metadata, Unseen
from gateway.policy.ruleset import Effects, PolicyRule
from gateway.policy.selectors import EVERYTHING, NOTHING, TypeSelector
from gateway.policy_file.parsing import parse
from gateway.policy_file.problems import PolicyFileError, Problem
from tests.policy_file.files import BAD, GOOD, Bad
from tests.policy_file.files import EVERYTHING as WHOLE


def problems(text: str) -> list[Problem]:
    with pytest.raises(PolicyFileError) as error:
        parse(text)
    return list(error.value.problems)


def effects(lines: str) -> Effects:
    (rule,) = parse(f"[[rule]]\nname = 'a'\n{lines}\n")
    return rule.effects


def test_everything() -> None:
    (rule,) = parse(WHOLE)
    assert rule == PolicyRule(
        "All_of-it",
        Conditions(
            endpoints=frozenset({"files", "unlisted", "imports", "saml_certificate"}),
            roles=frozenset({Role.GUEST, Role.TEAM_ADMIN}),
            identities=frozenset({IdentityKind.SESSION}),
            users=frozenset({"bob", "alice.b:remote"}),
            channels=frozenset({"town-square", "4xp9fdt77pncbef59f4k1qe83o"}),
            teams=frozenset({"staff"}),
        ),
        Effects(
            max_file_size=3 * 2**19,
            allowed=TypeSelector.parse("images,application/pdf,video/*"),
            denied=TypeSelector.parse("executables,macros"),
            allowed_extensions=frozenset({"pdf", "tar.gz"}),
            denied_extensions=DEFAULT_DENIED_EXTENSIONS | {"iso"},
            allowed_names=("invoice-*.pdf", "ä?.[ch]"),
            denied_names=("*,*",),
            agreement=Agreement.STRICT,
            scan=True,
            metadata=Metadata.REQUIRE,
            message="No.",
            archives=ArchiveRules(1, 2, 3, 4, 5, Unseen.ALLOW, Unseen.DENY),
            images=ImageRules(6000, 7),
            quotas=(),
        ),
        enforce=False,
    )
    assert isinstance(rule.effects.archives, ArchiveRules)
    assert type(rule.effects.archives.encrypted) is Unseen


def test_a_rule_that_says_nothing() -> None:
    assert parse('[[rule]]\nname = "a"') == (PolicyRule("a", Conditions(), Effects()),)


def test_rules_are_in_their_order() -> None:
    names = ["z", "a", "m"]
    text = "".join(f"[[rule]]\nname = '{name}'\nwhen.user = '{name}'\n" for name in names)
    assert [rule.name for rule in parse(text)] == names


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right(name: str) -> None:
    assert parse(GOOD[name])
    assert parse(GOOD[name].replace("\n", "\r\n")) == parse(GOOD[name])


def test_what_allows_nothing_and_what_denies_nothing() -> None:
    said = effects("allowed_types = []\ndenied_types = ''\nallowed_names = []")
    assert (said.allowed, said.denied, said.allowed_names) == (NOTHING, NOTHING, ())
    assert effects("allowed_types = '*'").allowed == EVERYTHING


@pytest.mark.parametrize(
    ("written", "read"),
    [("true", Metadata.REMOVE), ("false", Metadata.KEEP), ("'require'", Metadata.REQUIRE)],
)
def test_metadata(written: str, read: Metadata) -> None:
    assert effects(f"strip_metadata = {written}").metadata is read


def test_archives_and_images_have_defaults() -> None:
    said = effects("archives = true\nimages = true")
    assert (said.archives, said.images) == (ArchiveRules(), ImageRules())
    said = effects("archives.max_depth = 1\nimages.max_frames = 1")
    assert (said.archives, said.images) == (ArchiveRules(max_depth=1), ImageRules(max_frames=1))


def test_each_row_that_takes_files_can_be_named() -> None:
    for row in ENDPOINTS:
        text = f"[[rule]]\nname = 'a'\nwhen.endpoint = '{row.name}'"
        if row.rule is None or row.name == "upload_data":
            assert problems(text)
        else:
            assert parse(text)


# What is wrong


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.lines[-60:])
def test_a_problem(bad: Bad) -> None:
    (problem,) = problems(bad.text)
    assert bad.told in problem.sentence
    assert problem.line == bad.line
    assert not problem.sentence.endswith(".")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", None, "there is no rule in it"),
        ("# nothing\n", None, "there is no rule in it"),
        ("rule = []", None, "there is no rule in it"),
        ("\n[rule]\nname = 'a'", 2, "each rule begins with [[rule]], in two brackets"),
        ("rule = 1", 1, "each rule begins with [[rule]], in two brackets"),
        ("rule = [1]", 1, "rule: expected a table"),
        ("\n[[rules]]\nname = 'a'", 2, "'rules' means nothing here: the file has rules and "
         "nothing else, each of which begins with [[rule]]; did you mean rule?"),
        ("colour = 1\n[[rule]]\nname = 'a'", 1, "'colour' means nothing here"),
        ("[[rule]]\nname = 'a'\nname = 'b'", 3, "cannot overwrite a value"),
        ("[[rule]]\nname = 'a'\nname = 'b'\n[[rule]]\nname = 'c'", 3, "cannot overwrite a value"),
        ('[[rule]]\nname = """a', 2, "unterminated string"),
        ('[[rule]]\nname = """a\n\n', 2, "unterminated string"),
        (f"a = {'[' * 5000}", None, "its values are nested too deeply"),
    ],
    ids=lambda value: str(value)[-30:],
)  # fmt: skip
def test_what_is_wrong_with_all_of_it(text: str, line: int | None, told: str) -> None:
    (problem,) = problems(text)
    assert problem.line == line
    assert told in problem.sentence


def test_all_problems_are_told_at_once_and_in_order() -> None:
    text = (
        "[[rule]]\nname = 'a'\nscan = 1\ndenied_types = ['imags', 'texd']\n"
        "[[rule]]\nname = 'b'\n[[rule]]\nwhen.role = 'gast'\n[[rule]]\nname = 'c'\n"
        "x = 1\n[[rule]]\nname = 'b'\n[y]\n"
    )
    assert [(problem.line, problem.sentence.split()[0]) for problem in problems(text)] == [
        (3, "scan:"),
        (4, "denied_types:"),
        (4, "denied_types:"),
        (7, "name:"),
        (8, "when.role:"),
        (11, "x"),
        (12, "the"),
        (13, "name:"),
        (14, "'y'"),
    ]


def test_lines_are_found_in_whatever_spelling() -> None:
    text = '''\
[[rule]] # the first
"name" = """
a b"""
[rule.'when']
"role" = [ # who
  "guest", # [[rule]]
  "gest" ]
[[rule]]
name = 'b' ; '''
    assert [problem.line for problem in problems(text)] == [9]
    text = text.removesuffix(" ; ") + "\narchives = {max_depth = 1, encrypted = 'x'}\n"
    assert [problem.line for problem in problems(text)] == [2, 7, 10]


# Rules that can never apply


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("", ""),
        ("", "when.role = 'guest'"),
        ("", "enforce = false"),
        ("when.role = 'guest'", "when.role = 'guest'"),
        ("when.role = ['guest', 'bot']", "when.role = 'guest'"),
        ("when.role = 'guest'", "when = { role = 'guest', channel = 'x' }"),
        ("when.user = '@Bob'", "when.user = 'bob'"),
    ],
)
def test_a_rule_that_can_never_apply(first: str, second: str) -> None:
    text = f"[[rule]]\nname = 'a'\n{first}\n\n[[rule]]\nname = 'b'\n{second}\n"
    (problem,) = problems(text)
    assert problem.line == 5
    assert problem.sentence == (
        "the rule b can never apply: a, in line 1, comes before it, and decides wherever it would"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("enforce = false", ""),
        ("when.role = 'guest'", ""),
        ("when.role = 'guest'", "when.role = ['guest', 'bot']"),
        ("when.role = 'guest'", "when.channel = 'x'"),
        ("when = { role = 'guest', channel = 'x' }", "when.role = 'guest'"),
        ("when.user = 'bob'", "when.user = 'alice'"),
    ],
)
def test_a_rule_that_can_apply(first: str, second: str) -> None:
    assert parse(f"[[rule]]\nname = 'a'\n{first}\n[[rule]]\nname = 'b'\n{second}\n")


# Whatever the text is


def test_a_file_that_breaks_off_is_read_or_refused() -> None:
    """That it is shorter than it was cannot always be seen."""
    ends = [ending(WHOLE[:length]) for length in range(len(WHOLE))]
    assert 10 < ends.count([]) < len(ends) - 10


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(WHOLE)), st.integers(0, 20), st.text('[]{}"=\n.,#\\ar1', max_size=5)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_there_is_a_rule_or_a_problem(changes: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, gone, instead in changes:
        text = text[:at] + instead + text[at + gone :]
    last = text.count("\n") + 1
    assert all(1 <= (problem.line or 1) <= last for problem in ending(text))


def ending(text: str) -> list[Problem]:
    """The problems of ``text``; none if there are rules in it."""
    try:
        rules = parse(text)
    except PolicyFileError as error:
        return list(error.problems) or [Problem(0, "an error without a problem")]
    return [] if rules else [Problem(0, "neither a rule nor a problem")]
