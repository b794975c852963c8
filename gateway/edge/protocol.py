"""The server's side of HTTP/1.1, as a protocol for uvicorn's server: made for uploads.

What it does that uvicorn's own protocols do not:

- A body is handed on in the pieces in which it arrived, without copies, up to ``BODY_BUFFER``
  waiting bytes.
- An answer that comes before the body is finished reaches the client: the connection is closed
  only after what the client was still sending has been read and thrown away for a while
  (lingering close, as nginx does it), since closing at once would reset the connection.
- Heads are limited in size and time, silence within a body in time; what is not HTTP is answered
  and accounted for like every other request.
- A client may close its sending side after its request and still gets its answer.
- A connection can be left to a tunnel, which a WebSocket needs; what the client sends before that
  is certain waits.

The application is called as ASGI says, with the extensions that ``gateway.edge.cycle`` names.
"""

import asyncio
from collections import deque
from typing import Any, cast

import httptools
import uvicorn
from uvicorn.protocols.utils import ClientDisconnected, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from gateway.edge.cycle import CYCLE, MALFORMED, WEBSOCKET, Cycle, batch
from gateway.edge.handshake import asks_for_websocket
from gateway.edge.head import check_target
from gateway.edge.pump import Pump
from gateway.edge.sockets import bytes_taken, is_reset, reset_at_end
from gateway.edge.tunnel import ClientEnd
from gateway.upstream.sink import Sink

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

_VERSIONS = ("1.1", "1.0")


