"""What a handler is given: the request, who sent it, and the server's parts."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.standin.errors import invalid_url_param, not_permitted
from gateway.standin.events import Audience
from gateway.standin.filestore import FileStore
from gateway.standin.go.body import Body, BodyError
from gateway.standin.go.json import decode_object, decode_texts
from gateway.standin.go.urls import Values
from gateway.standin.journal import Entry
from gateway.standin.model import Session, User, is_valid_id
from gateway.standin.options import Options
from gateway.standin.state import State

VERSION: Final = "5.37.0"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Unescaped, as Go's ``URL.Path``; below the subpath."""
    query: Values
    raw_query: bytes
    headers: Headers
    body: Body
    entry: Entry
    """Where the journal notes what this request brought."""
    content_length: int
    """-1 if unknown (chunked), 0 if there is no body."""

    @property
    def content_type(self) -> str:
        raw = self.headers.get("content-type", "").encode("latin-1")
        return raw.decode("utf-8", "surrogateescape")

    async def json_object(self) -> dict[str, object] | None:
        """The body as a JSON object; None if it is none."""
        try:
            return decode_object(await self.body.read_all())
        except BodyError:
            return None

    async def json_texts(self) -> list[str]:
        """The body as a JSON list of strings; empty if it is none."""
        try:
            return decode_texts(await self.body.read_all())
        except BodyError:
            return []


class Events(Protocol):
    """Tells connected clients what has happened."""

    async def publish(self, event: str, data: dict[str, object], audience: Audience) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    options: Options
    state: State
    store: FileStore
    events: Events
    request: Request
    session: Session
    params: dict[str, str]

    @property
    def is_admin(self) -> bool:
        return self.state.is_admin(self.session)

    @property
    def site_url(self) -> str:
        """As Mattermost guesses it from the request."""
        secure = self.request.headers.get("x-forwarded-proto") == "https"
        host = self.request.headers.get("host", "")
        return f"{'https' if secure else 'http'}://{host}{self.options.subpath}"

    def require_id(self, name: str) -> str:
        """The id in the path. Raises AppError where it is malformed."""
        value = self.params[name]
        if name == "user_id" and value == "me":
            value = self.session.user_id
        if not is_valid_id(value):
            raise invalid_url_param(name)
        return value

    def require_admin(self) -> None:
        if not self.is_admin:
            raise not_permitted()

    def require_channel(self, channel_id: str) -> None:
        if not self.state.may_use_channel(self.session, channel_id):
            raise not_permitted()

    def me(self) -> User | None:
        return self.state.users.get(self.session.user_id)


Handler = Callable[[Context], Awaitable[Response]]


def json_response(
    content: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """JSON as Go writes it: compact, UTF-8, with what HTML could misread escaped."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    # What is no UTF-8 becomes U+FFFD.
    raw = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return Response(raw, status, headers)


def ok() -> Response:
    return json_response({"status": "OK"})


def etag_matches(context: Context, etag: str) -> bool:
    return context.request.headers.get("if-none-match") == etag


def not_modified(etag: str) -> Response:
    return Response(status_code=304, headers={"Etag": etag})
