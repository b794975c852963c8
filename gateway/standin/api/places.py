"""Teams, channels, and who is a member of them."""

import dataclasses

from starlette.responses import Response

from gateway.standin.api.context import Context, json_response, ok
from gateway.standin.errors import AppError, invalid_body_param, not_permitted
from gateway.standin.go.json import text_of
from gateway.standin.model import (
    Channel,
    ChannelMember,
    Team,
    TeamMember,
    is_valid_id,
    new_id,
    now_ms,
)
from gateway.standin.routing import Route
from gateway.standin.shapes import (
    channel_json,
    channel_member_json,
    team_json,
    team_member_json,
)
from gateway.standin.state import State


def add_team(state: State, name: str, display_name: str, creator_id: str, kind: str) -> Team:
    """A new team, its creator an administrator of it."""
    now = now_ms()
    team = Team(
        id=new_id(),
        create_at=now,
        update_at=now,
        name=name.lower(),
        display_name=display_name,
        type=kind,
        email="",
        invite_id=new_id(),
    )
    state.teams.put(team, team.id)
    join_team(state, team.id, creator_id, is_admin=True)
    return team


def join_team(state: State, team_id: str, user_id: str, *, is_admin: bool = False) -> TeamMember:
    member = TeamMember(team_id, user_id, is_admin, _is_guest(state, user_id))
    return state.team_members.put(member, team_id, user_id)


def _is_guest(state: State, user_id: str) -> bool:
    user = state.users.get(user_id)
    return user is not None and user.is_guest


def add_channel(
    state: State, team_id: str, name: str, display_name: str, creator_id: str, kind: str
) -> Channel:
    """A new channel, its creator an administrator of it."""
    now = now_ms()
    channel = Channel(
        id=new_id(),
        create_at=now,
        update_at=now,
        team_id=team_id,
        type=kind,
        name=name.lower(),
        display_name=display_name,
        creator_id=creator_id,
        last_post_at=now,
    )
    state.channels.put(channel, channel.id)
    join_channel(state, channel.id, creator_id, is_admin=True)
    return channel


def join_channel(
    state: State, channel_id: str, user_id: str, *, is_admin: bool = False
) -> ChannelMember:
    member = ChannelMember(
        channel_id=channel_id,
        user_id=user_id,
        last_update_at=now_ms(),
        is_admin=is_admin,
        is_guest=_is_guest(state, user_id),
    )
    return state.channel_members.put(member, channel_id, user_id)


async def create_team(context: Context) -> Response:
    given = await context.request.json_object()
    if given is None:
        raise invalid_body_param("team")
    name = text_of(given, "name").lower()
    if not name or context.state.team_named(name) is not None:
        raise AppError("app.team.save.app_error", 500)
    team = add_team(
        context.state,
        name,
        text_of(given, "display_name"),
        context.session.user_id,
        text_of(given, "type") or "O",
    )
    return json_response(team_json(team), 201)


async def get_team(context: Context) -> Response:
    return _show_team(context, context.state.teams.get(context.require_id("team_id")))


async def get_team_by_name(context: Context) -> Response:
    return _show_team(context, context.state.team_named(context.params["team_name"]))


def _show_team(context: Context, team: Team | None) -> Response:
    if team is None:
        raise AppError("app.team.get.find.app_error", 404)
    _require_team(context, team.id)
    return json_response(team_json(team))


async def delete_team(context: Context) -> Response:
    """Archives; nothing is forgotten."""
    team_id = context.require_id("team_id")
    member = context.state.team_members.get(team_id, context.session.user_id)
    if not (context.is_admin or (member is not None and member.is_admin)):
        raise not_permitted()
    if context.request.query.is_true("permanent"):
        raise AppError("api.user.delete_team.not_enabled.app_error", 401)
    team = context.state.teams.get(team_id)
    if team is None:
        raise AppError("app.team.get.find.app_error", 404)
    now = now_ms()
    context.state.teams.put(dataclasses.replace(team, update_at=now, delete_at=now), team_id)
    return ok()


def _require_team(context: Context, team_id: str) -> None:
    if not context.state.may_see_team(context.session, team_id):
        raise not_permitted()


async def list_teams_of_user(context: Context) -> Response:
    user_id = context.require_id("user_id")
    if user_id != context.session.user_id:
        context.require_admin()
    return json_response(
        [
            team_json(team)
            for team in context.state.teams
            if context.state.team_members.get(team.id, user_id) is not None
        ]
    )


async def add_team_member(context: Context) -> Response:
    team_id = context.require_id("team_id")
    given = await context.request.json_object() or {}
    if text_of(given, "team_id") != team_id:
        raise invalid_body_param("team_id")
    user_id = text_of(given, "user_id")
    if not is_valid_id(user_id):
        raise invalid_body_param("user_id")
    if context.state.teams.get(team_id) is None:
        raise AppError("app.team.get.find.app_error", 404)
    _require_team(context, team_id)
    return json_response(team_member_json(join_team(context.state, team_id, user_id)), 201)


async def get_team_member(context: Context) -> Response:
    team_id, user_id = context.require_id("team_id"), context.require_id("user_id")
    _require_team(context, team_id)
    member = context.state.team_members.get(team_id, user_id)
    if member is None:
        raise AppError("app.team.get_member.missing.app_error", 404)
    return json_response(team_member_json(member))


