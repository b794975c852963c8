"""The stand-in as an ASGI application: from the request line to the answer, Mattermost's way."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.standin import websocket
from gateway.standin.api import (
    accounts,
    administration,
    downloads,
    enterprise,
    files,
    pictures,
    places,
    posts,
    system,
    uploads,
)
from gateway.standin.api.accounts import cleared_cookie
from gateway.standin.api.auth import UnknownToken, authenticate
from gateway.standin.api.context import VERSION, Context, Request, json_response
from gateway.standin.control import Control
from gateway.standin.errors import AppError, session_expired
from gateway.standin.faults import NONE, Fault, Faults
from gateway.standin.filestore import FileStore
from gateway.standin.go.body import Body, BodyError
from gateway.standin.go.urls import TargetError, clean_path, escape_path, parse_query, parse_target
from gateway.standin.journal import Journal
from gateway.standin.model import new_id
from gateway.standin.options import Options
from gateway.standin.protocol import EXTENSION, Connection
from gateway.standin.routing import Route, Router
from gateway.standin.state import State
from gateway.standin.websocket import Hub

_MODULES: Final = (
    accounts,
    places,
    posts,
    files,
    downloads,
    uploads,
    administration,
    pictures,
    enterprise,
    system,
)
ROUTES: Final = tuple(route for module in _MODULES for route in module.ROUTES)
_VERSION_ID: Final = f"{VERSION}..701ac3cc8012c09df34e5a992f6553d3.false"
_BODY_OVERHEAD: Final = 512
"""Bytes by which a body may be longer than the largest file (Go's ``bytes.MinRead``)."""
_RESET_AFTER: Final = 0.03
"""Seconds from an answer to the reset that follows it."""
_DRAINED_BEFORE_ANSWER: Final = 256 * 1024
"""How much of an unread body Go's server reads before it sends the answer."""


class StandIn:
    def __init__(
        self,
        options: Options,
        state: State,
        store: FileStore,
        journal: Journal,
        upgraded: dict[Any, asyncio.Transport],
    ) -> None:
        """``upgraded`` is where the protocol leaves the transports of WebSockets."""
        self._options = options
        self._upgraded = upgraded
        self._hub = Hub(state)
        self._state = state
        self._store = store
        self._faults = Faults()
        self._control = Control(state, store, journal, self._faults)
        self._router = Router(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_websocket(WebSocket(scope, receive, send))
            return
        connection = cast(Connection, scope["extensions"][EXTENSION])
        try:
            path, raw_query = parse_target(connection.target)
        except TargetError:
            connection.entry.status = 400
            await PlainTextResponse("400 Bad Request", 400)(scope, receive, send)
            return
        if path.startswith("/standin/"):
            response = await self._control.answer(scope["method"], path, Body(receive, 2**20))
            await response(scope, receive, send)
            return
        fault = self._faults.take(connection.entry.endpoint)
        if fault is not NONE:
            receive = _slowed(receive, fault)
        headers = Headers(scope=scope)
        request = Request(
            method=scope["method"],
            path=path,
            query=parse_query(raw_query),
            raw_query=raw_query,
            headers=headers,
            body=Body(receive, self._options.max_file_size + _BODY_OVERHEAD),
            entry=connection.entry,
            content_length=_content_length(headers),
        )
        exchange = _Exchange(scope, receive, send, connection, request, fault)
        if not await exchange.fail():
            await exchange.answer(await self._respond(request))

    async def _serve_websocket(self, socket: WebSocket) -> None:
        transport = self._upgraded.pop(socket.scope["client"])
        if socket.url.path.rstrip("/") == self._options.subpath + websocket.PATH:
            await websocket.serve(socket, self._state, self._hub, transport.abort)
        else:
            await socket.close()

    async def _respond(self, request: Request) -> Response:
        cleaned = clean_path(request.path)
        if cleaned != request.path:
            query = f"?{request.raw_query.decode('latin-1')}" if request.raw_query else ""
            return Response(status_code=301, headers={"Location": escape_path(cleaned) + query})
        subpath = self._options.subpath
        if subpath and not f"{request.path}/".startswith(f"{subpath}/"):
            return PlainTextResponse("404 page not found\n", 404)
        path = request.path.removeprefix(subpath)
        match = self._router.match(request.method, path)
        if match is None:
            return _no_such_page(request.path, is_api=path.startswith("/api/v4/"))
        return await self._handle(request, *match)

    async def _handle(self, request: Request, route: Route, params: dict[str, str]) -> Response:
        request_id = new_id()
        try:
            session = authenticate(
                self._state,
                request.method,
                request.headers,
                request.query,
                session_required=route.session_required,
            )
            context = Context(
                self._options, self._state, self._store, self._hub, request, session, params
            )
            response = await route.handler(context)
        except UnknownToken:
            error = session_expired()
            response = json_response(error.as_json(request_id), error.status)
            response.headers["Set-Cookie"] = cleared_cookie(self._options.subpath)
        except AppError as error:
            response = _render(error, request_id, is_api=route.is_api)
        response.headers.setdefault("Content-Type", "application/json")
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["X-Request-Id"] = request_id
        response.headers["X-Version-Id"] = _VERSION_ID
        if request.method == "GET":
            response.headers["Expires"] = "0"
        return response


def _content_length(headers: Headers) -> int:
    if "transfer-encoding" in headers:
        return -1
    return int(headers.get("content-length", "0"))


def _no_such_page(path: str, *, is_api: bool) -> Response:
    if not is_api:
        return HTMLResponse("<!DOCTYPE html><html><body>Mattermost, the stand-in</body></html>\n")
    error = AppError("api.context.404.app_error", 404)
    document = {
        "id": error.id,
        "message": error.message,
        "detailed_error": (
            f"There doesn't appear to be an api call for the url='{path}'.  "
            "Typo? are you missing a team_id or user_id as part of the url?"
        ),
        "status_code": error.status,
    }
    return json_response(document, error.status, {"Content-Type": "text/plain; charset=utf-8"})


def _render(error: AppError, request_id: str, *, is_api: bool) -> Response:
    if is_api:
        return json_response(error.as_json(request_id), error.status)
    page = f"<!DOCTYPE html><html><head></head><body>{error.message}</body></html>\n"
    return Response(page, error.status, {"Content-Type": "text/html"})


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request on its connection, up to the answer's last byte."""

    scope: Scope
    receive: Receive
    send: Send
    connection: Connection
    request: Request
    fault: Fault

    async def fail(self) -> bool:
        """Whether the fault, and not the server, has dealt with the request."""
        fault = self.fault
        if fault is NONE:
            return False
        await asyncio.sleep(fault.delay)
        if fault.garbage is not None:
            self.connection.write(fault.garbage.encode("latin-1"))
            await self._hang_up()
        elif fault.close_after is not None:
            await self._read(fault.close_after)
            await self._hang_up()
        elif fault.stall:
            if fault.stop_reading:
                self.connection.stop_reading()
            else:
                await self._read(None)
            await self._wait_for_client_to_leave()
        elif fault.status is not None:
            await self.answer(Response(fault.body, fault.status, dict(fault.headers)))
        else:
            return False
        return True

    async def answer(self, response: Response) -> None:
        fault = self.fault
        if fault.idle_close is not None:
            self.connection.close_when_idle(fault.idle_close)
        if fault.stop_reading:
            self.connection.stop_reading()
        elif await self._leaves_body_unread():
            response.headers["Connection"] = "close"
            self.connection.linger()
        self.connection.entry.status = response.status_code
        send = self.send if fault.cut_answer is None else self._cutting_send(fault.cut_answer)
        await response(self.scope, self.receive, send)
        if fault.close_quietly:
            if fault.reset:
                await asyncio.sleep(_RESET_AFTER)  # a reset takes back what is still on its way
            await self._hang_up()

    async def _leaves_body_unread(self) -> bool:
        """Reads what little may be left, as Go's server does before it answers."""
        body, length = self.request.body, self.request.content_length
        if length == 0 or body.finished or body.aborted:
            return False
        expects_continue = self.request.headers.get("expect", "").lower() == "100-continue"
        if expects_continue and not body.touched:
            return True
        if length - body.received >= _DRAINED_BEFORE_ANSWER:
            return True
        limit = body.received + _DRAINED_BEFORE_ANSWER
        try:
            while body.received <= limit and await body.read_past_limit():
                pass
        except BodyError:
            return True
        return not body.finished

    async def _read(self, size: int | None) -> None:
        """So much of the body, or all of it."""
        body = self.request.body
        try:
            while (size is None or body.received < size) and await body.read_past_limit():
                pass
        except BodyError:
            pass

    async def _hang_up(self) -> None:
        self.connection.hang_up(reset=self.fault.reset)
        await self._wait_for_client_to_leave()

    async def _wait_for_client_to_leave(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def _cutting_send(self, left: int) -> Send:
        async def send(message: Message) -> None:
            nonlocal left
            if message["type"] != "http.response.body":
                await self.send(message)
                return
            piece = message.get("body", b"")[:left]
            left -= len(piece)
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
            if left == 0:
                await self._hang_up()

        return send


def _slowed(receive: Receive, fault: Fault) -> Receive:
    if fault.read_rate is None:
        return receive
    rate = fault.read_rate

    async def slowed() -> Message:
        message = await receive()
        await asyncio.sleep(len(message.get("body", b"")) / rate)
        return message

    return slowed
