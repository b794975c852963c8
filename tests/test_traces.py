"""Spans that a collector gets, over OTLP, of what a gateway really did."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.metrics.families import STAGES
from gateway.standin.process import StandInProcess
from tests.support.collector import Collector, Span
from tests.support.gateway import GatewayProcess
from tests.support.websocket import open_socket
from tests.support.wire import Client, Wire, WireResponse, field, file_part

TRACE, STEP = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
UPLOAD = "POST /api/v4/files"
PATIENCE = 20.0


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def often() -> Iterator[None]:
    """The SDK sends what it has every five seconds, unless it is told otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        patch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=uploads")
        patch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        yield


@pytest.fixture(scope="module")
def traced(
    stand_in: StandInProcess,
    collector: Collector,
    often: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    """One behind a trusted proxy, that has all traces recorded."""
    folder = tmp_path_factory.mktemp("gateway")
    settings = {"traces_url": collector.url, "quotas": "user 1GiB/day"}
    with GatewayProcess(stand_in.url, folder, trusted_proxies="127.0.0.1", **settings) as running:
        yield running


def client_of(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def trace_of(gateway: GatewayProcess, response: WireResponse) -> str:
    line = gateway.wait_for_log("request", request_id=response.header("x-request-id"))
    return str(line["trace_id"])


def recorded(gateway: GatewayProcess, collector: Collector, trace: str) -> tuple[Span, list[Span]]:
    """The request's own span, and those below it; all of them come together."""
    gateway.wait_for(lambda: bool(collector.of_trace(trace)), PATIENCE)
    spans = collector.of_trace(trace)
    (server,) = (span for span in spans if span.kind == "SERVER")
    below = [span for span in spans if span is not server]
    assert {span.parent for span in below} <= {server.id}
    assert len({span.id for span in spans}) == len(spans)
    assert all(server.start <= span.start <= span.end <= server.end + 1000 for span in below)
    return server, below


def steps_told(mattermost: StandInProcess) -> set[str]:
    """What Mattermost was told to be the step before."""
    told: set[str] = set()
    for request in mattermost.state()["recent"]:
        told.update(value for name, value in request["headers"] if name.lower() == "traceparent")
    return told


def test_an_upload(
    mattermost: StandInProcess, traced: GatewayProcess, collector: Collector
) -> None:
    response = client_of(traced, mattermost).raw("a.txt", b"hello")
    assert response.status == 201
    trace = trace_of(traced, response)
    server, below = recorded(traced, collector, trace)
    assert (server.name, server.parent, server.failed) == (UPLOAD, "", False)
    line = traced.wait_for_log("request", trace_id=trace)
    assert server.attributes == {
        "http.request.method": "POST",
        "http.request.body.size": 5,
        "http.response.status_code": 201,
        "http.route": "/api/v4/files",
        "url.path": "/api/v4/files",
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user.id": line["user_id"],
        "upload_gateway.request_id": line["request_id"],
        "upload_gateway.endpoint": "files",
        "upload_gateway.outcome": "accepted",
        "upload_gateway.reason": "none",
        "upload_gateway.files": 1,
    }
    assert (server.end - server.start) / 1e9 == pytest.approx(line["duration"], abs=1e-3)
    assert abs(server.end / 1e9 - time.time()) < PATIENCE
    assert server.resource["service.name"] == "mattermost-upload-gateway"
    assert server.resource["deployment.environment.name"] == "test"
    stages = [span for span in below if span.kind == "INTERNAL"]
    assert {span.name for span in stages} == set(line["stages"])
    assert set(STAGES) - {"examine"} == set(line["stages"])
    for name, seconds in line["stages"].items():
        spent = sum(span.end - span.start for span in stages if span.name == name) / 1e9
        assert spent == pytest.approx(seconds, abs=1e-3)
    (way,) = (span for span in below if span.kind == "CLIENT")
    assert (way.name, way.failed) == ("POST", False)
    assert way.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "url.full": f"{mattermost.url}/api/v4/files",
        "server.address": "127.0.0.1",
        "server.port": mattermost.port,
    }
    assert f"00-{trace}-{way.id}-01" in steps_told(mattermost)


def test_a_form_with_several_files(
    mattermost: StandInProcess, traced: GatewayProcess, collector: Collector
) -> None:
    client = client_of(traced, mattermost)
    files = [file_part(f"{name}.txt", b"hello") for name in "abc"]
    response = client.form(field("channel_id", client.channel_id), *files)
    _, below = recorded(traced, collector, trace_of(traced, response))
    forwarded = [span for span in below if span.name == "forward"]
    assert len(forwarded) == 3
    (way,) = (span for span in below if span.kind == "CLIENT")
    assert (way.start, way.end) == (forwarded[0].start, forwarded[-1].end)


def ask(gateway: GatewayProcess, target: str, *headers: tuple[str, str]) -> WireResponse:
    with Wire(gateway.address) as wire:
        wire.send_head("GET", target, headers)
        return wire.response()


def test_a_trace_that_others_record_goes_on(traced: GatewayProcess, collector: Collector) -> None:
    said = (("Traceparent", f"00-{TRACE}-{STEP}-01"), ("X-Forwarded-Proto", "https"))
    assert ask(traced, "/api/v4/system/ping", *said).status == 200
    server, (way,) = recorded(traced, collector, TRACE)
    assert server.attributes["url.scheme"] == "https"
    assert (server.name, server.parent) == ("GET", STEP)
    assert (way.kind, way.attributes["http.response.status_code"]) == ("CLIENT", 200)


def test_a_trace_that_others_do_not_record_is_not(
    traced: GatewayProcess, collector: Collector
) -> None:
    trace, marker = "1" * 32, "2" * 32
    for id_, flags in ((trace, "00"), (marker, "01")):
        ask(traced, "/api/v4/system/ping", ("Traceparent", f"00-{id_}-{STEP}-{flags}"))
    recorded(traced, collector, marker)
    assert collector.of_trace(trace) == []


def test_a_refusal_is_no_error_and_goes_nowhere(
    mattermost: StandInProcess, traced: GatewayProcess, collector: Collector
) -> None:
    response = client_of(traced, mattermost).raw("setup.exe", b"hello")
    server, below = recorded(traced, collector, trace_of(traced, response))
    assert not server.failed
    assert server.attributes["upload_gateway.reason"] == "extension_denied"
    assert server.attributes["http.response.status_code"] == 403
    assert {span.kind for span in below} == {"INTERNAL"}


def test_mattermosts_failure_is_one(
    mattermost: StandInProcess, traced: GatewayProcess, collector: Collector
) -> None:
    client = client_of(traced, mattermost)
    mattermost.control(endpoint=UPLOAD, times=1, close_after=0)
    server, below = recorded(traced, collector, trace_of(traced, client.raw("a.txt", b"hello")))
    (way,) = (span for span in below if span.kind == "CLIENT")
    assert server.failed
    assert way.failed
    assert server.attributes["error.type"] == way.attributes["error.type"] == "upstream_failed"
    assert "http.response.status_code" not in way.attributes
    mattermost.control(endpoint=UPLOAD, times=1, status=500, body="{}")
    server, below = recorded(traced, collector, trace_of(traced, client.raw("a.txt", b"hello")))
    (way,) = (span for span in below if span.kind == "CLIENT")
    assert (way.failed, way.attributes["error.type"]) == (True, "500")


def test_a_websocket_is_its_handshake(
    mattermost: StandInProcess, traced: GatewayProcess, collector: Collector
) -> None:
    with open_socket(traced):
        pass
    line = traced.wait_for_log("request", endpoint="websocket")
    server, (way,) = recorded(traced, collector, line["trace_id"])
    assert server.attributes["http.response.status_code"] == 101
    assert way.kind == "CLIENT"


def test_what_is_not_http_has_a_span(traced: GatewayProcess, collector: Collector) -> None:
    with Wire(traced.address) as wire:
        wire.send(b"nonsense\r\n\r\n")
        trace = trace_of(traced, wire.response())
    server, _ = recorded(traced, collector, trace)
    assert server.name == "_OTHER"


def test_secrets_stay_here(
    mattermost: StandInProcess, traced: GatewayProcess, collector: Collector
) -> None:
    secret = mattermost.user_token
    target = f"/api/v4/users/me?access_token={secret}"
    response = ask(traced, target, ("Cookie", f"MMAUTHTOKEN={secret}"), ("User-Agent", "me/1"))
    server, _ = recorded(traced, collector, trace_of(traced, response))
    assert server.attributes["user_agent.original"] == "me/1"
    assert not any(secret.encode() in body for body in collector.bodies)
    assert not any(b"access_token" in body for body in collector.bodies)
    assert {(path, headers["x-tenant"]) for path, headers in collector.requests} == {
        ("/v1/traces", "uploads")
    }


def test_a_share_of_traces(
    mattermost: StandInProcess, collector: Collector, often: None, tmp_path: Path
) -> None:
    """None that begins here, and those that others record all the same."""
    settings = {"traces_url": f"{collector.url}/v1/traces", "traces_sample": "0"}
    with GatewayProcess(
        mattermost.url, tmp_path, trusted_proxies="127.0.0.1", **settings
    ) as gateway:
        trace = trace_of(gateway, ask(gateway, "/api/v4/system/ping"))
        ask(gateway, "/api/v4/system/ping", ("Traceparent", f"00-{'3' * 32}-{STEP}-01"))
        recorded(gateway, collector, "3" * 32)
    assert collector.of_trace(trace) == []


@pytest.mark.parametrize("status", [None, 503], ids=["gone", "unwilling"])
def test_a_collector_that_takes_nothing_holds_up_nobody(
    status: int | None, mattermost: StandInProcess, often: None, tmp_path: Path
) -> None:
    with Collector() as collector:
        collector.status = status or 200
        url = "http://127.0.0.1:9" if status is None else collector.url
        with GatewayProcess(mattermost.url, tmp_path, traces_url=url) as gateway:
            client = client_of(gateway, mattermost)
            for _ in range(10):
                assert client.raw("a.txt", b"hello").status == 201
            line = gateway.wait_for_log("library", PATIENCE)
            assert line["logger"].startswith("opentelemetry.")
            assert client.raw("a.txt", b"hello").status == 201
            assert gateway.ready()[0] == 200
            assert gateway.terminate() == 0


def test_what_waits_is_sent_in_the_end(mattermost: StandInProcess, tmp_path: Path) -> None:
    with Collector() as collector:
        with GatewayProcess(mattermost.url, tmp_path, traces_url=collector.url) as gateway:
            response = client_of(gateway, mattermost).raw("a.txt", b"hello")
            trace = trace_of(gateway, response)
        assert len(collector.of_trace(trace)) > 5


def test_several_workers(
    mattermost: StandInProcess, collector: Collector, often: None, tmp_path: Path
) -> None:
    settings = {"traces_url": collector.url, "workers": "2"}
    with GatewayProcess(mattermost.url, tmp_path, **settings) as gateway:
        response = client_of(gateway, mattermost).raw("a.txt", b"hello")
        server, _ = recorded(gateway, collector, trace_of(gateway, response))
    assert server.attributes["http.response.status_code"] == 201


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from gateway.cli import main
main(["check-config"])
"""


def test_without_the_extra(tmp_path: Path) -> None:
    environment = {
        "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9",
        "GATEWAY_TRACES_URL": "http://127.0.0.1:4318",
        "STATE_DIRECTORY": str(tmp_path),
    }
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert told.returncode == 2
    assert re.search(
        r"GATEWAY_TRACES_URL=http://127.0.0.1:4318/v1/traces: this needs .*"
        r"pip install \"mattermost-upload-gateway\[otel\]\"",
        told.stderr,
    )


def test_who_wants_no_traces_has_none_of_it_in_memory(mattermost: StandInProcess) -> None:
    script = "import gateway.serving, sys; print('opentelemetry.exporter' in sys.modules)"
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout == "False\n"
