"""Promise 4: quota is exact, whatever dies in between.

Reserved before forwarding, settled exactly once: what is charged is what Mattermost has stored.
"""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import UPLOAD, WAYS, form_head, reset, settled, stored, text
from tests.support.gateway import GatewayProcess
from tests.support.ledger import usage
from tests.support.server import new_member
from tests.support.wire import Client, Wire, field, file_part, form_body

SIZE = 300_000
"""Of a file that is more than its head, and less than all buffers on its way."""
MIB = 2**20


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    """A stand-in that may be killed."""
    with StandInProcess(tmp_path_factory.mktemp("stand-in")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(
        stand_in.url, folder, quotas="user 1GiB/day", upstream_timeout="1s"
    ) as running:
        yield running


@dataclass
class Books:
    """What is charged to a user, and what Mattermost has stored for them, since the start."""

    mattermost: StandInProcess
    folder: Path
    user: dict[str, Any]

    def __post_init__(self) -> None:
        self.start = self.charged(), self.stored()

    def charged(self) -> int:
        return usage(self.folder, self.user["id"]).used

    def reserved(self) -> int:
        return usage(self.folder, self.user["id"]).reserved

    def stored(self) -> int:
        files = stored(self.mattermost).files
        return sum(file["size"] for file in files if file["user_id"] == self.user["id"])

    def wait_until_nothing_is_reserved(self) -> None:
        deadline = time.monotonic() + 15
        while reserved := self.reserved():
            assert time.monotonic() < deadline, f"{reserved} bytes are still reserved"
            time.sleep(0.02)

    def assert_exact(self, expected: int) -> None:
        """``expected`` bytes were stored since the start, and just as many charged."""
        self.wait_until_nothing_is_reserved()
        charged, stored = self.start
        assert self.stored() - stored == expected
        assert self.charged() - charged == expected


@pytest.fixture
def user(mattermost: StandInProcess) -> dict[str, Any]:
    """Somebody who has used nothing of their quota."""
    return new_member(mattermost)


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Client:
    return Client(gateway.address, user["token"], mattermost.channel_id)


@pytest.fixture
def books(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Books:
    return Books(mattermost, gateway.folder, user)


SIZES = {"raw": SIZE, "form": SIZE, "large raw": 4 * MIB}
"""Ways to send a file of which half is held back; large bodies are moved by other means."""


@contextmanager
def half_sent(way: str, client: Client) -> Iterator[tuple[Wire, bytes]]:
    """An upload that stops in the middle, and the rest of it."""
    body, target = text(SIZES[way]), client.target("novel.txt")
    if way == "form":
        body = form_body(field("channel_id", client.channel_id), file_part("novel.txt", body))
        target = "/api/v4/files"
    headers = form_head(client, len(body))
    if way != "form":
        headers = client.head(("Content-Length", str(len(body))))
    half = len(body) // 2
    with Wire(client.address) as wire:
        wire.send_head("POST", target, headers)
        wire.send(body[:half])
        yield wire, body[half:]


def wait_until_half_arrived(mattermost: StandInProcess, way: str = "raw") -> None:
    mattermost.wait_for(
        lambda state: any(upload["body_bytes"] > SIZES[way] // 3 for upload in state["uploads"])
    )


# What is stored is charged.


@pytest.mark.parametrize("way", WAYS)
def test_a_stored_file_is_charged_with_its_size(way: str, client: Client, books: Books) -> None:
    assert WAYS[way](client, "novel.txt", text(SIZE)).status == 201
    books.assert_exact(SIZE)


@pytest.mark.parametrize("way", [name for name in WAYS if "form" in name])
def test_an_empty_file_costs_nothing(way: str, client: Client, books: Books) -> None:
    assert WAYS[way](client, "empty.txt", b"").status == 201
    books.assert_exact(0)


def test_every_file_of_a_form_is_charged(client: Client, books: Books) -> None:
    sizes = [10, SIZE, 1000]
    parts = [file_part(f"{size}.txt", text(size)) for size in sizes]
    assert client.form(field("channel_id", client.channel_id), *parts).status == 201
    books.assert_exact(sum(sizes))


def test_an_answer_that_breaks_off_was_an_answer(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, cut_answer=5, times=1)
    assert client.raw("novel.txt", text(SIZE)).status == 502
    books.assert_exact(SIZE)


def test_a_client_that_leaves_before_the_answer_has_uploaded(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, delay=0.3, times=1)
    with half_sent("raw", client) as (wire, rest):
        wire.send(rest)
    mattermost.wait_for(lambda state: [u["status"] for u in state["uploads"]] == [201])
    books.assert_exact(SIZE)


def test_what_was_sent_whole_and_never_answered_counts_as_stored(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    """Nobody can know, so nobody gains storage from a Mattermost that does not answer."""
    mattermost.control(endpoint=UPLOAD, stall=True, times=1)
    assert client.raw("novel.txt", text(SIZE)).status == 504
    assert (books.charged(), books.reserved()) == (SIZE, 0)


# What is not stored is not charged.


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [500, 403])
def test_what_mattermost_refuses_is_released(
    status: int, way: str, client: Client, books: Books, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, status=status)
    assert WAYS[way](client, "novel.txt", text(SIZE)).status == status
    books.assert_exact(0)


@pytest.mark.parametrize("way", ["raw", "form"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"close_after": 100_000}, 502),
        ({"close_after": 100_000, "reset": True}, 502),
        ({"garbage": "HTTP/9 nonsense\r\n\r\n"}, 502),
    ],
    ids=["closed", "reset", "garbage"],
)
def test_an_upload_that_mattermost_breaks_off_half_way_is_released(
    fault: dict[str, object],
    status: int,
    way: str,
    client: Client,
    books: Books,
    mattermost: StandInProcess,
) -> None:
    mattermost.control(endpoint=UPLOAD, **fault)
    with half_sent(way, client) as (wire, _):
        assert wire.response().status == status
    books.assert_exact(0)


@pytest.mark.parametrize("way", ["raw", "large raw"])
def test_an_upload_that_mattermost_refuses_half_way_is_released(
    way: str, client: Client, books: Books, mattermost: StandInProcess
) -> None:
    """It answers at once, as Go's server does when more than 256 KiB are still to come."""
    mattermost.control(endpoint=UPLOAD, status=503)
    with half_sent(way, client) as (wire, _):
        assert wire.response().status == 503
    books.assert_exact(0)


@pytest.mark.parametrize("fault", [{"close_after": 100_000}, {"garbage": "nonsense\r\n\r\n"}])
def test_a_large_upload_that_mattermost_breaks_off_half_way_is_released(
    fault: dict[str, object], client: Client, books: Books, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, **fault)
    for _ in range(5):
        with half_sent("large raw", client) as (wire, _):
            assert wire.response().status == 502
    books.assert_exact(0)


@pytest.mark.parametrize("way", ["raw", "large raw"])
def test_mattermost_is_killed_half_way(
    way: str, client: Client, books: Books, mattermost: StandInProcess
) -> None:
    with half_sent(way, client) as (wire, _):
        wait_until_half_arrived(mattermost, way)
        assert books.reserved() == SIZES[way]
        mattermost.kill()
        try:
            assert wire.response().status == 502
        finally:
            mattermost.start()
    books.assert_exact(0)


def test_a_second_file_that_mattermost_refuses(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    """The first is stored, as it would be without the gateway."""
    mattermost.control(endpoint=UPLOAD, delay=0, times=1)
    mattermost.control(endpoint=UPLOAD, status=500, times=1)
    files = [file_part("first.txt", text(1000)), file_part("second.txt", text(SIZE))]
    assert client.form(field("channel_id", client.channel_id), *files).status == 500
    books.assert_exact(1000)


@pytest.mark.parametrize("way", SIZES)
@pytest.mark.parametrize("leave", [Wire.close, reset], ids=["closed", "reset"])
def test_a_client_that_leaves_half_way(
    leave: object, way: str, client: Client, books: Books, mattermost: StandInProcess
) -> None:
    assert callable(leave)
    with half_sent(way, client) as (wire, _):
        wait_until_half_arrived(mattermost, way)
        assert books.reserved() >= SIZES[way]
        leave(wire)
    settled(mattermost)
    books.assert_exact(0)


def test_a_refused_upload_is_never_reserved(client: Client, books: Books) -> None:
    assert client.raw("run.exe", text(SIZE)).status == 403
    assert client.chunked("run.exe", [text(SIZE)]).status == 403
    books.assert_exact(0)


def test_a_length_that_is_a_bound_only_is_not_what_is_charged(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    """Of a file in a form, the rest of the form tells at first only how large it can be."""
    with half_sent("form", client) as (wire, rest):
        wait_until_half_arrived(mattermost)
        assert SIZE <= books.reserved() <= SIZE + 100
        wire.send(rest)
        assert wire.response().status == 201
    books.assert_exact(SIZE)


# The limit.


@pytest.fixture(scope="module")
def limited_gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("limited")
    with GatewayProcess(stand_in.url, folder, quotas="user 1MiB/day", ledger_lease="1s") as running:
        yield running


@pytest.fixture
def limited(limited_gateway: GatewayProcess) -> GatewayProcess:
    """A gateway where each user has 1 MiB a day, and which may be stopped."""
    if not limited_gateway.is_running:
        limited_gateway.start()
    return limited_gateway


@pytest.fixture
def member(limited: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]) -> Client:
    """The test's own user, at the limited gateway."""
    return Client(limited.address, user["token"], mattermost.channel_id)


@pytest.fixture
def limited_books(
    limited: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]
) -> Books:
    return Books(mattermost, limited.folder, user)


def test_a_used_up_quota(member: Client, mattermost: StandInProcess) -> None:
    assert member.raw("a.bin", bytes(MIB)).status == 201
    response = member.raw("a.bin", bytes(1))
    assert (response.status, response.json()["id"]) == (429, "gateway.quota_exceeded")
    assert 1 <= int(response.header("retry-after") or "") <= 86_400
    message = response.json()["message"]
    assert "1 MiB" in message
    assert "00:00 UTC" in message
    # It is a user's, not everybody's.
    other = Client(member.address, new_member(mattermost)["token"], mattermost.channel_id)
    assert other.raw("a.bin", bytes(1)).status == 201


@pytest.mark.parametrize("way", WAYS)
def test_the_last_byte_fits_and_no_other(way: str, member: Client) -> None:
    """Also where a file's size is not known before, and its bound does not fit."""
    assert WAYS[way](member, "a.bin", bytes(MIB + 1)).status == 429
    assert WAYS[way](member, "a.bin", bytes(MIB)).status == 201
    assert WAYS[way](member, "a.bin", bytes(1)).status == 429


def race(clients: list[Client], size: int) -> list[int]:
    """The statuses of uploads of ``size`` bytes, one by each client at the same time."""
    with ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(lambda c: c.raw("a.bin", bytes(size)).status, clients))


