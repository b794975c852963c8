"""docs/content-types.md has the members of groups and traits that the code has."""

import re
from pathlib import Path

import pytest

from gateway.content import Finding, with_findings
from gateway.policy.groups import MEMBERS, Group, group_of
from gateway.policy.traits import Trait, traits_of

PAGE = Path(__file__).parent.parent / "docs" / "content-types.md"


def rows(marker: str) -> dict[str, list[str]]:
    """The cells of a table by the first of each row."""
    (table,) = re.findall(rf"^<!-- {marker} -->\n((?:\|.*\n)+)", PAGE.read_text(), re.M)
    cells = [[c.strip() for c in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in cells}


GROUPS = rows("groups")


def test_every_group_that_can_be_chosen_is_there() -> None:
    assert set(GROUPS) == set(Group) - {Group.OTHER}


@pytest.mark.parametrize("group", GROUPS)
def test_members(group: str) -> None:
    told = set(re.findall("`([^`]+)`", GROUPS[group][0]))
    assert told == {name for name, its in MEMBERS.items() if its == group}


@pytest.mark.parametrize("group", GROUPS)
def test_families(group: str) -> None:
    families = re.findall("`([^`]+)`", GROUPS[group][1])
    examples = [family.replace("*", "not-in-any-row") for family in families]
    examples = [name if "/" in name else f"application/{name}" for name in examples]
    assert {name: group_of(name) for name in examples} == dict.fromkeys(examples, Group(group))


def test_traits() -> None:
    table = rows("traits")
    assert set(table) == set(Trait)
    for trait, (what, in_logs) in table.items():
        for content_type in re.findall(r"`([a-z]+/[a-z0-9.+-]+)`", what):
            assert Trait(trait) in traits_of(content_type)
        (finding,) = re.findall("with=([a-z-]+)", in_logs)
        content = with_findings("application/zip", {Finding(finding)})
        assert traits_of(content) == {Trait(trait)}
