"""Exchanges with Mattermost over pooled connections.

A kept-alive connection may die while it is idle. So each is looked at before it is used again,
and one that was idle for a while is asked for ``100 Continue`` before it gets a body. Should it
break all the same, the request is sent once more on a new connection, but only while everything
that was sent is still in hand and Mattermost cannot have acted on it (RFC 9110, 9.2.2).
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.upstream.connection import (
    Broken,
    Connection,
    Interim,
    RawHeaders,
    Response,
    TimedOut,
    Unreachable,
    Untrusted,
)
from gateway.upstream.sink import AllButTheLast, Sink

IDLE_EXPIRY = 45.0
"""Seconds after which an idle connection is not used again; Mattermost closes them after 60."""
TRUSTED_IDLE = 1.0
"""Seconds of idleness within which a connection that looks alive is taken to be alive."""
GO_AHEAD = 1.0
"""Seconds to wait for ``100 Continue`` before sending the body regardless (RFC 9110, 10.1.1)."""
_LOOK_EVERY = 1.0
MOST_IDLE = 256
"""Idle connections kept."""

Read = Callable[[], Awaitable[bytes]]
Pour = Callable[[Sink], Awaitable[bool]]


class Content(NamedTuple):
    """A request's body: what is in hand, then what ``rest`` reads (empty bytes at its end)."""

    first: bytes = b""
    rest: Read | None = None
    length: int | None = 0
    """Bytes of the whole body; None sends it chunked."""
    pour: "Pour | None" = None
    """Writes all that ``rest`` would still read by itself, or returns False."""
    check: Callable[[], None] | None = None
    """Raises if whoever sends the body is gone; asked while Mattermost takes nothing."""
    before_end: Callable[[], Awaitable[None]] | None = None
    """Awaited before the last of what ``rest`` reads is sent; again if it is sent again."""


class ConnectionPool:
    """Connections to one Mattermost."""

    def __init__(
        self, host: str, port: int, *, tls: ssl.SSLContext | None, connect_timeout: float
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._idle: deque[Connection] = deque()
        self._due: dict[Connection, float] = {}
        self._look: asyncio.TimerHandle | None = None
        self.loop = asyncio.get_running_loop()  # not per exchange: asking for it is a system call

    def take_idle(self, now: float) -> Connection | None:
        """The most recently used idle connection that is still alive."""
        while self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since < IDLE_EXPIRY and connection.alive():
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """A new connection. Raises Unreachable, of which Untrusted is one."""
        loop = self.loop
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop), self._host, self._port, ssl=self._tls
                )
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"{self._host}:{self._port}: {error.verify_message}") from error
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{self._host}:{self._port}: {str(error) or 'timed out'}") from error
        return connection

    def give_back(self, connection: Connection, now: float) -> None:
        """Keep ``connection`` for another exchange if it is fit for one."""
        self._due.pop(connection, None)
        if not connection.reusable or len(self._idle) >= MOST_IDLE:
            connection.close()
            return
        connection.idle_since = now
        self._idle.append(connection)
        while now - self._idle[0].idle_since > IDLE_EXPIRY:
            self._idle.popleft().close()

    def answer(self, connection: Connection, timeout: float) -> asyncio.Future[Response]:
        """The beginning of the answer on ``connection``, to be awaited. Raises Broken, and
        TimedOut shortly after ``timeout`` seconds.

        One timer for all: of their own, each upload would make one only to cancel it.
        """
        due = self._due[connection] = self.loop.time() + timeout
        if self._look is None:
            self._look = self.loop.call_at(min(due, self.loop.time() + _LOOK_EVERY), self._expire)
        return connection.awaited

    def _expire(self) -> None:
        now = self.loop.time()
        for connection, due in list(self._due.items()):
            if due <= now:
                del self._due[connection]
                connection.time_out()
        self._look = None
        if self._due:
            following = min(*self._due.values(), now + _LOOK_EVERY)
            self._look = self.loop.call_at(following, self._expire)

    def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
        while self._idle:
            self._idle.pop().close()


