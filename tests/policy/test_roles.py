"""What an identity is to rules."""

import pytest

from gateway.policy.circumstances import Role, roles_of
from gateway.values import Identity

GUEST, USER, BOT, ADMIN = Role.GUEST, Role.USER, Role.BOT, Role.SYSTEM_ADMIN


@pytest.mark.parametrize(
    ("roles", "is_bot", "expected"),
    [
        ("system_user", False, {USER}),
        ("system_user system_user_access_token custom", False, {USER}),
        ("system_admin system_user", False, {USER, ADMIN}),
        ("system_admin", False, {USER, ADMIN}),
        ("system_manager", False, {USER}),
        ("", False, {USER}),
        ("system_user", True, {BOT}),
        ("system_user system_admin", True, {BOT, ADMIN}),
        ("system_guest", False, {GUEST}),
        ("system_guest", True, {GUEST}),
        ("system_user system_guest", False, {GUEST}),
        ("system_guest system_admin", False, {GUEST, ADMIN}),
    ],
)
def test_roles(roles: str, is_bot: bool, expected: set[Role]) -> None:
    identity = Identity("id", "name", frozenset(roles.split()), is_bot=is_bot)
    assert roles_of(identity) == expected


def test_another_mattermost_has_none() -> None:
    assert roles_of(Identity("remote1", "", frozenset())) == frozenset()
