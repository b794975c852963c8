"""Posts, as far as files need them."""

import dataclasses
import json

from starlette.responses import Response

from gateway.standin.api.context import (
    VERSION,
    Context,
    etag_matches,
    json_response,
    not_modified,
)
from gateway.standin.api.places import note_post
from gateway.standin.errors import AppError, invalid_body_param, not_permitted
from gateway.standin.events import Audience
from gateway.standin.go.json import text_of
from gateway.standin.model import Channel, Post, new_id, now_ms
from gateway.standin.routing import Route
from gateway.standin.shapes import file_info_json, post_json


async def create_post(context: Context) -> Response:
    given = await context.request.json_object()
    if given is None:
        raise invalid_body_param("post")
    channel_id = text_of(given, "channel_id")
    context.require_channel(channel_id)
    now = now_ms()
    post = Post(
        id=new_id(),
        create_at=now,
        update_at=now,
        user_id=context.session.user_id,
        channel_id=channel_id,
        message=text_of(given, "message"),
        root_id=text_of(given, "root_id"),
        pending_post_id=text_of(given, "pending_post_id"),
    )
    context.state.posts.put(post, post.id)
    wanted = given.get("file_ids")
    for file_id in wanted if isinstance(wanted, list) else []:
        _attach(context, str(file_id), post)
    channel = context.state.channels.get(channel_id)
    if channel is not None:
        note_post(context.state, channel, post.user_id, now)
        await _announce(context, post, channel)
    return json_response(post_json(post, context.state.files_of_post(post.id)), 201)


async def _announce(context: Context, post: Post, channel: Channel) -> None:
    files = context.state.files_of_post(post.id)
    author = context.me()
    data: dict[str, object] = {
        "channel_display_name": channel.display_name,
        "channel_name": channel.name,
        "channel_type": channel.type,
    }
    if any(info.mime_type.startswith("image") for info in files):
        data["image"] = "true"
    if files:
        data["otherFile"] = "true"
    data |= {
        "post": json.dumps(post_json(post, files), separators=(",", ":"), ensure_ascii=False),
        "sender_name": f"@{author.username}" if author is not None else "",
        "set_online": True,
        "team_id": channel.team_id,
    }
    await context.events.publish("posted", data, Audience(channel_id=channel.id))
    viewed: dict[str, object] = {"channel_id": channel.id}
    await context.events.publish("channel_viewed", viewed, Audience(user_id=post.user_id))


def _attach(context: Context, file_id: str, post: Post) -> None:
    """A file goes into the first post of its own uploader; any other id is passed over."""
    info = context.state.files.get(file_id)
    if info is not None and not info.post_id and info.user_id == post.user_id:
        context.state.files.put(dataclasses.replace(info, post_id=post.id), info.id)


async def get_post(context: Context) -> Response:
    post = _readable_post(context)
    etag = f"{VERSION}.{post.id}.{post.update_at}"
    if etag_matches(context, etag):
        return not_modified(etag)
    shown = post_json(post, context.state.files_of_post(post.id))
    return json_response(shown, headers={"Etag": etag})


async def get_files_of_post(context: Context) -> Response:
    post = _readable_post(context)
    infos = context.state.files_of_post(post.id)
    latest = max((info.create_at for info in infos), default=0)
    etag = f"{VERSION}.{post.id}.{latest}" if infos else VERSION
    if etag_matches(context, etag):
        return not_modified(etag)
    return json_response(
        [file_info_json(info) for info in infos],
        headers={"Cache-Control": "max-age=2592000, private", "Etag": etag},
    )


def _readable_post(context: Context) -> Post:
    post = context.state.posts.get(context.require_id("post_id"))
    if post is None:
        if context.is_admin:
            raise AppError("app.post.get.app_error", 404)
        raise not_permitted()
    context.require_channel(post.channel_id)
    return post


async def list_posts(context: Context) -> Response:
    channel_id = context.require_id("channel_id")
    context.require_channel(channel_id)
    posts = [post for post in context.state.posts if post.channel_id == channel_id]
    posts.sort(key=lambda post: post.create_at, reverse=True)
    shown = {post.id: post_json(post, context.state.files_of_post(post.id)) for post in posts}
    return json_response(
        {"order": list(shown), "posts": shown, "next_post_id": "", "prev_post_id": ""}
    )


ROUTES = (
    Route("POST", "/posts", create_post),
    Route("GET", "/posts/{post_id}", get_post),
    Route("GET", "/posts/{post_id}/files/info", get_files_of_post),
    Route("GET", "/channels/{channel_id}/posts", list_posts),
)