class Exchange:
    """One request and its answer. Whoever makes one must ``close`` it."""

    def __init__(
        self,
        pool: ConnectionPool,
        request_line: bytes,
        headers: bytes,
        content: Content,
        *,
        timeout: float,
        safe: bool = False,
        framed: bool = True,
        bodiless: bool = False,
        on_interim: Interim | None = None,
    ) -> None:
        """``headers`` are lines, without framing. ``safe``: sending it twice does no harm.
        ``framed``: even an empty body has its length told."""
        self._pool = pool
        self._content = content
        self._timeout = timeout
        self._safe = safe
        self._bodiless = bodiless
        self._on_interim = on_interim
        self._head = _render_head(request_line, headers, content, framed=framed)
        self._connection: Connection | None = None
        self.delivered = False
        """Whether the whole request was handed to the connection: Mattermost may act on it."""
        self._body_sent = False
        self._rest_begun = False
        self._loop = pool.loop

    async def send(self) -> Response:
        """Send the request and return the answer's beginning, however early it comes.

        Raises Unreachable, Broken, TimedOut, and whatever the body's ``rest`` raises.
        """
        connection = self._pool.take_idle(self._loop.time())
        if connection is not None:
            try:
                return await self._attempt(connection, reused=True)
            except Broken:
                closed = self._connection is None
                if closed or connection.received or not self._may_resend():
                    raise
                connection.close()
        return await self._attempt(await self._pool.connect(), reused=False)

    def close(self) -> None:
        """Give the connection back, or close it where the exchange was not brought to its end."""
        if self._connection is not None:
            self._pool.give_back(self._connection, self._loop.time())
            self._connection = None

    def _may_resend(self) -> bool:
        if self._safe:
            return True
        whole_in_hand = self._content.rest is None
        return not (self._body_sent if whole_in_hand else self._rest_begun)

    async def _attempt(self, connection: Connection, *, reused: bool) -> Response:
        self._connection = connection
        self.delivered = False
        connection.begin(bodiless=self._bodiless, on_interim=self._on_interim)
        head, first = self._head, self._content.first
        has_body = bool(first) or self._content.rest is not None
        if reused and has_body and self._loop.time() - connection.idle_since > TRUSTED_IDLE:
            connection.write(head + b"expect: 100-continue\r\n\r\n")
            await connection.go_ahead(GO_AHEAD)
            if connection.answered:
                return await connection.awaited
            head = b""
        else:
            head += b"\r\n"
        if self._content.before_end is not None and len(first) == self._content.length:
            await self._content.before_end()
        self._body_sent = True
        if self._content.length is None:
            pieces = [head, b"%x\r\n" % len(first), first, b"\r\n"] if first else [head]
            connection.writelines(pieces)
        elif self._content.rest is None:
            connection.write_soon([head, first])
        else:
            connection.writelines([head, first])
        if self._content.rest is None:
            self._end_body(connection)
            return await self._pool.answer(connection, self._timeout)
        return await self._answer_while_sending(connection, self._content.rest)

    def _end_body(self, connection: Connection) -> None:
        if self._content.length is None:
            connection.write(b"0\r\n\r\n")
        connection.end_request()
        self.delivered = True

    async def _answer_while_sending(self, connection: Connection, rest: Read) -> Response:
        sending = self._loop.create_task(self._send_rest(connection, rest))
        answer = connection.awaited
        try:
            await self._first_of(connection, sending, answer)
            if answer.done():
                return answer.result()
            sending.result()  # raises what ended the sending
            return await self._pool.answer(connection, self._timeout)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _pour(self, connection: Connection, pour: Pour, missing: int) -> bytes | None:
        """The last piece, which is still to be written; None if nothing was poured."""
        try:
            if self._content.before_end is None:
                return b"" if await pour(connection) else None
            kept = AllButTheLast(connection, missing)
            return kept.last if await pour(kept) else None
        except BaseException:
            self._rest_begun = True
            raise

    async def _may_end(self, connection: Connection) -> bool:
        """Whether the last may be sent now, and is of use."""
        if self._content.before_end is not None:
            await self._content.before_end()
        return not connection.answered

    async def _first_of(
        self, connection: Connection, sending: asyncio.Task[None], answer: asyncio.Future[Response]
    ) -> None:
        """Until one of both is done. Raises TimedOut when Mattermost takes no more bytes."""
        while not sending.done() and not answer.done():
            await asyncio.wait(
                (sending, answer), timeout=_LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED
            )
            if connection.congested_for(self._loop.time()) > self._timeout:
                raise TimedOut("Mattermost accepted no more bytes")
            if connection.congested and self._content.check is not None:
                self._content.check()

    async def _send_rest(self, connection: Connection, rest: Read) -> None:
        chunked = self._content.length is None
        missing = (self._content.length or 0) - len(self._content.first)
        pour = self._content.pour if connection.can_pour else None
        while not connection.answered:
            if connection.congested:
                await connection.writable()
                continue
            if pour is not None:
                last = await self._pour(connection, pour, missing)
                if last is not None:
                    self._rest_begun = True
                    if await self._may_end(connection):
                        connection.write(last)
                        self._end_body(connection)
                    return
            chunk = await rest()
            self._rest_begun = True  # its end, too, is read once only
            missing -= len(chunk)
            ends = not chunk if chunked else chunk and not missing
            if ends and not await self._may_end(connection):
                return
            if not chunk:
                self._end_body(connection)
                return
            if chunked:
                connection.writelines([b"%x\r\n" % len(chunk), chunk, b"\r\n"])
            else:
                connection.write(chunk)


def header_lines(headers: RawHeaders) -> bytes:
    """``headers`` as they go over the wire."""
    return b"\r\n".join([*map(b": ".join, headers), b""])


def _render_head(request_line: bytes, headers: bytes, content: Content, *, framed: bool) -> bytes:
    """The head without its empty last line, so that ``Expect`` can be added."""
    framing = b""
    if content.length is None:
        framing = b"transfer-encoding: chunked\r\n"
    elif framed or content.length:
        framing = b"content-length: %d\r\n" % content.length
    return b"%s\r\n%s%s" % (request_line, headers, framing)
