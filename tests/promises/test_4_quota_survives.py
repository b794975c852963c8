"""Promise 4: quota is exact at the limit, and when the gateway or its ledger ends in between."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import MIB, SIZE, SIZES, Books, half_sent, wait_until_half_arrived
from tests.promises.support import UPLOAD, WAYS, form_head, send_chunks, text
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client, Wire, file_part, form_body


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


@pytest.mark.parametrize(("used", "sent"), [(700_000, 400_000), (MIB, 50_000)])
def test_a_form_that_does_not_fit_is_not_received(
    used: int, sent: int, member: Client, limited_books: Books
) -> None:
    """Also where it is not known yet which channel it is for."""
    assert member.raw("a.bin", bytes(used)).status == 201
    with Wire(member.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(member, 50 * MIB))
        wire.send(form_body(file_part("b.bin", bytes(sent))).partition(b"\r\n--XboundaryX--")[0])
        response = wire.response()
    assert (response.status, response.json()["id"]) == (429, "gateway.quota_exceeded")
    assert "user-bytes-day" in (response.header("ratelimit") or "")
    limited_books.assert_exact(used)


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


@pytest.fixture(scope="module")
def killed(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway that may be killed, and has room for all."""
    folder = tmp_path_factory.mktemp("killed")
    with GatewayProcess(stand_in.url, folder, quotas="user 1GiB/day", ledger_lease="1s") as running:
        yield running


@pytest.mark.parametrize("way", [*SIZES, "small raw", "chunked"])
def test_what_a_killed_gateway_had_sent_whole_is_charged(
    way: str, killed: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]
) -> None:
    """Nobody knows whether it is stored. Here it is not, as the worst case."""
    books = Books(mattermost, killed.folder, user)
    client = Client(killed.address, user["token"], mattermost.channel_id)
    size = SIZES.get(way, 20_000)
    mattermost.control(endpoint=UPLOAD, stall=True, times=1)
    with ExitStack() as stack:
        if way in SIZES:
            wire, rest = stack.enter_context(half_sent(way, client))
            wire.send(rest)
        else:
            wire = stack.enter_context(Wire(client.address))
            chunked = way == "chunked"
            framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", f"{size}")
            wire.send_head("POST", client.target("novel.txt"), client.head(framing))
            wire.send(text(size)) if not chunked else send_chunks(wire, [text(size)])
        mattermost.wait_for(lambda state: [u["body_bytes"] for u in state["uploads"]] == [size])
        killed.kill()
    killed.start()
    # Whoever looks at the books would be the one who books it.
    told = killed.wait_for_log("unconfirmed_booked", account=f"user:{user['id']}")
    assert (told["unit"], told["amount"]) == ("bytes", size)
    name = "upload_gateway_quota_unconfirmed_total"
    assert killed.metric(name, scope="user", unit="bytes") == size
    assert (books.charged(), books.reserved()) == (size, 0)


@pytest.mark.parametrize("way", SIZES)
def test_what_a_killed_gateway_had_not_sent_whole_is_not(
    way: str, killed: GatewayProcess, mattermost: StandInProcess, user: dict[str, Any]
) -> None:
    books = Books(mattermost, killed.folder, user)
    client = Client(killed.address, user["token"], mattermost.channel_id)
    with half_sent(way, client):
        wait_until_half_arrived(mattermost, way)
        killed.kill()
    assert books.reserved() >= SIZES[way]
    killed.start()
    books.assert_exact(0)


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
