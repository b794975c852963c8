"""``/api/v4/websocket``: who is connected, what they are told, and what they may ask."""

import asyncio
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.standin.api.auth import UnknownToken, authenticate
from gateway.standin.api.context import VERSION
from gateway.standin.errors import AppError
from gateway.standin.events import Audience
from gateway.standin.go.json import decode_object
from gateway.standin.go.urls import parse_query
from gateway.standin.model import ANONYMOUS, Session, new_id, now_ms
from gateway.standin.state import State

PATH: Final = "/api/v4/websocket"
_AUTHENTICATION_SECONDS: Final = 5.0
_SERVER_VERSION: Final = f"{VERSION}..701ac3cc8012c09df34e5a992f6553d3.false"


class _CutOff(Exception):
    """Mattermost would end the conversation here."""


class Client:
    """One connection. ``drop`` cuts it off, as Mattermost does, without a closing frame."""

    def __init__(self, socket: WebSocket, drop: Callable[[], None]) -> None:
        self._socket = socket
        self._next_seq = 0
        self.drop = drop
        self.session = ANONYMOUS

    async def tell(self, event: str, data: dict[str, object], audience: Audience) -> None:
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        told = {"event": event, "data": data, "broadcast": audience.as_json(), "seq": seq}
        await self.send(told)

    async def send(self, document: dict[str, object]) -> None:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        await self._socket.send_text(text + "\n")


class Hub:
    """All connections that have told who they are."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._clients: set[Client] = set()

    async def join(self, client: Client, session: Session) -> None:
        client.session = session
        self._clients.add(client)
        hello: dict[str, object] = {"connection_id": new_id(), "server_version": _SERVER_VERSION}
        await client.tell("hello", hello, Audience(user_id=session.user_id))

    def leave(self, client: Client) -> None:
        self._clients.discard(client)

    async def publish(self, event: str, data: dict[str, object], audience: Audience) -> None:
        for client in list(self._clients):
            if self._concerns(client.session.user_id, audience):
                try:
                    await client.tell(event, data, audience)
                except (WebSocketDisconnect, RuntimeError):
                    self.leave(client)

    def _concerns(self, user_id: str, audience: Audience) -> bool:
        if audience.user_id:
            return user_id == audience.user_id
        if audience.channel_id:
            return self._state.channel_members.get(audience.channel_id, user_id) is not None
        return True


async def serve(socket: WebSocket, state: State, hub: Hub, drop: Callable[[], None]) -> None:
    """One connection from its handshake to its end."""
    if not _is_same_origin(socket.headers):
        await socket.close()
        return
    query = parse_query(socket.scope["query_string"])
    try:
        session = authenticate(state, "GET", socket.headers, query, session_required=False)
    except (AppError, UnknownToken):
        session = ANONYMOUS
    await socket.accept()
    client = Client(socket, drop)
    try:
        if session.user_id:
            await hub.join(client, session)
            await _set_online(hub, session)
        async with asyncio.timeout(None if session.user_id else _AUTHENTICATION_SECONDS) as limit:
            while True:
                await _serve_request(client, await _receive(socket), state, hub)
                if client.session.user_id:
                    limit.reschedule(None)
    except WebSocketDisconnect:
        pass
    except (TimeoutError, _CutOff):
        drop()
    finally:
        hub.leave(client)


def _is_same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


async def _set_online(hub: Hub, session: Session) -> None:
    data: dict[str, object] = {"status": "online", "user_id": session.user_id}
    await hub.publish("status_change", data, Audience(user_id=session.user_id))


async def _receive(socket: WebSocket) -> dict[str, object]:
    """The next request, in a text or a binary message."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    raw = message.get("bytes") or (message.get("text") or "").encode()
    request = decode_object(raw)
    if request is None:
        raise _CutOff
    return request


async def _serve_request(
    client: Client, request: dict[str, object], state: State, hub: Hub
) -> None:
    action, seq = request.get("action"), request.get("seq")
    if action == "authentication_challenge":
        if not client.session.user_id:
            await _authenticate(client, request, state, hub)
    elif not client.session.user_id:
        # Its error message has nowhere to go: the hub does not know the connection.
        return
    elif action == "ping":
        pong = {"node_id": "", "server_time": now_ms(), "text": "pong", "version": VERSION}
        await client.send({"status": "OK", "seq_reply": seq, "data": pong})
    elif action == "user_typing":
        await client.send({"status": "OK", "seq_reply": seq})
    else:
        error = AppError("api.web_socket_router.bad_action.app_error", 500)
        shown = {"id": error.id, "message": error.message, "status_code": error.status}
        await client.send({"status": "FAIL", "seq_reply": seq, "error": shown})


async def _authenticate(client: Client, request: dict[str, object], state: State, hub: Hub) -> None:
    data = request.get("data")
    token = data.get("token") if isinstance(data, dict) else None
    session = state.session(token) if isinstance(token, str) else None
    if session is None:
        raise _CutOff
    await hub.join(client, session)
    await client.send({"status": "OK", "seq_reply": request.get("seq")})
    await _set_online(hub, session)
