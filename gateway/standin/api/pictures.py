"""Pictures with a purpose: the brand image, emoji, and the faces of people and teams.

They are kept as they came; Mattermost would scale them.
"""

import dataclasses
import io
import re
from typing import Final

from starlette.responses import Response

from gateway.standin.api.context import Context, json_response, ok
from gateway.standin.api.forms import UnreadableForm, drained, only_file, parse_multipart_form
from gateway.standin.errors import AppError, invalid_body_param, invalid_url_param, not_permitted
from gateway.standin.go.json import decode_object, text_of
from gateway.standin.go.multipart import FormFile
from gateway.standin.images import MAX_PIXELS, dimensions
from gateway.standin.model import Emoji, new_id, now_ms
from gateway.standin.routing import Route
from gateway.standin.shapes import emoji_json

_BRAND_IMAGE: Final = "brand/image.png"
_EMOJI_SIZE: Final = 1024 * 1024
_EMOJI_PIXELS: Final = 1028
"""The largest width and height."""
_EMOJI_NAME: Final = re.compile(r"[a-zA-Z0-9+\-_]{1,64}", re.ASCII)


async def _image_in_form(context: Context, errors: str, *, parse_status: int = 400) -> FormFile:
    """The form's picture; ``errors`` is the beginning of the ids of what can go wrong."""
    try:
        form = await parse_multipart_form(context, context.options.max_file_size)
    except UnreadableForm as error:
        raise AppError(f"{errors}.parse.app_error", parse_status) from error
    image = only_file(form, "image")
    if image is None:
        raise AppError(f"{errors}.no_file.app_error", 400)
    return image


def _require_picture(image: FormFile, errors: str) -> None:
    size = dimensions(io.BytesIO(image.content))
    if size is None or size[0] * size[1] > MAX_PIXELS:
        raise AppError(f"{errors}.check_image_limits.app_error", 400)


@drained
async def upload_brand_image(context: Context) -> Response:
    errors = "api.admin.upload_brand_image"
    if context.request.content_length > context.options.max_file_size:
        raise AppError(f"{errors}.too_large.app_error", 413)
    image = await _image_in_form(context, errors)
    context.require_admin()
    _require_picture(image, "brand.save_brand_image")
    context.store.put(_BRAND_IMAGE, image.content)
    return json_response({"status": "OK"}, 201)


async def get_brand_image(context: Context) -> Response:
    if not context.store.exists(_BRAND_IMAGE):
        return Response(status_code=404)
    return _picture(context, _BRAND_IMAGE)


async def delete_brand_image(context: Context) -> Response:
    context.require_admin()
    if not context.store.exists(_BRAND_IMAGE):
        raise AppError("api.admin.delete_brand_image.storage.not_found", 404)
    context.store.remove(_BRAND_IMAGE)
    return ok()


@drained
async def set_profile_image(context: Context) -> Response:
    user_id = context.require_id("user_id")
    if user_id != context.session.user_id:
        context.require_admin()
    return await keep_profile_image(context, user_id)


async def keep_profile_image(context: Context, user_id: str) -> Response:
    """Whoever sends it. Raises AppError."""
    errors = "api.user.upload_profile_user"
    if context.request.content_length > context.options.max_file_size:
        raise AppError(f"{errors}.too_large.app_error", 413)
    image = await _image_in_form(context, errors, parse_status=500)
    user = context.state.users.get(user_id)
    if user is None:
        raise invalid_url_param("user_id")
    _require_picture(image, errors)
    context.store.put(f"users/{user_id}/profile.png", image.content)
    now = now_ms()
    user = dataclasses.replace(user, update_at=now, last_picture_update=now)
    context.state.users.put(user, user_id)
    return ok()


async def remove_profile_image(context: Context) -> Response:
    user_id = context.require_id("user_id")
    if user_id != context.session.user_id:
        context.require_admin()
    return _removed(context, f"users/{user_id}/profile.png")


async def get_profile_image(context: Context) -> Response:
    user_id = context.require_id("user_id")
    if context.state.users.get(user_id) is None:
        raise AppError("app.user.missing_account.const", 404)
    return _picture(context, f"users/{user_id}/profile.png")


@drained
async def set_team_icon(context: Context) -> Response:
    errors = "api.team.set_team_icon"
    team_id = context.require_id("team_id")
    member = context.state.team_members.get(team_id, context.session.user_id)
    if not (context.is_admin or (member is not None and member.is_admin)):
        raise not_permitted()
    if context.request.content_length > context.options.max_file_size:
        raise AppError(f"{errors}.too_large.app_error", 400)
    image = await _image_in_form(context, errors)
    team = context.state.teams.get(team_id)
    if team is None:
        raise AppError(f"{errors}.get_team.app_error", 400)
    _require_picture(image, errors)
    context.store.put(f"teams/{team_id}/teamIcon.png", image.content)
    team = dataclasses.replace(team, last_team_icon_update=now_ms())
    context.state.teams.put(team, team_id)
    return ok()


async def get_team_icon(context: Context) -> Response:
    return _picture(context, f"teams/{context.require_id('team_id')}/teamIcon.png")


async def remove_team_icon(context: Context) -> Response:
    context.require_admin()
    return _removed(context, f"teams/{context.require_id('team_id')}/teamIcon.png")


