"""Who and what exists from the start."""

from collections.abc import Mapping

from gateway.standin.api.places import add_channel, add_team, join_channel, join_team
from gateway.standin.model import AccessToken, RemoteCluster, User, new_id, now_ms
from gateway.standin.state import State

_PEOPLE: Mapping[str, tuple[str, str, bool]] = {
    # How the ready line calls them: user name, roles, whether it is a bot.
    "admin": ("admin", "system_admin system_user", False),
    "user": ("alice", "system_user", False),
    "other_user": ("bob", "system_user", False),
    "guest": ("guest", "system_guest", False),
    "bot": ("bot", "system_user", True),
}
_PASSWORD = "Passw0rd!"  # noqa: S105 - everybody's, and printed at every start


def seed(state: State) -> dict[str, object]:
    """Makes what is missing; returns what a client needs in order to begin.

    Everybody but ``other_user`` is a member of the team and its two channels.
    """
    people = {
        name: _person(state, username, roles, is_bot=is_bot)
        for name, (username, roles, is_bot) in _PEOPLE.items()
    }
    admin = people["admin"]
    team = state.team_named("team") or add_team(state, "team", "Team", admin.id, "O")
    channels = {}
    for name, kind in (("town", "O"), ("private", "P")):
        channel = state.channel_named(team.id, name) or add_channel(
            state, team.id, name, name.title(), admin.id, kind
        )
        channels[name] = channel.id
        for who in ("user", "guest", "bot"):
            if state.team_members.get(team.id, people[who].id) is None:
                join_team(state, team.id, people[who].id)
            if state.channel_members.get(channel.id, people[who].id) is None:
                join_channel(state, channel.id, people[who].id)
    remote = next(iter(state.remote_clusters), None) or RemoteCluster(new_id(), new_id())
    state.remote_clusters.put(remote, remote.id)
    introduced: dict[str, object] = {name: _introduce(state, user) for name, user in people.items()}
    return introduced | {
        "team_id": team.id,
        "channel_id": channels["town"],
        "private_channel_id": channels["private"],
        "remote": {"id": remote.id, "token": remote.token},
    }


def _person(state: State, username: str, roles: str, *, is_bot: bool) -> User:
    if (user := state.user_named(username)) is not None:
        return user
    now = now_ms()
    user = User(
        id=new_id(),
        create_at=now,
        update_at=now,
        username=username,
        email=f"{username}@example.org",
        password=_PASSWORD,
        roles=roles,
        is_bot=is_bot,
    )
    access = AccessToken(new_id(), new_id(), user.id, "made with the account")
    state.access_tokens.put(access, access.token)
    return state.users.put(user, user.id)


def _introduce(state: State, user: User) -> dict[str, str]:
    tokens = (token.token for token in state.access_tokens if token.user_id == user.id)
    return {
        "id": user.id,
        "username": user.username,
        "password": user.password,
        "token": next(tokens, ""),
    }
