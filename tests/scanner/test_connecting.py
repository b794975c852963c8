"""All that sockets and names can raise is told as a failure of the scan, and nothing else is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.refusals import Refused, spool_full
from gateway.scanner.clamd import Failure
from tests.scanner.support import TIMEOUT, Visitor, chunks_of, client, daemon, failure

SHORT = 0.2


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def test_unreachable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no socket")
    for address in (
        f"tcp://127.0.0.1:{closed_port()}",  # ConnectionRefusedError
        f"tcp://localhost:{closed_port()}",  # of each of its addresses
        "tcp://127.0.0.1.:1",  # gaierror
        f"tcp://{'a' * 64}:3310",  # UnicodeError
        "tcp://a..b:3310",  # UnicodeError, too
        f"unix://{tmp_path}/nothing",  # FileNotFoundError
        f"unix://{tmp_path}/file",  # ConnectionRefusedError
        f"unix://{tmp_path}/file/clamd.ctl",  # NotADirectoryError
        f"unix://{tmp_path}/{'a' * 200}",  # OSError: the path is too long
    ):
        clamav = client(address)
        assert await failure(clamav.scan(chunks_of(b"hello"))) is Failure.UNREACHABLE
        assert await failure(clamav.ping()) is Failure.UNREACHABLE


async def test_it_accepts_nobody_on_tcp() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(address)
        clamav = client(f"tcp://127.0.0.1:{address[1]}", connect_timeout=SHORT)
        assert await failure(clamav.scan(chunks_of(b"hello"))) is Failure.UNREACHABLE
        for other in waiting:
            other.close()


async def test_it_accepts_nobody_on_a_unix_socket_for_a_while(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(path)
        listener.listen(0)
        listener.settimeout(TIMEOUT)
        other.connect(path)
        hasty = client(f"unix://{path}", connect_timeout=SHORT)
        assert await failure(hasty.scan(chunks_of(b"hello"))) is Failure.UNREACHABLE
        assert await failure(hasty.ping()) in (Failure.UNREACHABLE, Failure.TIMEOUT)

        patient = asyncio.create_task(failure(client(f"unix://{path}").scan(chunks_of(b"hello"))))
        await asyncio.sleep(SHORT)
        listener.accept()[0].close()  # the other one
        accepted, _ = await asyncio.to_thread(listener.accept)
        accepted.close()
        assert await patient is Failure.NO_VERDICT


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_addresses(host: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0")
        writer.write(b"ClamAV 1\0")
        writer.close()

    # Where a name has two addresses, as localhost has on most machines, only one is served.
    addresses = socket.getaddrinfo(host.strip("[]"), 0, type=socket.SOCK_STREAM)
    server = await asyncio.start_server(serve, str(addresses[-1][4][0]))
    port = server.sockets[0].getsockname()[1]
    assert await client(f"tcp://{host}:{port}").ping() == "ClamAV 1"
    server.close()


class Trouble(Exception):
    """Nothing that anybody knows."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "the disk"),
        TimeoutError("the disk"),
        ConnectionResetError("whoever sends the file"),
        Refused(spool_full()),
        ValueError("the spool is closed"),
        Trouble(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_trouble_with_the_file_is_none_of_the_scanners(error: Exception) -> None:
    """Else a file could pass, where the settings let it, that nobody could even read."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"
        raise error

    async def serve(visitor: Visitor) -> None:
        await visitor.read()

    async with daemon(serve) as server:
        with pytest.raises(type(error)) as caught:
            await client(server.url).scan(chunks())
        assert caught.value is error
        await server.gone.wait()
        assert not server.visitors[0].whole