@drained
async def set_bot_icon(context: Context) -> Response:
    """There are no bots here; any user's id is taken for one."""
    errors = "api.bot.set_bot_icon_image"
    bot_id = context.require_id("bot_user_id")
    context.require_admin()
    if context.request.content_length > context.options.max_file_size:
        raise AppError(f"{errors}.too_large.app_error", 413)
    image = await _image_in_form(context, errors, parse_status=500)
    if b"<svg" not in image.content:
        raise AppError(f"{errors}.parse.app_error", 400)
    context.store.put(f"bots/{bot_id}/icon.svg", image.content)
    return ok()


async def get_bot_icon(context: Context) -> Response:
    return _picture(context, f"bots/{context.require_id('bot_user_id')}/icon.svg", "image/svg+xml")


async def remove_bot_icon(context: Context) -> Response:
    context.require_admin()
    return _removed(context, f"bots/{context.require_id('bot_user_id')}/icon.svg")


def _removed(context: Context, path: str) -> Response:
    if context.store.exists(path):
        context.store.remove(path)
    return ok()


@drained
async def create_emoji(context: Context) -> Response:
    if context.request.content_length > _EMOJI_SIZE:
        raise AppError("api.emoji.create.too_large.app_error", 413)
    try:
        form = await parse_multipart_form(context, _EMOJI_SIZE)
    except UnreadableForm as error:
        raise AppError("api.emoji.create.parse.app_error", 400) from error
    user = context.me()
    if user is None or user.is_guest:
        raise not_permitted()
    described = (form.values["emoji"] or [""])[0].encode("utf-8", "surrogateescape")
    given = decode_object(described)
    if given is None:
        raise invalid_body_param("emoji")
    emoji = Emoji(new_id(), now_ms(), text_of(given, "creator_id"), text_of(given, "name"))
    if not _EMOJI_NAME.fullmatch(emoji.name):
        raise AppError("model.emoji.name.app_error", 400)
    if emoji.creator_id != user.id:
        raise AppError("api.emoji.create.other_user.app_error", 403)
    if any(other.name == emoji.name for other in context.state.emoji):
        raise AppError("api.emoji.create.duplicate.app_error", 400)
    image = only_file(form, "image")
    if image is None:
        raise invalid_body_param("createEmoji")
    _require_emoji(image)
    context.store.put(_emoji_path(emoji.id), image.content)
    context.state.emoji.put(emoji, emoji.id)
    return json_response(emoji_json(emoji))


def _require_emoji(image: FormFile) -> None:
    size = dimensions(io.BytesIO(image.content))
    if size is None:
        raise AppError("api.emoji.upload.image.app_error", 400)
    if max(size) > _EMOJI_PIXELS:
        error_id = "api.emoji.upload.large_image.too_large.app_error"
        raise AppError(error_id, 400, MaxWidth=_EMOJI_PIXELS, MaxHeight=_EMOJI_PIXELS)


def _emoji_path(emoji_id: str) -> str:
    return f"emoji/{emoji_id}/image"


async def list_emoji(context: Context) -> Response:
    return json_response([emoji_json(emoji) for emoji in context.state.emoji])


async def get_emoji(context: Context) -> Response:
    return json_response(emoji_json(_find_emoji(context)))


async def get_emoji_image(context: Context) -> Response:
    return _picture(context, _emoji_path(_find_emoji(context).id))


async def delete_emoji(context: Context) -> Response:
    emoji = _find_emoji(context)
    if emoji.creator_id != context.session.user_id:
        context.require_admin()
    context.state.emoji.remove(emoji.id)
    return ok()


def _find_emoji(context: Context) -> Emoji:
    emoji = context.state.emoji.get(context.require_id("emoji_id"))
    if emoji is None:
        raise AppError("app.emoji.get.no_result", 404)
    return emoji


def _picture(context: Context, path: str, content_type: str = "image/png") -> Response:
    if not context.store.exists(path):
        raise AppError("api.file.read_file.app_error", 404)
    with context.store.open(path) as file:
        return Response(file.read(), headers={"Content-Type": content_type})


ROUTES = (
    Route("POST", "/brand/image", upload_brand_image),
    Route("GET", "/brand/image", get_brand_image, session_required=False),
    Route("DELETE", "/brand/image", delete_brand_image),
    Route("POST", "/users/{user_id}/image", set_profile_image),
    Route("GET", "/users/{user_id}/image", get_profile_image),
    Route("DELETE", "/users/{user_id}/image", remove_profile_image),
    Route("POST", "/teams/{team_id}/image", set_team_icon),
    Route("GET", "/teams/{team_id}/image", get_team_icon),
    Route("DELETE", "/teams/{team_id}/image", remove_team_icon),
    Route("POST", "/bots/{bot_user_id}/icon", set_bot_icon),
    Route("GET", "/bots/{bot_user_id}/icon", get_bot_icon),
    Route("DELETE", "/bots/{bot_user_id}/icon", remove_bot_icon),
    Route("POST", "/emoji", create_emoji),
    Route("GET", "/emoji", list_emoji),
    Route("GET", "/emoji/{emoji_id}", get_emoji),
    Route("GET", "/emoji/{emoji_id}/image", get_emoji_image),
    Route("DELETE", "/emoji/{emoji_id}", delete_emoji),
)
