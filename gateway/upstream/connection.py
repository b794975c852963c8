"""One HTTP/1.1 connection to Mattermost, carrying one exchange at a time.

Written for uploads: the request's body is pushed with back-pressure, and a response that comes
before the body is finished is seen at once. httptools parses; asyncio (or uvloop) moves bytes.
"""

import asyncio
import select
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from gateway.refusals import Refusal, upstream_failed, upstream_timeout, upstream_unreachable
from gateway.writes import WriteBatch

RawHeaders = list[tuple[bytes, bytes]]

WRITE_BUFFER = 256 * 1024
"""Bytes that may wait for Mattermost's socket before the client is told to wait, per upload."""
READ_BUFFER = 256 * 1024
"""Bytes of a response that may wait for the client before Mattermost is told to wait."""
SWITCHING = 101
"""The status with which a connection changes its protocol (RFC 9110, 15.2.2)."""

RETRY_AFTER = 5
"""Seconds after which a client may find Mattermost again."""


class UpstreamError(Exception):
    """Something between the gateway and Mattermost went wrong."""

    refusal: Refusal
    """What the client is told; the exception's text is for the log only."""


class Unreachable(UpstreamError):
    """No connection could be made."""

    refusal = upstream_unreachable(RETRY_AFTER)


class Untrusted(Unreachable):
    """Whoever answered did not prove to be Mattermost: it may be somebody else."""


class Broken(UpstreamError):
    """The connection ended, or what came over it is not HTTP, before the exchange was over."""

    refusal = upstream_failed()


class TimedOut(UpstreamError):
    """Mattermost accepted no more bytes, or gave no answer, for too long."""

    refusal = upstream_timeout()


