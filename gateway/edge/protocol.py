"""The server's side of HTTP/1.1: uvicorn's httptools protocol, made fit for uploads.

What differs from uvicorn:

- A body is handed on in the pieces in which it arrived, without copies, up to ``BODY_BUFFER``
  waiting bytes.
- An answer that comes before the body is finished reaches the client: the connection is closed
  only after what the client was still sending has been read and thrown away for a while
  (lingering close, as nginx does it), since closing at once would reset the connection.
- Heads are limited in size and time; what is not HTTP is answered and accounted for like every
  other request.
- A client may close its sending side after its request and still gets its answer.
"""

import asyncio
from collections import deque
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.utils import ClientDisconnected

BODY_BUFFER = 512 * 1024
"""Bytes of a body that may wait for the application before reading pauses, per connection."""
HEAD_LIMIT = 64 * 1024
"""Bytes of a request's line and headers."""
HEAD_TIMEOUT = 30.0
"""Seconds in which a head must be complete, from the connection's start or the head's."""
LINGER_IDLE = 5.0
"""Seconds of silence after which a lingering connection is closed."""
LINGER_TOTAL = 30.0
"""Seconds after which a lingering connection is closed whatever comes."""

STALLED = "gateway.stalled"
"""Marks the disconnect of a client that sent nothing for too long; it can still be answered."""
MALFORMED = "gateway.malformed"
"""Extension in the scope of a request that could not be parsed: its refusal is to be sent."""


class Cycle(RequestResponseCycle):
    """One request and its answer."""

    def __init__(self, protocol: "UploadProtocol", **options: Any) -> None:
        super().__init__(**options)
        self._protocol = protocol
        self.pieces: deque[bytes] = deque()
        self.waiting = 0
        self._unsent_head = b""
        self.stalled = False

    async def run_asgi(self, app: Any) -> None:
        """Run the application, which answers; an answer that stops half-way cuts the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        finally:
            if not self.response_complete:
                self.transport.abort()

    async def receive(self) -> Any:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.pieces and self.more_body and not self.disconnected:
            await self._more()
        if self.stalled:
            return {"type": "http.disconnect", STALLED: True}
        if self.response_complete or (self.disconnected and not self.pieces):
            return {"type": "http.disconnect"}
        body = self.pieces.popleft() if self.pieces else b""
        self.waiting -= len(body)
        more = self.more_body or bool(self.pieces)
        return {"type": "http.request", "body": body, "more_body": more}

    async def _more(self) -> None:
        """Wait for more of the body, the connection's end, or too long a silence."""
        self.message_event.clear()
        self.flow.resume_reading()
        self._protocol.expect_body()
        await self.message_event.wait()
        self._protocol.deadline = None

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            raise ClientDisconnected
        if message["type"] == "http.response.start":
            self._send_head(message["status"], message["headers"])
        else:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))

    def _send_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        if self.more_body:
            self.keep_alive = False  # the rest of the body would be taken for the next request
        lines = [STATUS_LINE[status]]
        framed = self.scope["method"] == "HEAD" or status in (204, 304)
        dated = False
        for name, value in headers:
            if name in (b"content-length", b"transfer-encoding"):
                framed = True
            elif name == b"date":
                dated = True
            lines.append(b"%s: %s\r\n" % (name, value))
        if not dated:
            lines += (b"%s: %s\r\n" % header for header in self.default_headers)
        if not framed and self.scope["http_version"] == "1.1":
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked\r\n")
        elif not framed:
            self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        head = b"".join(lines)
        if head.count(b"\n") != len(lines):
            raise RuntimeError("a header holds a line end")
        # In one write with what follows at once; on its own if nothing does.
        self._unsent_head = head
        asyncio.get_running_loop().call_soon(self._flush_head)

    def _flush_head(self) -> None:
        if self._unsent_head:
            self.transport.write(self._unsent_head)
            self._unsent_head = b""

    def _send_body(self, body: bytes, *, more: bool) -> None:
        pieces = [self._unsent_head] if self._unsent_head else []
        self._unsent_head = b""
        if body and self.scope["method"] != "HEAD":
            pieces += (b"%x\r\n" % len(body), body, b"\r\n") if self.chunked_encoding else (body,)
        if self.chunked_encoding and not more:
            pieces.append(b"0\r\n\r\n")
        self.transport.writelines(pieces)
        if more:
            return
        self.response_complete = True
        self.message_event.set()
        self.on_response()


