"""Who is calling: where Mattermost looks for a token, and what it makes of it."""

import enum
import re

from starlette.datastructures import Headers

from gateway.standin.errors import AppError, session_expired
from gateway.standin.go.urls import Values
from gateway.standin.model import ANONYMOUS, Session
from gateway.standin.state import State

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COOKIE_VALUE = re.compile(r"[\x20-\x7e]*")


class Location(enum.Enum):
    """Where a token was found."""

    COOKIE = enum.auto()
    HEADER = enum.auto()
    QUERY = enum.auto()
    NOWHERE = enum.auto()


class UnknownToken(Exception):
    """The token stands for no session; the answer also clears the client's cookie."""


def find_token(headers: Headers, query: Values) -> tuple[str, Location]:
    """The first of: cookie, Authorization (Bearer or Token, any case), ``?access_token=``."""
    if (cookie := _cookie(headers, "MMAUTHTOKEN")) is not None:
        return cookie, Location.COOKIE
    authorization = headers.get("authorization", "")
    # One character after the scheme is skipped unseen, whatever it is.
    if len(authorization) > 6 and authorization[:6].upper() == "BEARER":
        return authorization[7:], Location.HEADER
    if len(authorization) > 5 and authorization[:5].lower() == "token":
        return authorization[6:], Location.HEADER
    if token := query.first("access_token"):
        return token, Location.QUERY
    return "", Location.NOWHERE


def authenticate(
    state: State, method: str, headers: Headers, query: Values, *, session_required: bool
) -> Session:
    """The caller's session, or ANONYMOUS. Raises AppError and UnknownToken."""
    token, location = find_token(headers, query)
    session = ANONYMOUS
    if token:
        found = state.session(token)
        if found is None:
            if session_required:
                raise UnknownToken
        elif location is Location.QUERY and not found.is_oauth:
            raise AppError("api.context.token_provided.app_error", 401)
        elif location is Location.COOKIE and not _is_own_request(method, headers, found):
            raise session_expired()
        else:
            session = found
    if session_required and not session.user_id:
        raise session_expired()
    return session


def _is_own_request(method: str, headers: Headers, session: Session) -> bool:
    """The protection against cross-site requests, which a cookie alone does not give."""
    return (
        method == "GET"
        or headers.get("x-csrf-token", "") == session.csrf
        or headers.get("x-requested-with") == "XMLHttpRequest"
    )


def _cookie(headers: Headers, wanted: str) -> str | None:
    """As Go reads the Cookie header: malformed pairs are skipped, quotes around a value dropped."""
    for line in headers.getlist("cookie"):
        for pair in line.split(";"):
            name, _, value = pair.strip(" \t").partition("=")
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            is_valid = _TOKEN.fullmatch(name) and _COOKIE_VALUE.fullmatch(value)
            if name == wanted and is_valid and not {'"', ";", "\\"} & set(value):
                return value
    return None
