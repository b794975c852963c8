"""A client of ClamAV's daemon: INSTREAM and VERSION, each on a connection of its own (clamd(8)).

Clean is a file of which clamd, having got all of it, says ``stream: OK`` and nothing else, and
closes in order. Whatever else happens is a signature's name or ScanFailed.

It works on the socket itself. clamd says that a stream is too long while it is still being sent,
and closes; a transport would fail to write before it has read, and throw that answer away.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.scanner.excess import excessive_zip

CONCURRENCY = 10
"""Scans at the same time: clamd's MaxThreads, unless set."""
LIMITS_EXCEEDED = "Heuristics.Limits.Exceeded"
"""How the signatures begin by which clamd says that it has not looked at all of a file."""

_CLEAN = b"stream: OK\0"
_TOO_LARGE = b"INSTREAM size limit exceeded. ERROR\0"
_FOUND = re.compile(rb"stream: ([\x20-\x7e]{1,200}) FOUND\0")
_ERROR = re.compile(rb"([\x20-\x7e]{1,200}) ERROR\0")
_VERSION = re.compile(rb"(ClamAV [\x20-\x7e]{1,200})\0")
_LONGEST = 1024
"""Bytes of an answer; clamd's have some fifty."""
_QUEUE_PAUSE = 0.02
"""Seconds between two tries while the queue of a Unix socket is full."""