class Response:
    """Status and headers of an answer, and its body as it arrives."""

    __slots__ = (
        "_changed",
        "_chunks",
        "_connection",
        "_error",
        "_waiting",
        "complete",
        "headers",
        "names",
        "reason",
        "status",
    )

    def __init__(
        self,
        connection: "Connection",
        status: int,
        headers: RawHeaders,
        reason: bytes,
        names: list[bytes] | None,
    ) -> None:
        """``names`` are those of the headers as they were spelled, where somebody wants them."""
        self.status = status
        self.reason = reason
        self.headers = headers
        self.names = names or []
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self.complete = False
        self._error: UpstreamError | None = None
        self._changed: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first header called ``name`` (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def framed(self) -> bool:
        """Whether the headers tell where the body ends."""
        return _framed(self.headers)

    async def chunks(self, timeout: float | None = None) -> AsyncIterator[bytes]:
        """The body, in the pieces in which it arrives.

        Raises Broken if it ends too early, and TimedOut if nothing comes for ``timeout`` seconds.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                if self._waiting <= READ_BUFFER // 2:
                    self._connection.resume_reading()
                yield chunk
            if self._error is not None:
                raise self._error
            if self.complete:
                return
            await self._change(timeout)

    async def read(self, limit: int, timeout: float) -> bytes:
        """The whole body, of at most ``limit`` bytes. Raises Broken, and TimedOut in seconds."""
        if self.complete and self._waiting <= limit:
            body = b"".join(self._chunks)
            self._chunks.clear()
            self._waiting = 0
            return body
        try:
            async with asyncio.timeout(timeout):
                return await self._collect(limit)
        except TimeoutError:
            raise TimedOut("Mattermost did not finish its answer") from None

    async def _collect(self, limit: int) -> bytes:
        pieces, size = [], 0
        async for chunk in self.chunks():
            pieces.append(chunk)
            size += len(chunk)
            if size > limit:
                raise Broken(f"an answer of more than {limit} bytes")
        return b"".join(pieces)

    async def _change(self, timeout: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._changed = loop.create_future()
        if timeout is None:
            await self._changed
            return
        error = TimedOut("Mattermost did not go on with its answer")
        timer = loop.call_later(timeout, self.finish, error)
        try:
            await self._changed
        finally:
            timer.cancel()

    def _tell(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def feed(self, data: bytes) -> None:
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting > READ_BUFFER:
            self._connection.pause_reading()
        self._tell()

    def finish(self, error: UpstreamError | None = None) -> None:
        self.complete = error is None
        self._error = error
        self._tell()


def _framed(headers: RawHeaders) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)


Interim = Callable[[Response], None]
"""What is to be done with a 1xx answer."""

_batch = WriteBatch()


class Connection(asyncio.Protocol):
    """A connection; ``begin`` an exchange, ``write`` its request, await its ``response``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._poll = select.poll()
        self._writable = asyncio.Event()
        self._writable.set()
        self._congested_since = 0.0
        self._drained: Callable[[], None] | None = None
        self._reading_paused = False
        self._closed = False
        self._reason = b""
        self._headers: RawHeaders = []
        self._response: Response | None = None
        self._interim = False
        self._on_interim: Interim | None = None
        self._names: list[bytes] | None = None
        self._keep_alive = False
        self.awaited: asyncio.Future[Response] = loop.create_future()
        """The answer's status and headers, or Broken."""
        self._continued: asyncio.Future[None] | None = None
        self._request_complete = True
        self._bodiless = False
        self._upgrade: bytes | None = None
        self._behind = b""
        self.idle_since = 0.0
        self.exchanges = 0
        self.received = False
        """Whether anything of an answer has come in the present exchange."""

    # What the pool and the client of an exchange call.

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow: the last one ended cleanly on both sides."""
        return (
            not self._closed
            and self._request_complete
            and self._response is not None
            and self._response.complete
            and self._keep_alive
        )

    def alive(self) -> bool:
        """Look before reuse: an idle socket with something to read was closed by its peer."""
        return not self._closed and not self._transport.is_closing() and not self._poll.poll(0)

    def begin(
        self,
        *,
        bodiless: bool = False,
        upgrade: bytes | None = None,
        on_interim: Interim | None = None,
    ) -> None:
        """Start an exchange. ``bodiless``: the answer has no body whatever it says (HEAD).
        ``upgrade``: the protocol, in lower case, to which a 101 may change the connection.
        Whoever takes interim answers, or a 101, also gets names as they were spelled."""
        # The parser cannot be told of HEAD; one that waits for a body is not used again.
        if bodiless or self._bodiless:
            self._parser = httptools.HttpResponseParser(self)
        self._bodiless = bodiless
        self._upgrade = upgrade
        self._on_interim = on_interim
        self.resume_reading()
        self._request_complete = False
        self._response = None
        self._keep_alive = False
        self.awaited = self._loop.create_future()
        self._continued = None
        self.received = False
        self.exchanges += 1

    def write(self, data: bytes | memoryview) -> None:
        """Write ``data``; nothing once the connection has ended, which the answer tells."""
        if not self._ended:
            self._transport.write(data)

    def writelines(self, pieces: list[bytes]) -> None:
        if not self._ended:
            self._transport.writelines(pieces)

    @property
    def _ended(self) -> bool:
        return self._closed or self._transport.is_closing()

    def write_soon(self, pieces: list[bytes]) -> None:
        """Write ``pieces`` together with what others write in this round of the event loop."""
        _batch.write(self._loop, self._transport, pieces)

    def end_request(self) -> None:
        self._request_complete = True

    @property
    def answered(self) -> bool:
        """Whether an answer, or the end of the connection, has come: writing on is useless."""
        return self._closed or self._response is not None

    @property
    def congested(self) -> bool:
        return not self._writable.is_set()

    def congested_for(self, now: float) -> float:
        """Seconds for which Mattermost has taken nothing of what waits to be written."""
        return now - self._congested_since if self.congested else 0.0

    async def writable(self) -> None:
        """Wait until Mattermost has taken enough of what was written."""
        await self._writable.wait()

    @property
    def can_pour(self) -> bool:
        """Whether a pump may write: not under TLS, which would keep what is written."""
        return self._transport.get_extra_info("sslcontext") is None

    def begin_pouring(self, drained: Callable[[], None]) -> None:
        """From now on nothing may wait without ``congested``; ``drained`` is called after."""
        self._drained = drained
        self._transport.set_write_buffer_limits(high=0)

    def end_pouring(self) -> None:
        self._drained = None
        if not self._closed:
            self._transport.set_write_buffer_limits(high=WRITE_BUFFER)

    async def go_ahead(self, timeout: float) -> None:
        """Wait for ``100 Continue``, the answer, or the connection's end; at most ``timeout``."""
        self._continued = self._loop.create_future()
        if not self.answered:
            await asyncio.wait([self._continued], timeout=timeout)

    def time_out(self) -> None:
        """The answer does not come any more."""
        if not self.awaited.done():
            self.awaited.set_exception(TimedOut("Mattermost did not answer"))

    def hand_over(self, successor: asyncio.Protocol) -> bytes:
        """After a 101, leave the connection to ``successor``, with its reading paused.

        Returns what came right behind the answer. Raises Broken.
        """
        if self._ended:
            raise Broken("the connection ended when it was to change its protocol")
        self._transport.set_protocol(successor)
        successor.connection_made(self._transport)
        return self._behind

    def close(self) -> None:
        self._transport.abort()

    def pause_reading(self) -> None:
        if not self._reading_paused and not self._closed:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._reading_paused and not self._closed:
            self._reading_paused = False
            self._transport.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        self.received = True
        try:
            if not self.exchanges or (self._response is not None and self._response.complete):
                raise httptools.HttpParserError("bytes that no request asked for")
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._response is None:
                self._fail(Broken("an unasked-for change of protocol"))
            else:
                self._behind = data[upgrade.args[0] :]
                self.pause_reading()  # the rest is for whoever speaks the new protocol
        except httptools.HttpParserError as error:
            self._fail(Broken(f"an answer that is not HTTP: {error}"))

    def eof_received(self) -> bool:
        response = self._response
        if response is not None and not response.complete and not response.framed:
            response.finish()  # RFC 9112, 6.3: such a body ends with the connection
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._writable.set()
        self._fail(Broken("the connection ended before the answer was complete"))

    def pause_writing(self) -> None:
        self._writable.clear()
        self._congested_since = self._loop.time()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._drained is not None:
            self._drained()

    # httptools callbacks

    def on_message_begin(self) -> None:
        if self._response is not None:
            raise httptools.HttpParserError("a second answer")
        self._reason = b""
        self._headers = []
        spelled = self._on_interim is not None or self._upgrade is not None
        self._names = [] if spelled else None

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        if self._names is not None:
            self._names.append(name)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        switches = status == SWITCHING and self._is_asked_for()
        if status < 200 and not switches:
            self._interim = True
            if status == 100:
                if self._continued is not None and not self._continued.done():
                    self._continued.set_result(None)
            elif self._on_interim is not None:
                self._on_interim(self._begin_response(status))
            return
        self._interim = False
        self._keep_alive = self._parser.should_keep_alive()
        self._response = self._begin_response(status)
        if self._bodiless or switches:
            self._response.finish()
        if self._continued is not None and not self._continued.done():
            self._continued.set_result(None)
        if not self.awaited.done():
            self.awaited.set_result(self._response)

    def _is_asked_for(self) -> bool:
        """Whether this 101 changes to the protocol of the request, and has no body."""
        protocols = [value.lower() for name, value in self._headers if name == b"upgrade"]
        return (
            self._parser.should_upgrade()
            and protocols == [self._upgrade]
            and not _framed(self._headers)
        )

    def _begin_response(self, status: int) -> Response:
        response = Response(self, status, self._headers, self._reason, self._names)
        self._headers, self._names = [], None  # for trailers, of which nobody here has use
        return response

    def on_body(self, body: bytes) -> None:
        if self._response is not None:
            self._response.feed(body)

    def on_message_complete(self) -> None:
        if not self._interim and self._response is not None:
            self._response.finish()

    def _fail(self, error: UpstreamError) -> None:
        if not self._closed:
            self.close()
        if self._continued is not None and not self._continued.done():
            self._continued.set_result(None)
        if not self.awaited.done():
            self.awaited.set_exception(error)
            self.awaited.exception()  # it may be that nobody waits any more
        if self._response is not None and not self._response.complete:
            self._response.finish(error)
