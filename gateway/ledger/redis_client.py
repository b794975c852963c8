"""The way to Redis and back: an address becomes a client, and what comes together goes together.

Whatever goes wrong on the way is LedgerUnavailable from here on.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    ChildDeadlockedError,
    IncorrectPolicyType,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as TookTooLong

from gateway.ledger.quotas import LedgerUnavailable
from gateway.ledger.redis_scripts import Script

Client = Any
"""``Redis`` or ``RedisCluster``: they have the methods that are used here in common."""
Reply = Any

_PORTS = {"cluster": 6379, "sentinel": 26379}
FOREIGN = (
    RedisError,
    RedisClusterException,  # which is none, nor are the next
    ChildDeadlockedError,
    IncorrectPolicyType,
    OSError,
    EOFError,
    ValueError,
)
"""What the library raises: ValueError and EOFError where an answer cannot be read."""
_MOST_AT_ONCE = 4
"""Batches that are on their way: more would only be smaller."""


class RedisAddress:
    """Where Redis is, as ``GATEWAY_LEDGER_URL`` says. Its repr keeps the password."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url.replace("valkey", "redis", 1))
        scheme, _, self.kind = parts.scheme.partition("+")
        self.tls = scheme == "rediss"
        self._ca_file = ca_file
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        self._user, self._password = unquote(user) or None, unquote(password) or None
        port = _PORTS.get(self.kind, 6379)
        self.hosts = [_host(item, port) for item in hosts.split(",")]
        self.service, self.database = self._path(parts)

    def _path(self, parts: SplitResult) -> tuple[str, int]:
        names = [name for name in parts.path.split("/") if name]
        service = names.pop(0) if self.kind == "sentinel" and names else "mymaster"
        return service, int(names[0]) if names else 0

    def __str__(self) -> str:
        return ",".join([f"{host}:{port}" for host, port in self.hosts])

    def connect(self, timeout: float) -> tuple[Client, list[Client]]:
        """A client, and those of the sentinels that it asks; nothing is sent yet.

        ``timeout`` is for connecting, in seconds.
        """
        options: dict[str, Any] = {
            "username": self._user,
            "password": self._password,
            "socket_timeout": None,  # a batch as a whole has one
            "socket_connect_timeout": timeout,
            "ssl": self.tls,
            **({"ssl_ca_certs": str(self._ca_file)} if self.tls and self._ca_file else {}),
            # What is sent again is the ledger's decision: only it knows what that would do.
            "retry": Retry(NoBackoff(), 0),
        }
        if self.kind == "cluster":
            nodes = [ClusterNode(host, port) for host, port in self.hosts]
            return RedisCluster(startup_nodes=nodes, **options), []
        options["db"] = self.database
        if self.kind == "sentinel":
            times = {"socket_timeout": timeout, "socket_connect_timeout": timeout}
            sentinels = Sentinel(self.hosts, sentinel_kwargs=times)  # type: ignore[no-untyped-call]
            return sentinels.master_for(self.service, **options), sentinels.sentinels
        host, port = self.hosts[0]
        return Redis(host=host, port=port, **options), []


def _packed(lines: Sequence[tuple[str, ...]]) -> bytes:
    return b"".join([pack_command(line) for line in lines])  # type: ignore[arg-type]


async def _read(connection: Any) -> Reply:
    """A reply, or the error that the server answers."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _host(text: str, port: int) -> tuple[str, int]:
    host, _, given = text.rpartition(":")
    if host and given.isdigit():
        return host.strip("[]"), int(given)
    return text.strip("[]"), port


class Command(NamedTuple):
    """A script with its one key, or a command's name with its key."""

    what: Script | str
    key: str
    arguments: Sequence[str]


class _Ask(NamedTuple):
    commands: Sequence[Command]
    answer: "asyncio.Future[list[Reply]]"