def test_parallel_uploads_never_exceed_the_limit(member: Client, limited_books: Books) -> None:
    statuses = race([member] * 16, 100_000)
    assert sorted(statuses) == [201] * 10 + [429] * 6
    limited_books.assert_exact(1_000_000)


def test_two_gateways_share_a_ledger(
    member: Client, limited_books: Books, mattermost: StandInProcess, folder: Path
) -> None:
    url = f"sqlite:///{limited_books.folder / 'ledger.sqlite3'}"
    with GatewayProcess(mattermost.url, folder, quotas="user 1MiB/day", ledger_url=url) as second:
        statuses = race([member, replace(member, address=second.address)] * 8, 100_000)
    assert sorted(statuses) == [201] * 10 + [429] * 6
    limited_books.assert_exact(1_000_000)


# The gateway itself ends.


def test_a_restart_keeps_what_is_used(member: Client, limited: GatewayProcess) -> None:
    assert member.raw("a.bin", bytes(700_000)).status == 201
    assert limited.terminate() == 0
    limited.start()
    assert member.raw("a.bin", bytes(700_000)).status == 429
    assert member.raw("a.bin", bytes(300_000)).status == 201


def test_a_killed_gateway_keeps_what_is_used(member: Client, limited: GatewayProcess) -> None:
    assert member.raw("a.bin", bytes(MIB)).status == 201
    limited.kill()
    limited.start()
    assert member.raw("a.bin", bytes(1)).status == 429


