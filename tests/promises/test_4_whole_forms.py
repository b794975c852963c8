"""Promise 4 for forms that are received whole: whatever goes wrong, the books are exact.

And nothing is left behind: no reservation, no room on the disk, no request without its line.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.promises.books import Books
from tests.promises.rows import FORM
from tests.promises.support import form_head, reset
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, WireResponse, file_part, form_body

TARGET = "/api/v4/users/me/image"
ENDPOINT = f"POST {TARGET}"
SIZE = 16_000_000
"""Of a picture that waits on the disk."""
PICTURE = files.png().ljust(SIZE, b"\0")
BODY = form_body(file_part("p.png", PICTURE, name="image"))


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("gateway"),
        quotas="user 1GiB/day",
        upstream_timeout="1s",
        spool_limit=str(SIZE + 500_000),
    ) as running:
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Client:
    mattermost.reset()
    return Client(gateway.address, user["token"], mattermost.channel_id)


@pytest.fixture
def books(mattermost: StandInProcess, gateway: GatewayProcess, user: dict[str, Any]) -> Books:
    return Books(mattermost, gateway.folder, user)


def send(client: Client) -> WireResponse:
    return client.request("POST", TARGET, FORM, body=BODY)


def assert_charged(books: Books, size: int) -> None:
    books.wait_until_nothing_is_reserved()
    assert books.charged() == size


def test_what_is_accepted_is_charged(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    assert send(client).status == 200
    (upload,) = mattermost.state()["uploads"]
    assert [file["size"] for file in upload["files"]] == [SIZE]
    assert_charged(books, SIZE)


@pytest.mark.parametrize(
    ("fault", "status", "charged"),
    [
        ({"status": 403, "body": "{}"}, 403, 0),
        ({"status": 500, "body": "{}"}, 500, 0),
        ({"close_after": 100_000}, 502, 0),
        ({"close_after": 100_000, "reset": True}, 502, 0),
        ({"garbage": "nonsense\r\n\r\n"}, 502, 0),
        # Nobody can know whether it was stored.
        ({"stall": True}, 504, SIZE),
        ({"cut_answer": 5}, 502, SIZE),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_mattermost_does_not_do_its_part(
    fault: dict[str, Any],
    status: int,
    charged: int,
    client: Client,
    books: Books,
    mattermost: StandInProcess,
    gateway: GatewayProcess,
) -> None:
    mattermost.control(endpoint=ENDPOINT, times=1, **fault)
    response = send(client)
    assert response.status == status
    assert_charged(books, charged)
    line = gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    (file,) = line["files"]
    assert (file["name"], file["size"]) == ("p.png", SIZE)
    assert (file["outcome"], file["reason"]) == (line["outcome"], line["reason"])
    assert line["outcome"] == ("refused" if status == 403 else "failed")


@pytest.mark.parametrize("leave", [Wire.close, reset], ids=["closed", "reset"])
def test_a_client_that_leaves_half_way(
    leave: Any,
    client: Client,
    books: Books,
    mattermost: StandInProcess,
    gateway: GatewayProcess,
) -> None:
    for _ in range(3):
        lines = len(gateway.requests())
        with Wire(client.address) as wire:
            wire.send_head("POST", TARGET, form_head(client, len(BODY)))
            wire.send(BODY[: SIZE - 1000])
            leave(wire)
        gateway.wait_for(lambda before=lines: len(gateway.requests()) > before)  # type: ignore[misc]
        line = gateway.requests()[-1]
        assert (line["endpoint"], line["outcome"]) == ("user_image", "aborted")
        assert [file["reason"] for file in line["files"]] == ["client_gone"]
    assert mattermost.state()["uploads"] == []
    # Its room on the disk is free again: there is only enough for one.
    assert send(client).status == 200
    assert_charged(books, SIZE)


def test_a_client_that_leaves_before_the_answer(
    client: Client, books: Books, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=ENDPOINT, delay=0.3, times=1)
    with Wire(client.address) as wire:
        wire.send_head("POST", TARGET, form_head(client, len(BODY)))
        wire.send(BODY)
        mattermost.wait_for(lambda state: len(state["uploads"]) == 1)
    mattermost.wait_for(lambda state: [u["status"] for u in state["uploads"]] == [200])
    assert_charged(books, SIZE)


def test_there_is_no_room_to_wait(client: Client, books: Books, gateway: GatewayProcess) -> None:
    large = form_body(file_part("p.png", PICTURE + bytes(1_000_000), name="image"))
    response = client.request("POST", TARGET, FORM, body=large)
    assert (response.status, response.json()["id"]) == (507, "gateway.spool_full")
    assert_charged(books, 0)
    assert send(client).status == 200


def test_a_session_that_ended_in_the_meantime_is_forgotten(
    client: Client, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    assert send(client).status == 200
    mattermost.control(endpoint=ENDPOINT, status=401, body="{}", times=1)
    assert send(client).status == 401
    mattermost.reset()
    assert send(client).status == 200
    assert mattermost.state()["requests"]["GET /api/v4/users/me"] == 1