class Courier:
    """Sends commands in batches. To be made in the event loop that uses it."""

    def __init__(self, address: RedisAddress, timeout: float, lost: Callable[[], None]) -> None:
        """``lost`` is called when it is not known what became of a batch."""
        self._address = address
        self._timeout = timeout
        self._lost = lost
        self._client, self._sentinels = address.connect(timeout)
        self._loop = asyncio.get_running_loop()
        self._asks: list[_Ask] = []
        self._flushing = False
        self._batches: set[asyncio.Task[None]] = set()

    def ask(self, commands: Sequence[Command]) -> "asyncio.Future[list[Reply]]":
        """The replies; LedgerUnavailable in place of those that are errors.

        Raises LedgerUnavailable if it is not known what became of them.
        """
        answer: asyncio.Future[list[Reply]] = self._loop.create_future()
        self._asks.append(_Ask(commands, answer))
        if not self._flushing and len(self._batches) < _MOST_AT_ONCE:
            self._flushing = True
            self._loop.call_soon(self._flush)
        return answer

    def withdraw(self, answer: "asyncio.Future[list[Reply]]") -> bool:
        """Whether nothing was sent yet of what ``answer`` is for, and nothing will be."""
        kept = [ask for ask in self._asks if ask.answer is not answer]
        withdrawn = len(kept) < len(self._asks)
        self._asks = kept
        return withdrawn

    def _flush(self) -> None:
        self._flushing = False
        asks, self._asks = self._asks, []
        if asks:
            batch = self._loop.create_task(self._run(asks))
            self._batches.add(batch)
            batch.add_done_callback(self._ran)

    def _ran(self, batch: asyncio.Task[None]) -> None:
        self._batches.discard(batch)
        if self._asks and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    async def _run(self, asks: list[_Ask]) -> None:
        commands = [command for ask in asks for command in ask.commands]
        try:
            async with asyncio.timeout(self._timeout):
                replies = await self._send(commands)
        except BaseException as error:
            self._lost()
            for ask in asks:
                if not ask.answer.done():
                    ask.answer.set_exception(self._translated(error))
            if not isinstance(error, Exception):
                raise
            return
        begin = 0
        for ask in asks:
            end = begin + len(ask.commands)
            if not ask.answer.done():
                ask.answer.set_result(replies[begin:end])
            begin = end

    async def _send(self, commands: Sequence[Command]) -> list[Reply]:
        replies = await self._pipe(commands, "EVALSHA")
        missing = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:  # a server that was started since: none of these was carried out
            again = await self._pipe([commands[n] for n in missing], "EVAL")
            for n, reply in zip(missing, again, strict=True):
                replies[n] = reply
        for n, reply in enumerate(replies):
            if isinstance(reply, (LostConnection, TookTooLong)):
                raise reply  # of one node of several
            if isinstance(reply, Exception):
                replies[n] = self._unavailable(reply)
        return replies

    async def _pipe(self, commands: Sequence[Command], by: str) -> list[Reply]:
        lines = [
            (what, key, *arguments)
            if isinstance(what, str)
            else (by, what.sha if by == "EVALSHA" else what.text, "1", key, *arguments)
            for what, key, arguments in commands
        ]
        if isinstance(self._client, RedisCluster):
            return await self._pipe_to_nodes(lines)
        return await self._pipe_to_one(lines)

    async def _pipe_to_one(self, lines: Sequence[tuple[str, ...]]) -> list[Reply]:
        """By the library's connection, without its pipeline: at half the cost."""
        pool = self._client.connection_pool
        connection = await pool.get_connection()
        try:
            await connection.send_packed_command(_packed(lines))
            return [await _read(connection) for _ in lines]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)

    async def _pipe_to_nodes(self, lines: Sequence[tuple[str, ...]]) -> list[Reply]:
        pipe = self._client.pipeline(transaction=False)
        for line in lines:
            pipe.execute_command(*line)
        try:
            replies: list[Reply] = await pipe.execute(raise_on_error=False)
        except BaseException:
            await self._client.aclose()  # it asks anew who has what
            raise
        return replies

    async def keys(self, pattern: str) -> list[str]:
        """All keys that match, on all nodes. Raises LedgerUnavailable."""
        try:
            async with asyncio.timeout(self._timeout):
                found = self._client.scan_iter(match=pattern, count=1000)
                return sorted({key.decode() async for key in found})
        except FOREIGN as error:
            raise self._unavailable(error) from error

    def _translated(self, error: BaseException) -> BaseException:
        """One exception for each who waits: they must not share a traceback."""
        known = (*FOREIGN, asyncio.CancelledError)
        return self._unavailable(error) if isinstance(error, known) else error

    def _unavailable(self, error: BaseException) -> LedgerUnavailable:
        what = str(error) or type(error).__name__
        return LedgerUnavailable(f"the quota ledger at {self._address} cannot be used: {what}")

    async def settle_down(self) -> None:
        """Wait until all that was asked has its answer."""
        while self._batches or self._flushing:
            await asyncio.sleep(0)
            await asyncio.gather(*self._batches, return_exceptions=True)

    async def close(self) -> None:
        """After the last answer."""
        for batch in list(self._batches):
            batch.cancel()
        await asyncio.gather(*self._batches, return_exceptions=True)
        for client in (self._client, *self._sentinels):
            with contextlib.suppress(*FOREIGN):
                await client.aclose()