async def create_channel(context: Context) -> Response:
    given = await context.request.json_object()
    if given is None:
        raise invalid_body_param("channel")
    team_id, name = text_of(given, "team_id"), text_of(given, "name").lower()
    kind = text_of(given, "type") or "O"
    if kind in ("D", "G"):
        raise AppError("api.channel.create_channel.direct_channel.app_error", 400)
    _require_team(context, team_id)
    if context.state.channel_named(team_id, name) is not None:
        raise AppError("store.sql_channel.save_channel.exists.app_error", 400)
    display_name = text_of(given, "display_name")
    creator_id = context.session.user_id
    channel = add_channel(context.state, team_id, name, display_name, creator_id, kind)
    return json_response(channel_json(channel), 201)


async def create_direct_channel(context: Context) -> Response:
    """The channel of two people; there is one for each two, and it has no team."""
    user_ids = await context.request.json_texts()
    if len(user_ids) != 2:
        raise invalid_body_param("user_ids")
    if not all(map(is_valid_id, user_ids)):
        raise invalid_body_param("user_id")
    if context.session.user_id not in user_ids:
        context.require_admin()
    if any(context.state.users.get(user_id) is None for user_id in user_ids):
        raise AppError("api.channel.create_direct_channel.invalid_user.app_error", 400)
    name = "__".join(sorted(user_ids))
    channel = context.state.channel_named("", name)
    if channel is None:
        channel = add_channel(context.state, "", name, "", user_ids[0], "D")
        for user_id in user_ids:
            join_channel(context.state, channel.id, user_id)
    return json_response(channel_json(channel), 201)


async def get_channel(context: Context) -> Response:
    channel = context.state.channels.get(context.require_id("channel_id"))
    if channel is None:
        raise AppError("app.channel.get.existing.app_error", 404)
    return _show_channel(context, channel)


async def get_channel_by_name(context: Context) -> Response:
    team_id = context.require_id("team_id")
    return _show_named_channel(context, team_id)


async def get_channel_by_team_name(context: Context) -> Response:
    team = context.state.team_named(context.params["team_name"])
    return _show_named_channel(context, team.id if team is not None else "")


def _show_named_channel(context: Context, team_id: str) -> Response:
    channel = context.state.channel_named(team_id, context.params["channel_name"])
    if channel is None:
        raise AppError("app.channel.get_by_name.missing.app_error", 404)
    return _show_channel(context, channel)


def _show_channel(context: Context, channel: Channel) -> Response:
    is_visible = channel.type == "O" and context.state.may_see_open_channels(
        context.session, channel.team_id
    )
    if not is_visible:
        context.require_channel(channel.id)
    return json_response(channel_json(channel))


async def list_channels_of_user(context: Context) -> Response:
    user_id, team_id = context.require_id("user_id"), context.require_id("team_id")
    if user_id != context.session.user_id:
        context.require_admin()
    return json_response(
        [
            channel_json(channel)
            for channel in context.state.channels
            if channel.team_id == team_id
            and context.state.channel_members.get(channel.id, user_id) is not None
        ]
    )


async def add_channel_member(context: Context) -> Response:
    channel_id = context.require_id("channel_id")
    given = await context.request.json_object() or {}
    user_id = text_of(given, "user_id")
    if not is_valid_id(user_id):
        raise invalid_body_param("user_id")
    channel = context.state.channels.get(channel_id)
    if channel is None:
        raise AppError("app.channel.get.existing.app_error", 404)
    joins_itself = channel.type == "O" and user_id == context.session.user_id
    may_see = context.state.may_see_open_channels
    if not (joins_itself and may_see(context.session, channel.team_id)):
        context.require_channel(channel_id)
    member = join_channel(context.state, channel_id, user_id)
    return json_response(channel_member_json(member), 201)


async def get_channel_member(context: Context) -> Response:
    channel_id, user_id = context.require_id("channel_id"), context.require_id("user_id")
    context.require_channel(channel_id)
    member = context.state.channel_members.get(channel_id, user_id)
    if member is None:
        raise AppError("app.channel.get_member.missing.app_error", 404)
    return json_response(channel_member_json(member))


def note_post(state: State, channel: Channel, author_id: str, at: int) -> None:
    """Count a new post for its channel, and as read by its author."""
    total = channel.total_msg_count + 1
    state.channels.put(
        dataclasses.replace(channel, last_post_at=at, total_msg_count=total), channel.id
    )
    if (member := state.channel_members.get(channel.id, author_id)) is not None:
        member = dataclasses.replace(member, last_viewed_at=at, last_update_at=at, msg_count=total)
        state.channel_members.put(member, channel.id, author_id)


ROUTES = (
    Route("POST", "/teams", create_team),
    Route("GET", "/teams/{team_id}", get_team),
    Route("DELETE", "/teams/{team_id}", delete_team),
    Route("GET", "/teams/name/{team_name}", get_team_by_name),
    Route("POST", "/teams/{team_id}/members", add_team_member),
    Route("GET", "/teams/{team_id}/members/{user_id}", get_team_member),
    Route("GET", "/users/{user_id}/teams", list_teams_of_user),
    Route("POST", "/channels", create_channel),
    Route("POST", "/channels/direct", create_direct_channel),
    Route("GET", "/channels/{channel_id}", get_channel),
    Route("GET", "/teams/{team_id}/channels/name/{channel_name}", get_channel_by_name),
    Route("GET", "/teams/name/{team_name}/channels/name/{channel_name}", get_channel_by_team_name),
    Route("POST", "/channels/{channel_id}/members", add_channel_member),
    Route("GET", "/channels/{channel_id}/members/{user_id}", get_channel_member),
    Route("GET", "/users/{user_id}/teams/{team_id}/channels", list_channels_of_user),
)