def test_a_killed_gateway_leaves_nothing_charged_for_longer_than_the_lease(
    member: Client, limited: GatewayProcess, limited_books: Books, mattermost: StandInProcess
) -> None:
    with half_sent("raw", member):
        wait_until_half_arrived(mattermost)
        limited.kill()
    assert limited_books.reserved() == SIZE
    limited.start()
    limited_books.assert_exact(0)
    assert member.raw("a.bin", bytes(MIB)).status == 201


@pytest.mark.parametrize(
    ("number", "way"),
    [(signal.SIGTERM, "raw"), (signal.SIGTERM, "form"), (signal.SIGINT, "raw")],
)
def test_a_stopped_gateway_lets_running_uploads_finish(
    number: signal.Signals,
    way: str,
    member: Client,
    limited: GatewayProcess,
    limited_books: Books,
    mattermost: StandInProcess,
) -> None:
    with half_sent(way, member) as (wire, rest):
        wait_until_half_arrived(mattermost)
        limited.signal(number)
        limited.wait_for_log("stopping")
        wire.send(rest)
        assert wire.response().status == 201
        assert wire.at_end()
    assert limited.wait() == 0
    limited_books.assert_exact(SIZE)


def test_a_stopped_gateway_gives_up_uploads_that_take_too_long(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    with GatewayProcess(
        mattermost.url, folder, quotas="user 1GiB/day", shutdown_timeout="1s"
    ) as gateway:
        books = Books(mattermost, folder, user)
        client = Client(gateway.address, user["token"], mattermost.channel_id)
        with half_sent("raw", client) as (wire, _):
            wait_until_half_arrived(mattermost)
            assert gateway.terminate() == 0
            with pytest.raises((EOFError, ConnectionError)):
                wire.response()
        books.assert_exact(0)
        (line,) = gateway.requests()
        assert (line["outcome"], line["reason"]) == ("failed", "shutdown")


# The ledger breaks.


@contextmanager
def broken_ledger(folder: Path) -> Iterator[None]:
    """Something else lies where the ledger's file belongs."""
    aside = folder / "aside"
    aside.mkdir()
    files = list(folder.glob("ledger.sqlite3*"))
    for file in files:
        file.rename(aside / file.name)
    (folder / "ledger.sqlite3").mkdir()
    try:
        yield
    finally:
        (folder / "ledger.sqlite3").rmdir()
        for file in files:
            if (aside / file.name).exists():
                (aside / file.name).rename(file)


def test_a_ledger_that_breaks_during_an_upload(
    member: Client, limited: GatewayProcess, limited_books: Books, mattermost: StandInProcess
) -> None:
    """The file is stored all the same, and booked when the ledger works again."""
    with half_sent("raw", member) as (wire, rest):
        wait_until_half_arrived(mattermost)
        with broken_ledger(limited.folder):
            wire.send(rest)
            assert wire.response().status == 201
            refused = member.raw("a.txt", b"hello")
            assert (refused.status, refused.json()["id"]) == (503, "gateway.ledger_unavailable")
            assert int(refused.header("retry-after") or "") > 0
            status, answer = limited.ready()
            assert status == 503
            assert set(answer["problems"]) == {"ledger"}
    deadline = time.monotonic() + 15
    while not limited_books.charged():
        assert time.monotonic() < deadline, "the ledger was not told"
        time.sleep(0.05)
    limited_books.assert_exact(SIZE)
