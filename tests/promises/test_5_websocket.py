"""Promise 5 for WebSockets: a slow reader slows the writer down, and an idle one costs little."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path

import pytest

from tests.promises.test_5_memory_bounded import MIB, growth, send_until_blocked
from tests.support.gateway import GatewayProcess
from tests.support.origin import Origin, Visit
from tests.support.websocket import AGREED, PATH, accept, handshake, shake_hands
from tests.support.wire import Wire

MANY = 1000
MOST = 64 * MIB
BLOCK = bytes(range(256)) * 1024


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(accept) as running:
        yield running


@pytest.fixture
def front(origin: Origin, folder: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(origin.url, folder) as running:
        yield running


def digest(blocks: int, last: int) -> str:
    """Of that many whole blocks and so many bytes of another one."""
    return sha256(BLOCK * blocks + BLOCK[:last]).hexdigest()


def read_all(connection: socket.socket) -> str:
    """The digest of all that comes."""
    content = sha256()
    while piece := connection.recv(MIB):
        content.update(piece)
    return content.hexdigest()


@pytest.mark.parametrize("agreed", [True, False], ids=["open", "before the agreement"])
def test_mattermost_does_not_read(agreed: bool, origin: Origin, front: GatewayProcess) -> None:
    """The client stalls; then everything arrives."""
    go_on = threading.Event()
    arrived: list[str] = []

    def answer(visit: Visit) -> bool:
        if agreed:
            accept(visit)
        assert go_on.wait(60)
        if not agreed:
            accept(visit)
        arrived.append(read_all(visit.socket))
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        wire.send(handshake())
        if agreed:
            assert wire.head().status == 101
        with growth(front.pid) as grown:
            sent = send_until_blocked(wire, BLOCK, MOST)
        assert sent < MOST
        assert grown.bytes < 4 * MIB
        go_on.set()
        wire.socket.settimeout(60)
        if not agreed:
            assert wire.head().status == 101
        missing = -sent % len(BLOCK)
        wire.send(BLOCK[len(BLOCK) - missing :])
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.at_end()
    assert arrived == [digest(-(-sent // len(BLOCK)), 0)]


def test_a_client_does_not_read(origin: Origin, front: GatewayProcess) -> None:
    """Mattermost stalls; then everything arrives."""
    stalled = threading.Event()
    sent: list[int] = []

    def answer(visit: Visit) -> bool:
        connection = accept(visit)
        connection.settimeout(1)
        size = 0
        with suppress(TimeoutError):
            while size < MOST:
                size += connection.send(BLOCK[size % len(BLOCK) :])
        sent.append(size)
        stalled.set()
        return False

    origin.answer = answer
    with Wire(front.address) as wire:
        assert shake_hands(wire).status == 101
        with growth(front.pid) as grown:
            assert stalled.wait(60)
        assert sent[0] < MOST
        assert grown.bytes < 4 * MIB
        arrived = sha256(wire.read(sent[0])).hexdigest()
        assert arrived == digest(*divmod(sent[0], len(BLOCK)))
        assert wire.at_end()


@contextmanager
def agreeing() -> Iterator[str]:
    """An upstream that agrees to every handshake and then says nothing; its address."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=MANY))

        def serve() -> None:
            with suppress(OSError):  # closed in the end
                while True:
                    connection = stack.enter_context(listener.accept()[0])
                    while not connection.recv(65536, socket.MSG_PEEK).endswith(b"\r\n\r\n"):
                        pass
                    connection.sendall(AGREED)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * MANY:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_files")
def test_idle_ones_cost_little(folder: Path) -> None:
    browser = [
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
        ("Cookie", "MMAUTHTOKEN=abcdefghijklmnopqrstuvwxyz; MMUSERID=abcdefghijklmnopqrstuvwxyz"),
        ("Accept-Encoding", "gzip, deflate, br"),
        ("Accept-Language", "en-US,en;q=0.9"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
    ]
    with agreeing() as url, GatewayProcess(url, folder) as front, ExitStack() as stack:

        def open_one() -> None:
            wire = stack.enter_context(Wire(front.address))
            shake_hands(wire, PATH, *browser)

        open_one()  # what is made once does not count
        with growth(front.pid) as grown:
            for _ in range(MANY):
                open_one()
        assert front.metric("upload_gateway_websockets_open") == MANY + 1
    assert grown.bytes / MANY < 16 * 1024
