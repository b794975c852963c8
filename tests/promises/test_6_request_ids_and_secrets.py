"""Promise 6, for whom the log is: request ids and addresses that can be believed, no secrets."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import form_head
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    """Somebody about whom Mattermost has to be asked first."""
    token = new_member(mattermost)["token"]
    mattermost.reset()
    return Client(gateway.address, token, mattermost.channel_id)


@pytest.fixture(scope="module")
def behind_proxy(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway that trusts what comes from this machine and from 10.0.0.0/8."""
    folder = tmp_path_factory.mktemp("behind-proxy")
    with GatewayProcess(stand_in.url, folder, trusted_proxies="127.0.0.0/8,10.0.0.0/8") as running:
        yield running


def ask(gateway: GatewayProcess, client: Client, *headers: tuple[str, str]) -> WireResponse:
    """A form with two files, so that Mattermost is asked three times."""
    channel = field("channel_id", client.channel_id)
    body = form_body(channel, file_part("a.txt", b"a"), file_part("b.txt", b"b"))
    with Wire(gateway.address) as wire:
        wire.send_head("POST", "/api/v4/files", [*form_head(client, len(body)), *headers])
        wire.send(body)
        return wire.response()


def seen(mattermost: StandInProcess, name: str) -> list[list[str]]:
    """The values of a header in each request that has reached Mattermost."""
    recent = mattermost.state()["recent"]
    return [[value for key, value in e["headers"] if key.lower() == name] for e in recent]


