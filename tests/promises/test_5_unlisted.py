"""Promise 5 at addresses without a row: however large a file is, it needs no more than a buffer."""

import threading
from collections.abc import Iterator

import pytest

from tests.promises.plugin import ANSWER, FORM, UPLOAD, Plugin, plugin_behind
from tests.promises.test_5_memory_bounded import BLOCK, BOUND, MIB, growth, send_until_blocked
from tests.support.origin import Visit
from tests.support.wire import Wire, file_part, form_body

SIZE = 256 * MIB
BEFORE, _, AFTER = form_body(file_part("large.bin", b"<here>")).partition(b"<here>")
FILE = ("Content-Type", "application/octet-stream")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    with plugin_behind(tmp_path_factory.mktemp("gateway"), max_file_size="1GiB") as running:
        # What is loaded or made once does not count as an upload's.
        assert running.send(BLOCK, FILE).status == 202
        assert running.send(BEFORE + BLOCK + AFTER, FORM).status == 202
        running.forget()
        yield running


@pytest.mark.parametrize(
    ("header", "before", "after"),
    [(FILE, b"", b""), (FORM, BEFORE, AFTER)],
    ids=["as it comes", "in a form, which waits on the disk"],
)
def test_a_large_file(header: tuple[str, str], before: bytes, after: bytes, plugin: Plugin) -> None:
    arrived: list[int] = []

    def serve(visit: Visit) -> None:
        arrived.append(visit.count_body())
        visit.send(ANSWER)

    plugin.origin.answer = serve
    length = ("Content-Length", str(len(before) + SIZE + len(after)))
    with growth(plugin.gateway.pid) as grown, Wire(plugin.gateway.address, timeout=60) as wire:
        wire.send_head("POST", UPLOAD, [header, length])
        wire.send(before)
        for _ in range(SIZE // MIB):
            wire.send(BLOCK)
        wire.send(after)
        assert wire.response().status == 202
    assert grown.bytes < BOUND
    assert SIZE <= arrived[0] < SIZE + 1000


def test_a_plugin_that_does_not_read_on(plugin: Plugin) -> None:
    """The client is told to wait, and nothing piles up."""
    go_on = threading.Event()

    def serve(visit: Visit) -> None:
        go_on.wait(30)
        visit.count_body()
        visit.send(ANSWER)

    plugin.origin.answer = serve
    with growth(plugin.gateway.pid) as grown, Wire(plugin.gateway.address, timeout=60) as wire:
        wire.send_head("POST", UPLOAD, [FILE, ("Content-Length", str(SIZE))])
        taken = send_until_blocked(wire, BLOCK, SIZE)
        assert taken < SIZE // 2
        wire.socket.settimeout(60)
        go_on.set()
        wire.send(bytes(SIZE - taken))
        assert wire.response().status == 202
    assert grown.bytes < BOUND