class UploadProtocol(HttpToolsProtocol):
    """A client's connection."""

    cycle: Cycle
    _head_bytes = 0
    _in_head = True
    _running: Cycle | None = None
    _lingering_since = 0.0
    deadline: float | None = None
    """When the connection is to be closed unless something happens; loop time."""

    def __init__(self, *arguments: Any, client_timeout: float, **options: Any) -> None:
        """``client_timeout``: seconds that a client may send nothing within a body."""
        super().__init__(*arguments, **options)
        self._client_timeout = client_timeout

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.deadline = self.loop.time() + HEAD_TIMEOUT

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the latest cycle only; a pipelined one need not be the one that runs.
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection for the answer if the request is complete."""
        running = self._running
        if running is None or running.response_complete or running.more_body:
            return False
        running.keep_alive = False
        return True

    def expect_body(self) -> None:
        self.deadline = self.loop.time() + self._client_timeout

    def expire(self, now: float) -> None:
        """End what has waited past its deadline; called about once a second."""
        if self.deadline is None or now <= self.deadline:
            return
        running = self._running
        if running is None or running.response_complete:
            self.transport.abort()
        else:
            self.deadline = None
            running.stalled = True
            running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._lingering_since:
            now = self.loop.time()
            self.deadline = min(now + LINGER_IDLE, self._lingering_since + LINGER_TOTAL)
            return
        if self._in_head:
            if self._head_bytes == 0:
                self.deadline = self.loop.time() + HEAD_TIMEOUT
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("the head is too large")

    def send_400_response(self, msg: str) -> None:
        """Have the application refuse what cannot be parsed, unless an answer is under way."""
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True  # its body will never be complete
            running.message_event.set()
            self.transport.close()
            return
        self.on_message_begin()
        self._in_head = False
        self.scope["method"] = ""
        self.scope["raw_path"] = self.scope["query_string"] = b""
        self.scope["extensions"] = {MALFORMED: {"problem": msg}}
        self._run(self._new_cycle(keep_alive=False))

    # httptools callbacks

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        self.deadline = None
        http_version = self.parser.get_http_version()
        url = httptools.parse_url(self.url)
        scope = self.scope
        scope["http_version"] = http_version
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["raw_path"] = url.path or b"/"
        scope["query_string"] = url.query or b""
        cycle = self._new_cycle(
            keep_alive=http_version == "1.1" and self.parser.should_keep_alive()
        )
        if self._running is None or self._running.response_complete:
            self._run(cycle)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.pieces.append(body)
        cycle.waiting += len(body)
        if cycle.waiting > BODY_BUFFER:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self.cycle.more_body = False
        self.cycle.message_event.set()

    # One request after the other

    def _new_cycle(self, *, keep_alive: bool) -> Cycle:
        self.cycle = Cycle(
            self,
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        return self.cycle

    def _run(self, cycle: Cycle) -> None:
        self._running = cycle
        self._start_asgi_task(cycle, self.app)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        cycle = self._running
        if cycle is None or self.transport.is_closing():
            return
        if cycle.more_body:
            self._linger()
        elif not cycle.keep_alive:
            self.transport.close()
        elif self.pipeline:
            following, _ = self.pipeline.pop()
            self.flow.resume_reading()
            self._run(following)  # type: ignore[arg-type]
        else:
            self.flow.resume_reading()
            self.deadline = self.loop.time() + self.timeout_keep_alive

    def _linger(self) -> None:
        self._lingering_since = self.loop.time()
        self.deadline = self._lingering_since + LINGER_IDLE
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def shutdown(self) -> None:
        """Part of a graceful stop: close once the running request is answered."""
        if self._running is None or self._running.response_complete:
            self.transport.close()
        else:
            self._running.keep_alive = False


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which also closes connections whose deadline has passed."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, UploadProtocol):
                    connection.expire(now)
        return await super().on_tick(counter)
