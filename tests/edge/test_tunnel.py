"""Two connections that are joined: what passes, what waits, and how they end."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.edge.tunnel import BUFFER, End, Ending, Tunnel
from tests.edge.support import until

SECONDS = 20
READ_AT_ONCE = 256 * 1024
MIB = 2**20


class Before(asyncio.Protocol):
    """What a client's connection was before."""


@dataclass
class Peer:
    """One of the two outside: the client, or Mattermost."""

    socket: socket.socket

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def read(self, size: int) -> bytes:
        """``size`` bytes, or what came before the end."""
        received = b""
        async with asyncio.timeout(SECONDS):
            while len(received) < size:
                piece = await asyncio.get_running_loop().sock_recv(
                    self.socket, size - len(received)
                )
                if not piece:
                    break
                received += piece
        return received

    def close_side(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@dataclass
class Joined:
    """A tunnel, and who is at its ends."""

    tunnel: Tunnel
    client: Peer
    server: Peer
    connections: set[Any] = field(default_factory=set)

    async def ending(self) -> Ending:
        async with asyncio.timeout(SECONDS):
            return await self.tunnel.closed

    def ends(self) -> list[tuple[Peer, Peer]]:
        """Both ways to look at it."""
        return [(self.client, self.server), (self.server, self.client)]


def pair(buffers: int = 16384) -> tuple[socket.socket, socket.socket]:
    """The ends of a TCP connection with small ``buffers`` of the kernel's own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outer = socket.socket()
        outer.connect(listener.getsockname())
        inner, _ = listener.accept()
    for end in (outer, inner):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
    outer.setblocking(False)
    inner.setblocking(False)
    return outer, inner


@asynccontextmanager
async def joined(*, client_buffers: int = 16384, **limits: float) -> AsyncIterator[Joined]:
    loop = asyncio.get_running_loop()
    (client, inner_client), (server, inner_server) = pair(client_buffers), pair()
    tunnel = Tunnel(**limits)
    here = Joined(tunnel, Peer(client), Peer(server))
    await loop.create_connection(lambda: tunnel.server, sock=inner_server)
    transport, _ = await loop.create_connection(Before, sock=inner_client)
    tunnel.client.take_over(transport, here.connections)
    try:
        yield here
    finally:
        tunnel.abort()
        client.close()
        server.close()
        await until(tunnel.closed.done)


async def test_bytes_pass_both_ways() -> None:
    everything = bytes(range(256)) * 1000
    async with joined() as here:
        for one, other in here.ends():
            sending = asyncio.create_task(one.send(everything))
            assert await other.read(len(everything)) == everything
            await sending
        assert here.tunnel.client.received == here.tunnel.server.received == len(everything)
        assert here.connections == {here.tunnel.client}


# Ends.


@pytest.mark.parametrize("which", [0, 1], ids=["client", "server"])
async def test_one_closes_its_side(which: int) -> None:
    """What it sent last arrives, and it still gets what the other has to say to that."""
    async with joined() as here:
        one, other = here.ends()[which]
        sending = asyncio.create_task(one.send(bytes(MIB)))
        assert len(await other.read(1000)) == 1000
        sending.add_done_callback(lambda _: one.close_side())
        assert len(await other.read(2 * MIB)) == MIB - 1000
        await other.send(b"goodbye")
        other.close_side()
        assert await one.read(100) == b"goodbye"
        assert await here.ending() is Ending.CLOSED
        assert here.connections == set()


@pytest.mark.parametrize("which", [0, 1], ids=["client", "server"])
async def test_one_closes_its_side_and_the_other_does_not(which: int) -> None:
    async with joined(last_bytes=0.1) as here:
        one, other = here.ends()[which]
        one.close_side()
        assert await other.read(1) == b""
        assert await here.ending() is Ending.CLOSED
        assert await one.read(1) == b""


async def test_one_closes_its_side_and_the_other_does_not_read() -> None:
    async with joined(last_bytes=0.1) as here:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await here.client.send(bytes(10 * MIB))
        here.server.close_side()
        assert await here.ending() is Ending.CLOSED


@pytest.mark.parametrize(("which", "ending"), [(0, Ending.CLIENT_BROKE), (1, Ending.SERVER_BROKE)])
async def test_one_is_reset(which: int, ending: Ending) -> None:
    async with joined() as here:
        one, other = here.ends()[which]
        await one.send(b"last words")
        assert await other.read(10) == b"last words"
        one.reset()
        assert await other.read(1) == b""
        assert await here.ending() is ending
        assert "reset" in (here.tunnel.detail or "")


async def test_both_are_closed_by_a_shutdown() -> None:
    """At once, and not when all has been taken that waits."""
    async with joined(last_bytes=1000) as here:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await here.client.send(bytes(10 * MIB))
        (connection,) = here.connections
        connection.shutdown()
        assert await here.ending() is Ending.SHUTDOWN
        assert here.connections == set()


async def test_the_server_is_lost_before_the_client_is_there() -> None:
    loop = asyncio.get_running_loop()
    (client, inner_client), (server, inner_server) = pair(), pair()
    tunnel = Tunnel(last_bytes=1000)
    await loop.create_connection(lambda: tunnel.server, sock=inner_server)
    Peer(server).reset()
    await until(lambda: tunnel.server.lost)
    transport, _ = await loop.create_connection(Before, sock=inner_client)
    tunnel.client.take_over(transport, set())
    assert await Peer(client).read(1) == b""
    assert await asyncio.wait_for(tunnel.closed, SECONDS) is Ending.SERVER_BROKE
    client.close()


async def test_nothing_is_left_for_the_collector() -> None:
    """Which would find late what has lived long."""
    gc.collect()
    gc.disable()
    try:
        async with joined() as here:
            here.client.close_side()
            here.server.close_side()
            await here.ending()
            del here
        assert not [item for item in gc.get_objects() if isinstance(item, Tunnel | End)]
    finally:
        gc.enable()


# Slowness.


@pytest.mark.parametrize("which", [0, 1], ids=["client", "server"])
async def test_who_does_not_read_stops_the_other(which: int) -> None:
    async with joined() as here:
        one, other = here.ends()[which]
        sent = 0
        one.socket.settimeout(0)
        quiet = 0
        while quiet < 20:
            try:
                sent += one.socket.send(bytes(MIB))
                quiet = 0
            except BlockingIOError:
                quiet += 1
                await asyncio.sleep(0.01)
        received = (here.tunnel.client, here.tunnel.server)[which].received
        assert 0 < received <= BUFFER + READ_AT_ONCE + MIB // 4  # and what the kernel holds
        assert sent < 2 * MIB
        assert len(await other.read(sent)) == sent
        await one.send(b"on it goes")
        assert await other.read(10) == b"on it goes"


@pytest.mark.parametrize(("which", "ending"), [(0, Ending.SERVER_BROKE), (1, Ending.CLIENT_BROKE)])
async def test_who_takes_nothing_is_given_up(which: int, ending: Ending) -> None:
    async with joined(stalled=0.1) as here:
        one, _ = here.ends()[which]
        with pytest.raises(OSError, match=r"reset|pipe"):
            async with asyncio.timeout(SECONDS):
                await one.send(bytes(10 * MIB))
        assert await here.ending() is ending
        assert here.tunnel.detail == "took nothing for 0.1 seconds"


async def test_who_takes_slowly_is_not_given_up() -> None:
    """All that waits takes them longer than the limit, but some of it never does."""
    async with joined(stalled=0.5, client_buffers=MIB) as here:
        sending = asyncio.create_task(here.client.send(bytes(MIB)))
        for _ in range(64):
            await asyncio.sleep(0.05)
            assert len(await here.server.read(16384)) == 16384
        await sending


# Silence.


async def test_the_kernel_looks_for_dead_peers() -> None:
    async with joined() as here:
        for end in (here.tunnel.client, here.tunnel.server):
            transport = end._transport
            assert transport is not None
            opened = transport.get_extra_info("socket")
            assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            interval = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
            count = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
            unconfirmed = opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            assert idle + interval * count == unconfirmed / 1000 == 120
