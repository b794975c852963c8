"""Logging in and out, accounts, personal access tokens."""

import dataclasses
import re
import secrets
from email.utils import formatdate

from starlette.responses import Response

from gateway.standin.api.context import (
    VERSION,
    Context,
    etag_matches,
    json_response,
    not_modified,
    ok,
)
from gateway.standin.errors import AppError, invalid_body_param, not_permitted
from gateway.standin.go.json import text_of
from gateway.standin.model import AccessToken, Session, User, new_id, now_ms
from gateway.standin.routing import Route
from gateway.standin.shapes import access_token_json, user_json

_LONGEST_LOCALE = 5
_TAG = re.compile("[A-Za-z]{2,3}(?:-[A-Za-z]{2})?")
_PATCHED = ("nickname", "first_name", "last_name", "position", "locale")
_ROLES = frozenset({"system_admin", "system_user", "system_guest"})
_SESSION_SECONDS = 30 * 24 * 60 * 60


async def login(context: Context) -> Response:
    given = await context.request.json_object() or {}
    user = _user_to_log_in(context, text_of(given, "id"), text_of(given, "login_id"))
    password = text_of(given, "password")
    if not password:
        raise AppError("api.user.login.blank_pwd.app_error", 400)
    users = context.state.users
    if user is not None and user.delete_at:
        raise AppError("api.user.login.inactive.app_error", 401)
    if user is None or not secrets.compare_digest(user.password.encode(), password.encode()):
        if user is not None:
            attempts = user.failed_attempts + 1
            users.put(dataclasses.replace(user, failed_attempts=attempts), user.id)
        raise AppError("api.user.login.invalid_credentials_email_username", 401)
    user = users.put(dataclasses.replace(user, failed_attempts=0), user.id)
    session = Session(token=new_id(), id=new_id(), user_id=user.id, csrf=new_id())
    context.state.sessions.put(session, session.token)
    response = json_response(user_json(user, is_self=True), headers={"Token": session.token})
    if context.request.headers.get("x-requested-with") == "XMLHttpRequest":
        _attach_cookies(context, response, session)
    return response


def _user_to_log_in(context: Context, user_id: str, login_id: str) -> User | None:
    if user_id:
        return context.state.users.get(user_id)
    return context.state.user_named(login_id) or context.state.user_with_email(login_id)


