"""One request on a client's connection, and its answer, between server and application.

The application is called as ASGI says, with a few extensions that are named here.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.utils import ClientDisconnected

from gateway.accounting import Account
from gateway.edge.caller import Origin
from gateway.edge.pump import WORTH_IT
from gateway.upstream.sink import Sink
from gateway.writes import WriteBatch

if TYPE_CHECKING:
    from gateway.edge.protocol import UploadProtocol

MALFORMED = "gateway.malformed"
"""In a scope's extensions, and in a disconnect message: the request, or its body, could not be
parsed, and its refusal is to be sent."""
STALLED = "gateway.stalled"
"""In a disconnect message: the client sent nothing for too long; it can still be answered."""
CYCLE = "gateway.cycle"
"""In a scope's extensions: the cycle, for what ASGI has no messages for."""
WHOLE = "gateway.response"
"""Type of a message that is a whole answer: ``status``, ``headers``, ``body``."""
WEBSOCKET = "gateway.websocket"
"""In a scope's extensions: the request asks for a WebSocket, and can be answered by a switch."""
SWITCH = "gateway.switch"
"""Type of a message that answers 101 with ``headers`` and leaves the connection to ``end``."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus
}

batch = WriteBatch()
"""Of answers."""


class Cycle:
    """One request and its answer."""

    __slots__ = (
        "_asked",
        "_chunked",
        "_message",
        "_protocol",
        "_unsent_head",
        "abandon",
        "account",
        "answered",
        "arrived",
        "disconnected",
        "ends_with_connection",
        "keep_alive",
        "malformed",
        "more_body",
        "origin",
        "pieces",
        "scope",
        "stalled",
        "task",
        "waiting",
    )

    def __init__(self, protocol: "UploadProtocol", scope: Any, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.scope = scope
        self.keep_alive = keep_alive
        self.pieces: deque[bytes] = deque()
        self.waiting = 0
        """Bytes in ``pieces``."""
        self.arrived = 0
        """Bytes of the body that have come."""
        self.more_body = True
        self.disconnected = False
        self.stalled = False
        self.malformed = False
        self.answered = False
        self.abandon: Callable[[], None] | None = None
        """To be called when the client is gone."""
        self.account: Account | None = None
        """Of the request, once there is one."""
        self.origin: Origin | None = None
        self.task: asyncio.Task[None] | None = None
        """Runs the application."""
        self.ends_with_connection = False
        """Whether the end of the connection is what tells that the answer is complete."""
        self._chunked = False
        self._asked = False
        self._unsent_head = b""
        self._message: asyncio.Future[None] | None = None

    async def run(self, app: Any) -> None:
        """Run the application, which answers; an answer that stops half-way cuts the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        finally:
            self.scope["extensions"].clear()  # a circle that would wait for the collector
            self.abandon = None  # another one
            self.account = self.origin = None
            self._protocol.ended(self)

    def wake(self) -> None:
        """Something has changed for whoever waits in ``receive``."""
        if self._message is not None and not self._message.done():
            self._message.set_result(None)

    def take(self) -> bytes | None:
        """A piece of the body that has come; None if ``receive`` has something else to tell."""
        if not self.pieces or self.stalled or self.answered:
            return None
        piece = self.pieces.popleft()
        self.waiting -= len(piece)
        return piece

    @property
    def taken(self) -> bool:
        """Whether the whole body has come and was handed out."""
        return not (self.more_body or self.pieces)

    async def receive(self) -> Any:
        while not (self.pieces or self.disconnected or self.stalled or self.malformed):
            if not self.more_body:
                break
            self._ask_for_body()
            self._message = self._protocol.expect_body()
            await self._message
            self._protocol.deadline = None
        if self.stalled:
            return {"type": "http.disconnect", STALLED: True}
        if self.malformed and not self.pieces:
            return {"type": "http.disconnect", MALFORMED: True}
        if self.answered or (self.disconnected and not self.pieces):
            return {"type": "http.disconnect"}
        body = self.take() or b""
        return {"type": "http.request", "body": body, "more_body": not self.taken}

    async def pour(self, sink: Sink, length: int) -> bool:
        """Have the rest of a body of ``length`` bytes pumped into ``sink``, where it pays.

        To be called when ``receive`` has handed out all that came. False: nothing was pumped.
        Raises OSError when the client is gone, TimeoutError when it sends nothing for too long.
        """
        missing = length - self.arrived
        if missing < WORTH_IT or self.pieces or self.disconnected:
            return False
        if self.scope["scheme"] != "http":  # TLS has to see each byte
            return False
        self._ask_for_body()
        await self._protocol.pour(self, sink, missing)
        self.more_body = False
        return True

    def _ask_for_body(self) -> None:
        """Tell a client that waits for it to go on (RFC 9110, 10.1.1)."""
        if self._asked:
            return
        self._asked = True
        if self.scope["http_version"] != "1.1":
            return
        for name, value in self.scope["headers"]:
            if name == b"expect" and value.lower() == b"100-continue":
                self._protocol.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def send(self, message: Any) -> None:
        """Raises OSError when the client is gone."""
        protocol = self._protocol
        if protocol.writable is not None:
            await protocol.writable
        if self.disconnected:
            raise ClientDisconnected
        kind = message["type"]
        if kind == WHOLE:
            head = self._head(message["status"], message["headers"])
            self._send_body(head, message["body"], more=False)
        elif kind == SWITCH:
            self.keep_alive = True  # what follows knows no "close"
            head = self._head(101, message["headers"], message["reason"])
            protocol.hand_over(self, head, message["end"])
        elif kind == "http.response.start":
            # In one write with what follows at once; on its own if nothing does.
            status, reason = message["status"], message.get("reason")
            self._unsent_head = self._head(status, message["headers"], reason)
            protocol.loop.call_soon(self._flush_head)
        else:
            head, self._unsent_head = self._unsent_head, b""
            self._send_body(head, message["body"], more=message["more_body"])

    def _flush_head(self) -> None:
        if self._unsent_head:
            self._protocol.transport.write(self._unsent_head)
            self._unsent_head = b""

    def interim(self, status: int, headers: list[tuple[bytes, bytes]], reason: bytes) -> None:
        """Send a 1xx answer to a client that can take one (RFC 9110, 15.2)."""
        protocol = self._protocol
        able = self.scope["http_version"] == "1.1" and not self.disconnected
        if able and protocol.writable is None:
            lines = [b"HTTP/1.1 %d %s" % (status, reason), *map(b": ".join, headers), b"", b""]
            protocol.transport.write(b"\r\n".join(lines))

    def _head(
        self, status: int, headers: list[tuple[bytes, bytes]], reason: bytes | None = None
    ) -> bytes:
        if self.more_body:
            self.keep_alive = False  # the rest of the body would be taken for the next request
        if reason is None:
            names: Collection[bytes] = dict(headers)
            lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status]
        else:  # Mattermost's own words, and its spelling of the names
            names = [header[0].lower() for header in headers]
            lines = [b"HTTP/1.1 %d %s" % (status, reason)]
        lines += map(b": ".join, headers)
        framed = (
            b"content-length" in names
            or self.scope["method"] == "HEAD"
            or status in (101, 204, 304)
        )
        if b"date" not in names:
            lines.append(self._protocol.date_line())
        if not framed and self.scope["http_version"] == "1.1":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked")
        elif not framed:
            self.keep_alive = False
            self.ends_with_connection = True
        if not self.keep_alive:
            lines.append(b"connection: close")
        lines += (b"", b"")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) - 1:
            raise RuntimeError("a header holds a line end")
        return head

    def _send_body(self, head: bytes, body: bytes, *, more: bool) -> None:
        pieces = [head] if head else []
        if body and self.scope["method"] != "HEAD":
            pieces += (b"%x\r\n" % len(body), body, b"\r\n") if self._chunked else (body,)
        if self._chunked and not more:
            pieces.append(b"0\r\n\r\n")
        protocol = self._protocol
        if more or self.more_body or not self.keep_alive:
            protocol.transport.writelines(pieces)
        else:
            batch.write(protocol.loop, protocol.transport, pieces)
        if not more:
            self.answered = True
            self.wake()
            protocol.on_answered(self)
