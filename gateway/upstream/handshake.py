"""Asking Mattermost to go on in another protocol (RFC 9110, 7.8)."""

import asyncio

from gateway.upstream.connection import Connection, Response
from gateway.upstream.exchange import ConnectionPool


class Handshake:
    """A GET over a connection of its own, which never serves another request.

    Whoever makes one must ``close`` it.
    """

    def __init__(
        self, pool: ConnectionPool, target: bytes, headers: bytes, upgrade: bytes, *, timeout: float
    ) -> None:
        """``headers`` are lines; ``upgrade`` is the protocol asked for, in lower case."""
        self._pool = pool
        self._upgrade = upgrade
        self._head = b"GET %s HTTP/1.1\r\n%sconnection: upgrade\r\nupgrade: %s\r\n\r\n" % (
            target,
            headers,
            upgrade,
        )
        self._timeout = timeout
        self._connection: Connection | None = None

    async def send(self) -> Response:
        """The answer: 101 if Mattermost agrees, or anything else.

        Raises Unreachable, Broken, TimedOut.
        """
        connection = self._connection = await self._pool.connect()
        connection.begin(upgrade=self._upgrade)
        connection.write(self._head)
        connection.end_request()
        return await self._pool.answer(connection, self._timeout)

    def hand_over(self, successor: asyncio.Protocol) -> bytes:
        """After a 101, leave the connection to ``successor``, with its reading paused.

        Returns what came right behind the answer. Raises Broken.
        """
        if self._connection is None:
            raise RuntimeError("there was no answer yet")
        behind = self._connection.hand_over(successor)
        self._connection = None
        return behind

    def close(self) -> None:
        """End the connection, unless it was handed over."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
