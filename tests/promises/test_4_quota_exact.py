"""Promise 4: quota is exact, whatever dies in between.

Reserved before forwarding, settled exactly once: what is charged is what Mattermost has stored.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.books import SIZE, SIZES, Books, half_sent, wait_until_half_arrived
from tests.promises.support import UPLOAD, WAYS, reset, settled, text
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part


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


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Client:
    return Client(gateway.address, user["token"], mattermost.channel_id)


@pytest.fixture
def books(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Books:
    return Books(mattermost, gateway.folder, user)


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
