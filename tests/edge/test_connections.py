"""Connections to the gateway as it runs: kept, pipelined, half-closed."""

import socket
from collections.abc import Iterator

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import form_head, program
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part, form_body


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(stand_in.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def begin_raw(client: Client, wire: Wire, content: bytes, name: str = "a.bin") -> None:
    length = ("Content-Length", str(len(content)))
    wire.send_head("POST", client.target(name), client.head(length))
    wire.send(content)


def begin_chunked(client: Client, wire: Wire, content: bytes) -> None:
    chunked = ("Transfer-Encoding", "chunked")
    wire.send_head("POST", client.target("a.bin"), client.head(chunked))
    wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))


def begin_form(client: Client, wire: Wire, content: bytes) -> None:
    body = form_body(field("channel_id", client.channel_id), file_part("a.bin", content))
    wire.send_head("POST", "/api/v4/files", form_head(client, len(body)))
    wire.send(body)


WAYS = {"raw": begin_raw, "chunked": begin_chunked, "form": begin_form}


def test_one_connection_serves_many_uploads(client: Client) -> None:
    with Wire(client.address) as wire:
        for size in (1, 20_000, 300_000, 3_000_000, 5):
            for begin in WAYS.values():
                begin(client, wire, bytes(size))
                response = wire.response()
                assert response.status == 201
                assert response.header("connection") is None


def test_a_refused_file_that_was_sent_whole_does_not_end_the_connection(client: Client) -> None:
    with Wire(client.address) as wire:
        for _ in range(3):
            begin_raw(client, wire, program(1000), "a.pdf")
            assert wire.response().status == 415
            begin_raw(client, wire, b"hello", "a.txt")
            assert wire.response().status == 201


def test_pipelined_requests_are_answered_in_their_order(
    client: Client, mattermost: StandInProcess
) -> None:
    sizes = [1, 300_000, 2_000_000, 7, 40_000]
    with Wire(client.address) as wire:
        requests = []
        for size in sizes:
            head = f"POST {client.target(f'{size}.bin')} HTTP/1.1\r\nHost: chat\r\n"
            fields = f"Authorization: Bearer {client.token}\r\nContent-Length: {size}\r\n\r\n"
            requests.append((head + fields).encode() + bytes(size))
        wire.send(b"".join(requests))
        names = [wire.response().json()["file_infos"][0]["name"] for _ in sizes]
    assert names == [f"{size}.bin" for size in sizes]
    received = [upload["body_bytes"] for upload in mattermost.state()["uploads"]]
    assert received == sizes


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [5, 300_000, 10_000_000])
def test_a_client_that_closes_its_side_gets_its_answer(way: str, size: int, client: Client) -> None:
    for _ in range(5):
        with Wire(client.address) as wire:
            WAYS[way](client, wire, bytes(size))
            wire.socket.shutdown(socket.SHUT_WR)
            response = wire.response()
            assert response.status == 201
            assert wire.at_end()


def test_a_client_that_speaks_http_1_0(client: Client) -> None:
    with Wire(client.address) as wire:
        head = f"POST {client.target('a.txt')} HTTP/1.0\r\nAuthorization: Bearer {client.token}\r\n"
        wire.send(f"{head}Content-Length: 5\r\n\r\nhello".encode())
        assert wire.response().status == 201
        assert wire.at_end()