def test_a_strangers_request_id_and_address_are_not_believed(
    client: Client, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    response = ask(
        gateway,
        client,
        ("X-Request-Id", "forged"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Real-Ip", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=1.2.3.4"),
    )
    request_id = response.header("x-request-id") or ""
    assert re.fullmatch("[a-z0-9]{26}", request_id)
    assert seen(mattermost, "x-request-id") == [[request_id]] * 3
    assert seen(mattermost, "x-forwarded-for") == [["127.0.0.1"]] * 3
    assert seen(mattermost, "x-real-ip") == [["127.0.0.1"]] * 3
    assert seen(mattermost, "x-forwarded-proto") == [["http"]] * 3
    assert seen(mattermost, "forwarded") == [[]] * 3
    line = gateway.wait_for_log("request", request_id=request_id)
    assert line["client"] == "127.0.0.1"


def test_a_trusted_proxys_request_id_and_address_are_taken_over(
    client: Client, mattermost: StandInProcess, behind_proxy: GatewayProcess
) -> None:
    response = ask(
        behind_proxy,
        client,
        ("X-Request-Id", "from-the.proxy/1"),
        ("X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.1.1.1"),
        ("X-Forwarded-Proto", "https"),
    )
    assert response.header("x-request-id") == "from-the.proxy/1"
    chain = "6.6.6.6, 1.2.3.4, 10.1.1.1, 127.0.0.1"
    assert seen(mattermost, "x-request-id") == [["from-the.proxy/1"]] * 3
    assert seen(mattermost, "x-forwarded-for") == [[chain]] * 3
    assert seen(mattermost, "x-real-ip") == [["1.2.3.4"]] * 3
    assert seen(mattermost, "x-forwarded-proto") == [["https"]] * 3
    line = behind_proxy.wait_for_log("request", request_id="from-the.proxy/1")
    assert line["client"] == "1.2.3.4"


def test_a_chain_may_come_on_several_lines(
    client: Client, mattermost: StandInProcess, behind_proxy: GatewayProcess
) -> None:
    """RFC 9110, 5.3. HAProxy adds a line of its own below what its client sent."""
    response = ask(
        behind_proxy,
        client,
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-For", "1.2.3.4"),
    )
    chain = "6.6.6.6, 1.2.3.4, 127.0.0.1"
    assert seen(mattermost, "x-forwarded-for") == [[chain]] * 3
    request_id = response.header("x-request-id")
    assert behind_proxy.wait_for_log("request", request_id=request_id)["client"] == "1.2.3.4"


TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = (
    ("Traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),
    ("Tracestate", "a=1"),
)
TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


def traces(mattermost: StandInProcess) -> set[tuple[str | None, ...]]:
    """Trace, step and flags of each request that has reached Mattermost."""
    matches = [TRACEPARENT.fullmatch(value) for (value,) in seen(mattermost, "traceparent")]
    return {() if match is None else match.groups() for match in matches}


def test_a_strangers_trace_ends_here(
    client: Client, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    response = ask(gateway, client, *TRACED)
    ((trace, _, flags),) = traces(mattermost)
    assert trace != TRACE
    assert flags == "00"
    assert seen(mattermost, "tracestate") == [[]] * 3
    line = gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    assert line["trace_id"] == trace


def test_a_trusted_proxys_trace_goes_on(
    client: Client, mattermost: StandInProcess, behind_proxy: GatewayProcess
) -> None:
    ask(behind_proxy, client, *TRACED)
    ((trace, step, flags),) = traces(mattermost)
    assert (trace, flags) == (TRACE, "01")
    assert step != "b7ad6b7169203331"
    assert seen(mattermost, "tracestate") == [["a=1"]] * 3
    behind_proxy.wait_for_log("request", trace_id=TRACE)
    mattermost.reset()
    with Wire(behind_proxy.address) as wire:
        wire.send_head("GET", "/api/v4/system/ping", TRACED)
        assert wire.response().status == 200
    assert {found[0] for found in traces(mattermost)} == {TRACE}
    assert seen(mattermost, "tracestate") == [["a=1"]]
    mattermost.reset()
    ask(behind_proxy, client, *TRACED, TRACED[0])
    assert TRACE not in {found[0] for found in traces(mattermost)}  # two are none


def test_it_is_the_same_for_what_passes_through(
    client: Client, mattermost: StandInProcess, behind_proxy: GatewayProcess
) -> None:
    with Wire(behind_proxy.address) as wire:
        headers = [("X-Request-Id", "from-the-proxy"), ("X-Forwarded-For", "1.2.3.4")]
        wire.send_head("GET", "/api/v4/system/ping", headers)
        assert wire.response().header("x-request-id") == "from-the-proxy"
    assert seen(mattermost, "x-request-id") == [["from-the-proxy"]]
    assert seen(mattermost, "x-forwarded-for") == [["1.2.3.4, 127.0.0.1"]]
    mattermost.reset()
    assert client.request("GET", "/api/v4/system/ping", ("X-Request-Id", "x")).status == 200
    ((request_id,),) = seen(mattermost, "x-request-id")
    assert request_id != "x"


@pytest.mark.parametrize("request_id", ["", "two words", "a" * 129, 'quo"te', "é"])
def test_even_a_trusted_proxy_sends_ids_that_cannot_be_used(
    request_id: str, client: Client, behind_proxy: GatewayProcess
) -> None:
    response = ask(behind_proxy, client, ("X-Request-Id", request_id))
    assert re.fullmatch("[a-z0-9]{26}", response.header("x-request-id") or "")


# Secrets.


def test_no_secret_is_ever_logged(mattermost: StandInProcess, folder: Path) -> None:
    token, unknown = new_member(mattermost)["token"], "z" * 26
    password = mattermost.ready["user"]["password"]
    with GatewayProcess(
        mattermost.url, folder, log_level="debug", upstream_timeout="1s"
    ) as gateway:
        for secret in (token, unknown):
            client = Client(gateway.address, secret, mattermost.channel_id)
            client.raw("a.txt", b"hello")
            client.form(field("channel_id", client.channel_id), file_part("a.txt", b"hello"))
            anonymous = replace(client, token="")
            target = f"{client.target('a.txt')}&access_token={secret}"
            with Wire(gateway.address) as wire:
                wire.send_head("POST", target, [("Content-Length", "0")])
                wire.response()
            anonymous.request("GET", f"/api/v4/users/me?access_token={secret}")
            cookie = ("Cookie", f"MMAUTHTOKEN={secret}; MMCSRF={secret}")
            client.request("POST", client.target("a.txt"), cookie, body=b"hello")
            with Wire(gateway.address) as wire:
                wire.send(f"Authorization: Bearer {secret}\r\n\r\n".encode())
                wire.response()
        login = {"login_id": mattermost.ready["user"]["username"], "password": password}
        mattermost.control(endpoint="POST /api/v4/users/login", close_after=0, times=1)
        for _ in range(2):
            client.request("POST", "/api/v4/users/login", body=json.dumps(login).encode())
        mattermost.control(endpoint="*", close_after=0)
        Client(gateway.address, token[::-1], mattermost.channel_id).raw("a.txt", b"hello")
        log = gateway.log_file.read_text()
        metrics = str(gateway.metrics())
    assert '"event":"request"' in log
    for secret in (token, token[::-1], unknown, password):
        assert secret not in log
        assert secret not in metrics