class UploadProtocol(asyncio.Protocol):
    """A client's connection."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        client_timeout: float,
    ) -> None:
        """As uvicorn's server makes its protocols; ``client_timeout``: seconds that a client
        may send nothing within a body, or take nothing of an answer."""
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.writable: asyncio.Future[None] | None = None
        """To be awaited before writing more, if there is one."""
        self.deadline: float | None = None
        """When something is to happen unless something else does; loop time."""
        self._app = config.loaded_app
        self._keep_alive = config.timeout_keep_alive
        self._client_timeout = client_timeout
        self._state = server_state
        self._parser = httptools.HttpRequestParser(self)
        self._client: tuple[str, int] | None = None
        self._scheme = "http"
        self._running: Cycle | None = None
        """The request that is answered now."""
        self._latest: Cycle | None = None
        """The request whose body is being received."""
        self._pipeline: deque[Cycle] = deque()
        self._pump: Pump | None = None
        self._offer: Cycle | None = None
        """The request for a WebSocket that is not answered yet."""
        self._early = b""
        """What came behind it, and waits for its answer."""
        self._stopping = False
        self._reading_paused = False
        self._in_head = True
        self._head_bytes = 0
        self._lingering_since = 0.0
        self._taken = -1
        """Bytes that the client had taken when it was last looked at; -1 if none wait for it."""
        self._taken_at = 0.0
        self._overhead = 0
        """Bytes that came since the last of the body."""
        self._unparsed = 0
        """Bytes to come of a body that the parser does not see."""
        self._broken = False
        """Whether something came that is not HTTP: nothing after it can be understood."""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []

    @property
    def running(self) -> Cycle | None:
        """The request that is being answered."""
        return self._running

    @property
    def arrived(self) -> int:
        """Bytes of the running request's body that have come, those in a pump included."""
        if self._running is None:
            return 0
        pump = self._pump
        return self._running.arrived + (0 if pump is None else pump.wanted - pump.missing)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._client = get_remote_addr(self.transport)
        self._scheme = "https" if is_ssl(self.transport) else "http"
        self.deadline = self.loop.time() + HEAD_TIMEOUT

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self.resume_writing()
        for cycle in (self._running, self._latest):
            if cycle is not None:
                cycle.disconnected = True
                cycle.wake()
                if cycle.abandon is not None:
                    cycle.abandon()
        self._pipeline.clear()

    def eof_received(self) -> bool:
        """Keep the connection for the answer if the request is complete."""
        batch.flush()
        running = self._running
        if running is None or running.answered or running.more_body or running is self._offer:
            return False
        running.keep_alive = False
        return True

    def pause_writing(self) -> None:
        if self.writable is None:
            self.writable = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.writable is not None:
            if not self.writable.done():  # who waited may have been cancelled
                self.writable.set_result(None)
            self.writable = None

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        if self._lingering_since:
            now = self.loop.time()
            self.deadline = min(now + LINGER_IDLE, self._lingering_since + LINGER_TOTAL)
            return
        if self._offer is not None:
            self._let_wait(data)
            return
        if self._unparsed:
            data = self._take_unparsed(data)
        if data:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        if self._in_head:
            if self._head_bytes == 0:
                self.deadline = self.loop.time() + HEAD_TIMEOUT
            self._head_bytes += len(data)
        latest = self._latest
        arrived = latest.arrived if latest is not None else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # But for a WebSocket, the request is answered as any other (RFC 9110, 7.8);
            # httptools stops at its head and leaves out its body.
            self._parser = httptools.HttpRequestParser(self)
            self.data_received(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse_malformed("this is not HTTP")
        if self._in_head:
            if self._head_bytes > HEAD_LIMIT:
                self._refuse_malformed("the head is too large")
        elif latest is not None and latest is self._latest:
            # Chunk extensions and trailers, which the parser would collect without an end.
            self._overhead = self._overhead + len(data) if latest.arrived == arrived else 0
            if self._overhead > HEAD_LIMIT:
                self._refuse_malformed("the body's framing is too large")

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._in_head = True
        self._target = b""
        self._headers = []

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # and not in the trailers, which nobody here has use for
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self.deadline = None
        parser = self._parser
        target = self._target
        if not target.startswith(b"/") or b"#" in target:
            check_target(target)  # raises, which ends the parsing
        path, _, query = target.partition(b"?")
        version = parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError("not HTTP/1")
        if parser.should_upgrade():
            self._unparsed = int(dict(self._headers).get(b"content-length", b"0"))
        if self._head_is_too_large():
            raise ValueError("the head is too large")
        scope = self._scope(parser.get_method().decode("ascii"), path, query, version)
        offers = parser.should_upgrade()
        websocket = offers and asks_for_websocket(scope["method"], version, self._headers)
        keep_alive = version == "1.1" and parser.should_keep_alive() and (websocket or not offers)
        cycle = Cycle(self, scope, keep_alive=keep_alive)
        if websocket:
            scope["extensions"][WEBSOCKET] = True
            self._offer = cycle
        scope["extensions"][CYCLE] = cycle
        self._begin(cycle)

    def _head_is_too_large(self) -> bool:
        """Measured closely only where what came with the head makes it worthwhile."""
        arrived, self._head_bytes = self._head_bytes, 0
        if arrived <= HEAD_LIMIT:
            return False
        fields = sum(len(name) + len(value) for name, value in self._headers)
        return len(self._target) + fields > HEAD_LIMIT

    def on_body(self, body: bytes) -> None:
        cycle = self._latest
        if cycle is None or cycle.answered:
            return
        cycle.pieces.append(body)
        cycle.arrived += len(body)
        cycle.waiting += len(body)
        if cycle.waiting > BODY_BUFFER:
            self._pause_reading()
        cycle.wake()

    def _take_unparsed(self, data: bytes) -> bytes:
        """Take what belongs to a body that the parser left out; returns what follows it."""
        piece, following = data[: self._unparsed], data[self._unparsed :]
        self._unparsed -= len(piece)
        if piece:
            self.on_body(piece)
            if not self._unparsed:
                self.on_message_complete()
        return following

    def on_message_complete(self) -> None:
        if self._unparsed:
            return
        self._in_head = True
        if self._latest is not None:
            self._latest.more_body = False
            self._latest.wake()

    # One request after the other

    def _scope(self, method: str, path: bytes, query: bytes, version: str) -> dict[str, Any]:
        return {
            "type": "http",
            "http_version": version,
            "method": method,
            "scheme": self._scheme,
            "raw_path": path,
            "query_string": query,
            "headers": self._headers,
            "client": self._client,
            "extensions": {},
        }

    def _begin(self, cycle: Cycle) -> None:
        self._latest = cycle
        if self._running is None or self._running.answered:
            self._run(cycle)
        else:  # pipelined: its turn comes
            self._pipeline.append(cycle)
            self._pause_reading()

    def _run(self, cycle: Cycle) -> None:
        self._running = cycle
        cycle.task = self.loop.create_task(cycle.run(self._app), name="request")
        self._state.tasks.add(cycle.task)

    def ended(self, cycle: Cycle) -> None:
        """The application has ended."""
        if cycle.task is not None:
            self._state.tasks.discard(cycle.task)
            cycle.task = None  # a circle otherwise
        if not cycle.answered:
            if cycle.ends_with_connection and not cycle.disconnected:
                reset_at_end(self.transport.get_extra_info("socket"))
            self.transport.abort()

    def on_answered(self, cycle: Cycle) -> None:
        self._state.total_requests += 1
        if self.transport.is_closing():
            return
        if cycle.more_body:
            self._linger()
        elif not cycle.keep_alive:
            self.transport.close()
        elif self._pipeline:
            following = self._pipeline.popleft()
            if not self._pipeline:
                self._resume_reading()
            self._run(following)
        else:
            self._resume_reading()
            self.deadline = self.loop.time() + self._keep_alive
            if self._offer is not None:
                self._turn_down()

    def _refuse_malformed(self, problem: str) -> None:
        """Have the application refuse what cannot be parsed, unless an answer is under way."""
        self._broken = True
        running, latest = self._running, self._latest
        if running is not None and not running.answered:
            running.keep_alive = False
            if latest is not None and latest.more_body:
                latest.malformed = True
                latest.wake()
            return
        self._in_head = False
        scope = self._scope("", b"", b"", "1.1")
        scope["headers"] = []
        cycle = Cycle(self, scope, keep_alive=False)
        scope["extensions"] = {CYCLE: cycle, MALFORMED: {"problem": problem}}
        self._begin(cycle)

    def _linger(self) -> None:
        self._lingering_since = self.loop.time()
        self.deadline = self._lingering_since + LINGER_IDLE
        self._resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # A WebSocket

    def hand_over(self, cycle: Cycle, head: bytes, end: ClientEnd) -> None:
        """Send ``head``, and leave the connection to ``end``, with what came behind the request."""
        self.transport.write(head)
        cycle.answered = True
        self._resume_reading()
        self._state.connections.discard(self)
        end.take_over(self.transport, self._state.connections)
        end.data_received(self._early)
        if self._stopping:
            end.shutdown()

    def _let_wait(self, data: bytes) -> None:
        if data:
            self._early += data
            self._pause_reading()

    def _turn_down(self) -> None:
        """The answer was another one: what waits is the next request."""
        self._offer = None
        early, self._early = self._early, b""
        if early:
            self._parse(early)

    # Waiting

    def expect_body(self) -> "asyncio.Future[None]":
        """What becomes of the wait for more of the body."""
        self._resume_reading()
        self.expect_more()
        return self.loop.create_future()

    async def pour(self, cycle: Cycle, sink: Sink, missing: int) -> None:
        self._pause_reading()
        pump = self._pump = Pump(self, sink, missing)
        pump.start()
        try:
            await pump.done
        except EOFError:
            raise ClientDisconnected from None
        finally:
            self._pump = None
            pump.stop()
            cycle.arrived += missing - pump.missing
            self.transport.set_protocol(self)
            if not pump.missing:
                self._unparsed = 0
                self._parser = httptools.HttpRequestParser(self)  # which missed the body
                self._in_head = True
            self._resume_reading()

    def expect_more(self) -> None:
        """The client has to send something before the deadline."""
        self.deadline = self.loop.time() + self._client_timeout

    def expire(self, now: float) -> None:
        """End what has waited past its deadline; called about once a second."""
        if self._is_lost(now):
            reset_at_end(self.transport.get_extra_info("socket"))
            self.transport.abort()
            return
        if self.deadline is None or now <= self.deadline:
            return
        if self._taken >= 0 and (self._running is None or self._running.answered):
            return  # the client is not idle: it has not taken the whole answer yet
        self.deadline = None
        if self._pump is not None and not self._pump.done.done():
            self._pump.done.set_exception(TimeoutError())
            return
        running = self._running
        if running is None or running.answered:
            self.transport.abort()
        else:
            running.stalled = True
            running.wake()

    def _is_lost(self, now: float) -> bool:
        """Whether nobody is there any more: neither of both is noticed by itself."""
        transport = self.transport
        deaf = self._reading_paused or self._pump is not None
        if deaf and is_reset(transport.get_extra_info("socket")):
            return True
        if not transport.get_write_buffer_size():
            self._taken = -1
            return False
        taken = bytes_taken(transport.get_extra_info("socket"))
        if taken != self._taken:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at > self._client_timeout

    def shutdown(self) -> None:
        """Part of a graceful stop: close once the running request is answered."""
        self._stopping = True
        if self._running is None or self._running.answered:
            batch.flush()
            self.transport.close()
        else:
            self._running.keep_alive = False

    def date_line(self) -> bytes:
        """uvicorn's server formats the date once a second."""
        ((name, value),) = self._state.default_headers
        return b"%s: %s" % (name, value)

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()


class GatewayServer(uvicorn.Server):
    """uvicorn's server, which also ends what has waited past its deadline."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, UploadProtocol):
                    connection.expire(now)
        return await super().on_tick(counter)