def _attach_cookies(context: Context, response: Response, session: Session) -> None:
    """Only for browsers: scripts that do not ask for cookies get the Token header alone."""
    secure = context.request.headers.get("x-forwarded-proto") == "https"
    expires = formatdate(now_ms() // 1000 + _SESSION_SECONDS, usegmt=True)
    cookies = (
        ("MMAUTHTOKEN", session.token, "; HttpOnly"),
        ("MMUSERID", session.user_id, ""),
        ("MMCSRF", session.csrf, ""),
    )
    for name, value, flags in cookies:
        response.headers.append(
            "Set-Cookie",
            f"{name}={value}; Path={context.options.subpath or '/'}; Expires={expires}; "
            f"Max-Age={_SESSION_SECONDS}{flags}{'; Secure' if secure else ''}",
        )


def cleared_cookie(subpath: str) -> str:
    """The Set-Cookie that makes a client forget its session."""
    return f"MMAUTHTOKEN=; Path={subpath or '/'}; Max-Age=0; HttpOnly"


async def logout(context: Context) -> Response:
    context.state.sessions.remove(context.session.token)
    response = ok()
    response.headers.append("Set-Cookie", cleared_cookie(context.options.subpath))
    return response


async def create_user(context: Context) -> Response:
    given = await context.request.json_object()
    if given is None:
        raise invalid_body_param("user")
    username, email = text_of(given, "username").lower(), text_of(given, "email").lower()
    if context.state.user_named(username):
        raise AppError("app.user.save.username_exists.app_error", 400)
    if context.state.user_with_email(email):
        raise AppError("app.user.save.email_exists.app_error", 400)
    locale = text_of(given, "locale") or "en"
    _check_locale(locale)
    now = now_ms()
    user = User(
        id=new_id(),
        create_at=now,
        update_at=now,
        username=username,
        email=email,
        password=text_of(given, "password"),
        roles="system_user",
        nickname=text_of(given, "nickname"),
        first_name=text_of(given, "first_name"),
        last_name=text_of(given, "last_name"),
        position=text_of(given, "position"),
        locale=locale,
    )
    context.state.users.put(user, user.id)
    return json_response(user_json(user, is_self=True), 201)


def _check_locale(locale: str) -> None:
    """A tag of five characters at most (``IsValidLocale``). Raises AppError."""
    if len(locale) > _LONGEST_LOCALE or not _TAG.fullmatch(locale):
        raise AppError("model.user.is_valid.locale.app_error", 400)


async def patch_user(context: Context) -> Response:
    user_id = context.require_id("user_id")
    given = await context.request.json_object()
    if given is None:
        raise invalid_body_param("user")
    if user_id != context.session.user_id and not context.is_admin:
        raise not_permitted()
    user = context.state.users.get(user_id)
    if user is None:
        raise invalid_body_param("user_id")
    changes = {name: text_of(given, name) for name in _PATCHED if name in given}
    if "locale" in changes:
        _check_locale(changes["locale"])
    user = dataclasses.replace(user, update_at=now_ms(), **changes)  # type: ignore[arg-type]
    context.state.users.put(user, user_id)
    return json_response(user_json(user, is_self=user_id == context.session.user_id))


async def update_roles(context: Context) -> Response:
    """Of the system; ``IsValidUserRoles`` wants more than system_admin alone."""
    user_id = context.require_id("user_id")
    roles = text_of(await context.request.json_object() or {}, "roles")
    if roles.split() == ["system_admin"] or not set(roles.split()) <= _ROLES:
        raise invalid_body_param("roles")
    context.require_admin()
    user = context.state.users.get(user_id)
    if user is None:
        raise AppError("app.user.missing_account.const", 400)
    context.state.users.put(dataclasses.replace(user, update_at=now_ms(), roles=roles), user_id)
    return ok()


async def get_user(context: Context) -> Response:
    return _show(context, context.state.users.get(context.require_id("user_id")))


async def get_user_by_username(context: Context) -> Response:
    return _show(context, context.state.user_named(context.params["username"]))


async def get_user_by_email(context: Context) -> Response:
    return _show(context, context.state.user_with_email(context.params["email"]))


def _show(context: Context, user: User | None) -> Response:
    if user is None:
        raise AppError("app.user.missing_account.const", 404)
    etag = f"{VERSION}.{user.id}.{user.update_at}..0.true.true.0"
    if etag_matches(context, etag):
        return not_modified(etag)
    is_self = user.id == context.session.user_id
    return json_response(user_json(user, is_self=is_self), headers={"Etag": etag})


async def list_users(context: Context) -> Response:
    return json_response(
        [
            user_json(user, is_self=user.id == context.session.user_id)
            for user in sorted(context.state.users, key=lambda user: user.username)
        ]
    )


async def delete_user(context: Context) -> Response:
    """Deactivates; nothing is forgotten."""
    user_id = context.require_id("user_id")
    if user_id != context.session.user_id:
        context.require_admin()
    user = context.state.users.get(user_id)
    if user is None:
        raise AppError("app.user.missing_account.const", 404)
    if context.request.query.is_true("permanent"):
        raise AppError("api.user.delete_user.not_enabled.app_error", 401)
    now = now_ms()
    context.state.users.put(dataclasses.replace(user, update_at=now, delete_at=now), user_id)
    for session in list(context.state.sessions):
        if session.user_id == user_id:
            context.state.sessions.remove(session.token)
    return ok()


async def create_access_token(context: Context) -> Response:
    user_id = context.require_id("user_id")
    given = await context.request.json_object()
    if given is None:
        raise invalid_body_param("user_access_token")
    description = text_of(given, "description")
    if not description:
        raise invalid_body_param("description")
    # Mattermost lets administrators make tokens, and whoever has the role for it.
    context.require_admin()
    access = AccessToken(new_id(), new_id(), user_id, description)
    context.state.access_tokens.put(access, access.token)
    return json_response(access_token_json(access, secret=True))


async def list_access_tokens(context: Context) -> Response:
    user_id = context.require_id("user_id")
    if user_id != context.session.user_id and not context.is_admin:
        raise not_permitted()
    tokens = [token for token in context.state.access_tokens if token.user_id == user_id]
    return json_response([access_token_json(token, secret=False) for token in tokens])


async def revoke_access_token(context: Context) -> Response:
    given = await context.request.json_object() or {}
    token_id = text_of(given, "token_id")
    if not token_id:
        raise invalid_body_param("token_id")
    context.require_admin()
    for access in context.state.access_tokens:
        if access.id == token_id:
            context.state.access_tokens.remove(access.token)
            return ok()
    raise AppError("app.user_access_token.invalid_or_missing", 404)


ROUTES = (
    Route("POST", "/users/login", login, session_required=False),
    Route("POST", "/users/logout", logout, session_required=False),
    Route("POST", "/users", create_user, session_required=False),
    Route("GET", "/users", list_users),
    Route("GET", "/users/{user_id}", get_user),
    Route("DELETE", "/users/{user_id}", delete_user),
    Route("PUT", "/users/{user_id}/patch", patch_user),
    Route("PUT", "/users/{user_id}/roles", update_roles),
    Route("GET", "/users/username/{username}", get_user_by_username),
    Route("GET", "/users/email/{email}", get_user_by_email),
    Route("POST", "/users/tokens/revoke", revoke_access_token),
    Route("POST", "/users/{user_id}/tokens", create_access_token),
    Route("GET", "/users/{user_id}/tokens", list_access_tokens),
)
