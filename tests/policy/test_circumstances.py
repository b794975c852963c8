"""When a rule applies."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.places import Place, Question
from gateway.policy.circumstances import (
    Circumstances,
    Conditions,
    IdentityKind,
    Role,
)

BOB = Circumstances(
    "files",
    IdentityKind.SESSION,
    frozenset({"id-of-bob", "bob"}),
    frozenset({Role.USER, Role.SYSTEM_ADMIN}),
    Place(frozenset({"id-of-town", "town-square"}), frozenset({"id-of-team", "staff"})),
)


def some(*words: str) -> frozenset[str]:
    return frozenset(words)


@pytest.mark.parametrize(
    ("conditions", "hold"),
    [
        ({}, True),
        ({"endpoints": some("files")}, True),
        ({"endpoints": some("uploads", "files")}, True),
        ({"endpoints": some("uploads")}, False),
        ({"roles": frozenset({Role.USER})}, True),
        ({"roles": frozenset({Role.GUEST, Role.SYSTEM_ADMIN})}, True),
        ({"roles": frozenset({Role.GUEST, Role.BOT})}, False),
        ({"roles": frozenset({Role.TEAM_ADMIN})}, False),
        ({"identities": frozenset({IdentityKind.SESSION})}, True),
        ({"identities": frozenset({IdentityKind.STRANGER})}, False),
        ({"users": some("bob")}, True),
        ({"users": some("id-of-bob")}, True),
        ({"users": some("alice")}, False),
        ({"channels": some("town-square")}, True),
        ({"channels": some("id-of-town", "x")}, True),
        ({"channels": some("x")}, False),
        ({"teams": some("staff")}, True),
        ({"teams": some("x")}, False),
        # One of each.
        ({"users": some("bob"), "teams": some("staff")}, True),
        ({"users": some("bob"), "teams": some("x")}, False),
        ({"users": some("alice"), "teams": some("staff")}, False),
    ],
)
def test_conditions(conditions: dict[str, Any], hold: bool) -> None:
    assert Conditions(**conditions).hold(BOB) is hold


def test_a_team_s_administrator_is_known_by_the_place() -> None:
    conditions = Conditions(roles=frozenset({Role.TEAM_ADMIN}))
    assert conditions.hold(replace(BOB, place=BOB.place._replace(team_admin=True)))


@pytest.mark.parametrize(
    "conditions",
    [{"users": some("bob")}, {"roles": frozenset(Role)}, {"channels": some("x")},
     {"teams": some("x")}],
)  # fmt: skip
def test_strangers_meet_no_condition_on_who_they_are(conditions: dict[str, Any]) -> None:
    assert not Conditions(**conditions).hold(Circumstances("unlisted"))


@pytest.mark.parametrize(
    ("conditions", "questions"),
    [
        ({}, set()),
        ({"endpoints": some("files"), "users": some("bob")}, set()),
        ({"roles": frozenset({Role.GUEST})}, set()),
        ({"roles": frozenset({Role.TEAM_ADMIN})}, {Question.TEAM_ADMIN}),
        ({"channels": some("x")}, {Question.CHANNEL}),
        ({"channels": some("x"), "teams": some("x")}, {Question.CHANNEL, Question.TEAM}),
    ],
)
def test_what_has_to_be_asked(conditions: dict[str, Any], questions: set[Question]) -> None:
    assert Conditions(**conditions).questions() == questions
