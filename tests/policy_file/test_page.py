"""docs/policy.md: its examples are read, and do what the tables under them say."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from gateway.configuration import ruleset_from
from gateway.content import split
from gateway.places import Place
from gateway.policy.circumstances import Circumstances, IdentityKind, Role
from gateway.policy.groups import Group, group_of
from gateway.policy.judge import judge_content, judge_declaration
from gateway.policy.rules import ArchiveRules, ImageRules, Metadata, Policy
from gateway.policy.ruleset import Ruleset
from gateway.policy_file.parsing import parse
from gateway.policy_file.problems import PolicyFileError
from gateway.policy_file.schema import schema
from gateway.policy_file.tables import (
    ArchivesTable,
    ImagesTable,
    RuleTable,
    Table,
    WhenTable,
    keys_of,
)
from gateway.refusals import Refusal
from gateway.settings import load
from gateway.units import parse_size
from tests.support.example import EXAMPLE, hardened

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "policy.md").read_text()

BLOCKS = dict(re.findall(r"^<!-- policy: (\w+) -->\n```toml\n(.*?)^```$", PAGE, re.M | re.S))
TABLES = re.findall(r"^<!-- cases: (.+) -->\n((?:\|.*\n)+)", PAGE, re.M)
WRONG = "wrong"
OFF = ", with GATEWAY_ENFORCE=off"

SETTINGS = load({"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9"})


@dataclass(frozen=True)
class Case:
    """A row of a table."""

    example: str
    sender: str
    where: str
    file: str
    outcome: str
    decided_by: str

    @property
    def rules(self) -> Ruleset:
        text = BLOCKS[self.example.removesuffix(OFF)]
        return replace(ruleset_from(SETTINGS, parse(text)), enforce=not self.example.endswith(OFF))

    @property
    def circumstances(self) -> Circumstances:
        words = re.split(r",? ", self.sender)
        if words == ["stranger"]:
            return Circumstances(self.where)
        if words == ["server"]:
            return Circumstances(self.where, IdentityKind.SERVER)
        roles = frozenset(Role(word) for word in words if word[0] != "@" and word != "team_admin")
        user = frozenset({"some-id", *(word[1:] for word in words if word[0] == "@")})
        endpoint, place = self.place(team_admin="team_admin" in words)
        return Circumstances(endpoint, IdentityKind.SESSION, user, roles, place)

    def place(self, *, team_admin: bool) -> tuple[str, Place]:
        if not self.where.startswith("~"):
            return self.where, Place(team_admin=team_admin)
        channel, _, team = self.where[1:].partition(" in ")
        known = frozenset({team, "team-id"} if team else {"team-id"})
        return "files", Place(frozenset({channel, "channel-id"}), known, team_admin)

    def judged(self, policy: Policy) -> Refusal | None:
        name, content_type, size = self.parts
        return judge_declaration(policy, name, parse_size(size)) or judge_content(
            policy, name, content_type
        )

    @property
    def parts(self) -> tuple[str, str, str]:
        """Name, content type, size."""
        match = re.fullmatch(r"`([^`]+)`, `([^`]+)`, (\d+ [KMG]iB)", self.file)
        assert match, self.file
        return match[1], match[2], match[3]


def cases() -> Iterator[Case]:
    for example, table in TABLES:
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            yield Case(example, *cells)


CASES = list(cases())


def done_to(policy: Policy, content_type: str) -> list[str]:
    """What else happens to a file that passes."""
    group = group_of(split(content_type)[0])
    done = {
        "looked into": policy.archives is not None and group is Group.ARCHIVES,
        "scanned": policy.scan,
        "its metadata removed": policy.metadata is not Metadata.KEEP and group is Group.IMAGES,
        "its size measured": policy.images is not None and group is Group.IMAGES,
    }
    return [what for what, is_done in done.items() if is_done]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.example}-{case.file}")
def test_a_row(case: Case) -> None:
    decision = case.rules.decide(case.circumstances)
    named = {"the settings": "default", "nobody": "none"}
    decided_by = named.get(case.decided_by, case.decided_by.strip("`"))
    assert decision.policy.name == decided_by

    refusal = case.judged(decision.policy)
    if refusal is not None:
        told = f"`{refusal.id}`"
    else:
        told = ", ".join(["passes", *done_to(decision.policy, case.parts[1])])
    for policy in decision.watched:
        watched = case.judged(policy)
        if watched is not None:
            told += f"; `{policy.name}` would refuse it: `{watched.id}`"
    assert case.outcome == told


def test_every_example_has_a_table() -> None:
    assert set(BLOCKS) - {WRONG} == {example.removesuffix(OFF) for example, _ in TABLES}
    assert len(BLOCKS) == len(re.findall("^```toml$", PAGE, re.M))
    assert len(CASES) > 50


@pytest.mark.parametrize("example", sorted(BLOCKS.keys() - {WRONG}))
def test_every_rule_of_an_example_decides_or_is_watched(example: str) -> None:
    shown = " ".join(case.outcome + case.decided_by for case in CASES if example in case.example)
    for rule in parse(BLOCKS[example]):
        assert f"`{rule.name}`" in shown


@pytest.mark.parametrize("example", [*BLOCKS, "deploy"])
def test_the_schema_says_the_same(example: str) -> None:
    text = EXAMPLE if example == "deploy" else BLOCKS[example]
    valid = Draft7Validator(schema()).is_valid(tomllib.loads(text))
    assert valid == (example != WRONG)


def test_the_problems() -> None:
    with pytest.raises(PolicyFileError) as error:
        parse(BLOCKS[WRONG])
    told = [f"policy.toml:{problem.line}: {problem.sentence}" for problem in error.value.problems]
    (shown,) = re.findall(r"^<!-- problems: wrong -->\n```text\n(.*?)^```$", PAGE, re.M | re.S)
    assert shown.splitlines() == told


# Keys


@pytest.mark.parametrize(
    ("marker", "table"),
    [
        ("when", WhenTable),
        ("rule", RuleTable),
        ("archives", ArchivesTable),
        ("images", ImagesTable),
    ],
)
def test_keys(marker: str, table: type[Table]) -> None:
    rows = key_rows(marker)
    shown = [key for row in rows for key in re.findall(r"`(?:when\.)?(\w+)`", row[0])]
    assert sorted(shown) == sorted(keys_of(table))


def key_rows(marker: str) -> list[list[str]]:
    (table,) = re.findall(rf"^<!-- keys: {marker} -->\n((?:\|.*\n)+)", PAGE, re.M)
    return [[c.strip() for c in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]


@pytest.mark.parametrize(
    ("marker", "defaults"), [("archives", ArchiveRules()), ("images", ImageRules())]
)
def test_what_holds_if_a_key_is_left_out(marker: str, defaults: object) -> None:
    """The values that are shown, set, are the defaults."""
    lines = [f"{row[0].strip('`')} = {row[1].strip('`')}" for row in key_rows(marker)]
    text = "\n".join(["[[rule]]", "name = 'a'", f"[rule.{marker}]", *lines])
    (rule,) = parse(text)
    assert getattr(rule.effects, marker) == defaults


# As strict as it gets


def test_the_strict_example_turns_everything_on() -> None:
    (rule,) = parse(EXAMPLE)
    assert rule.name == hardened().name
    unset = {name for name in keys_of(RuleTable) if name not in tomllib.loads(EXAMPLE)["rule"][0]}
    of_certain_names = {"allowed_extensions", "allowed_names", "denied_names"}
    assert unset == {"when", "enforce", "quotas", *of_certain_names}
    assert rule.effects.archives == ArchiveRules()
    assert rule.effects.images == ImageRules()