class Failure(StrEnum):
    """Why there is no verdict."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    """More than clamd may be sent, or than it takes."""
    NO_VERDICT = "no_verdict"
    """It closed the connection without an answer."""
    GARBAGE = "garbage"
    """An answer that is not exactly one of those it can give."""
    ERROR = "error"
    """It could not scan, and said so."""


class ScanFailed(Exception):
    """There is no verdict; ``detail`` is for the log."""

    def __init__(self, reason: Failure, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ClamAV:
    """One clamd. Holds no connection between two calls."""

    def __init__(
        self,
        address: str,
        *,
        timeout: float,
        connect_timeout: float,
        largest: int,
        concurrency: int = CONCURRENCY,
    ) -> None:
        """``address`` is ``tcp://host:port`` or ``unix:///path``; ``largest`` bytes are sent.

        Seconds: ``timeout`` for one scan altogether, waiting for others included.
        """
        parts = urlsplit(address)
        self.address = address
        self.largest = largest
        self._host, self._port = parts.hostname, parts.port
        self._path = parts.path
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._slots = asyncio.Semaphore(concurrency)

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """The name of the signature that a file matches; None if it is clean.

        Raises ScanFailed, and whatever ``chunks`` raises.
        """
        async with self._within(self._timeout), self._slots, self._conversation() as clamd:
            with suppress(_Closed):
                await self._send_file(clamd, chunks)
            return _verdict(await clamd.answer())

    async def ping(self) -> str:
        """Its version. Raises ScanFailed, after ``connect_timeout`` at the latest."""
        async with self._within(self._connect_timeout), self._conversation() as clamd:
            with suppress(_Closed):
                await clamd.send(b"zVERSION\0")
            answer = await clamd.answer()
        if version := _VERSION.fullmatch(answer.text):
            return version[1].decode()
        raise _misunderstood(answer)

    async def passes_excess(self) -> bool | None:
        """Whether it says OK to what exceeds its limits; None if that cannot be told.

        True also where it does not look into archives at all, or deeper than anybody needs.
        Raises ScanFailed.
        """
        try:
            signature = await self.scan(_single(excessive_zip()))
        except ScanFailed as error:
            if error.reason is Failure.TOO_LARGE:
                return None
            raise
        if signature is None:
            return True
        return False if signature.startswith(LIMITS_EXCEEDED) else None

    async def _send_file(self, clamd: "_Conversation", chunks: AsyncIterator[bytes]) -> None:
        """In INSTREAM's framing. Raises _Closed and ScanFailed."""
        await clamd.send(b"zINSTREAM\0")
        left = self.largest
        async for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                raise ScanFailed(Failure.TOO_LARGE, f"more than {self.largest} bytes")
            if chunk:  # an empty one would be the end
                await clamd.send(len(chunk).to_bytes(4, "big"))
                await clamd.send(chunk)
        await clamd.send(bytes(4), last=True)

    @asynccontextmanager
    async def _conversation(self) -> AsyncIterator["_Conversation"]:
        """On a connection that ends with the block. Raises ScanFailed."""
        with await self._connect() as connection:
            conversation = _Conversation(connection)
            try:
                yield conversation
            finally:
                conversation.stop_reading()

    async def _connect(self) -> socket.socket:
        """Raises ScanFailed."""
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await (self._connect_tcp() if self._host else self._connect_unix())
        except (OSError, UnicodeError) as error:  # the latter from names that no host can have
            detail = f"{self.address}: {str(error) or 'timed out'}"
            raise ScanFailed(Failure.UNREACHABLE, detail) from error

    async def _connect_tcp(self) -> socket.socket:
        """To the first address of the host that answers. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        failure = OSError("no address")
        for family, kind, protocol, _, address in found:
            connection = _new_socket(family, kind, protocol)
            try:
                await loop.sock_connect(connection, address)
                # The four bytes at the end would wait for clamd to acknowledge those before.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
        raise failure

    async def _connect_unix(self) -> socket.socket:
        """Raises OSError."""
        connection = _new_socket(socket.AF_UNIX)
        try:
            while True:
                try:
                    connection.connect(self._path)
                    return connection
                except BlockingIOError:
                    # The queue is full; there is nothing that tells when it is not (connect(2)).
                    await asyncio.sleep(_QUEUE_PAUSE)
        except BaseException:
            connection.close()
            raise

    @asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[None]:
        """Raises ScanFailed when they are over."""
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if not limit.expired():  # it comes from whoever reads the file
                raise
            detail = f"{self.address}: no answer in {seconds:g} s"
            raise ScanFailed(Failure.TIMEOUT, detail) from error


class _Closed(Exception):
    """clamd takes no more; its answer may say why."""


class _Answer(NamedTuple):
    """What clamd said until it closed."""

    text: bytes
    orderly: bool
    """All of it came when all was sent, and then clamd closed."""


class _Conversation:
    """One connection to clamd, which is read while it is still being sent to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._all_is_sent = False
        self._text = b""
        self._orderly = True
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(connection, self._read)

    async def send(self, data: bytes, *, last: bool = False) -> None:
        """Raises _Closed."""
        if last:
            self._read()  # what it has said by now is too early, though nobody has looked yet
        try:
            await self._loop.sock_sendall(self._connection, data)
        except OSError as error:
            raise _Closed from error
        self._all_is_sent = last

    async def answer(self) -> _Answer:
        """Once clamd has closed."""
        await self._over
        return _Answer(self._text, self._orderly)

    def stop_reading(self) -> None:
        self._loop.remove_reader(self._connection)

    def _read(self) -> None:
        """All that there is: of a connection that breaks, uvloop tells only once."""
        while not self._over.done():
            try:
                data = self._connection.recv(_LONGEST)
            except BlockingIOError:
                return
            except OSError:  # it closed with bytes unread, or is gone
                data = b""
                self._orderly = False
            self._text += data
            too_long = len(self._text) > _LONGEST
            self._orderly = self._orderly and self._all_is_sent and not too_long
            if too_long or not data:
                self._end()

    def _end(self) -> None:
        self.stop_reading()
        self._over.set_result(None)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # who still sends is woken by it


def _new_socket(family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
    connection = socket.socket(family, kind, protocol)
    connection.settimeout(0)
    return connection


async def _single(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


def _verdict(answer: _Answer) -> str | None:
    """None for clean. Raises ScanFailed."""
    if answer.text == _CLEAN and answer.orderly:
        return None
    if found := _FOUND.fullmatch(answer.text):
        return found[1].decode()
    if answer.text == _TOO_LARGE:
        raise ScanFailed(Failure.TOO_LARGE, "clamd: INSTREAM size limit exceeded")
    raise _misunderstood(answer)


def _misunderstood(answer: _Answer) -> ScanFailed:
    text = answer.text
    if not text:
        return ScanFailed(Failure.NO_VERDICT, "clamd closed the connection")
    if error := _ERROR.fullmatch(text):
        return ScanFailed(Failure.ERROR, f"clamd: {error[1].decode()}")
    said = f"clamd said {text[:100]!r}{'' if len(text) <= 100 else '…'}"
    return ScanFailed(Failure.GARBAGE, said if answer.orderly else f"{said}, out of turn")
