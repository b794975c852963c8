"""The admin port: what Prometheus and the orchestrator ask."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from gateway.edge.admin import Readiness
from gateway.logs import Log
from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[TextIO]:
    with (tmp_path / "log").open("w+") as file:
        yield file


@pytest.fixture
def log(log_file: TextIO) -> Log:
    return Log("json", "info", log_file)


class Part:
    """Something that is checked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.checks = 0

    async def check(self) -> None:
        self.checks += 1
        if self.error is not None:
            raise self.error


async def test_everything_works(log: Log) -> None:
    assert await Readiness({"one": Part().check, "two": Part().check}, log).problems() == {}


async def test_something_does_not_work(log: Log, log_file: TextIO) -> None:
    """What is wrong in detail is for the log only."""
    broken = Part(ValueError("secret detail"))
    problems = await Readiness({"one": broken.check, "two": Part().check}, log).problems()
    assert problems == {"one": "not available"}
    log_file.seek(0)
    line = json.loads(log_file.read())
    assert (line["event"], line["part"]) == ("not_ready", "one")
    assert "secret detail" in line["detail"]


async def test_many_questions_at_once_are_one_check(log: Log) -> None:
    part = Part()
    readiness = Readiness({"one": part.check}, log)
    await asyncio.gather(*(readiness.problems() for _ in range(20)))
    assert part.checks == 1


async def test_a_gateway_that_stops_is_not_ready_and_checks_nothing(log: Log) -> None:
    part = Part()
    readiness = Readiness({"one": part.check}, log)
    readiness.draining = True
    assert await readiness.problems() == {"gateway": "shutting down"}
    assert part.checks == 0


# Of a running gateway.


def fetch(url: str) -> tuple[str, bytes]:
    """Content type and body."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.headers["Content-Type"], response.read()


def test_liveness(shared_gateway: GatewayProcess) -> None:
    assert fetch(f"{shared_gateway.admin_url}/healthz")[1] == b"ok\n"


def test_readiness(shared_gateway: GatewayProcess) -> None:
    assert shared_gateway.ready() == (200, {"status": "ready"})


def test_metrics_are_what_prometheus_reads(shared_gateway: GatewayProcess) -> None:
    content_type, body = fetch(f"{shared_gateway.admin_url}/metrics")
    assert content_type.startswith("text/plain; version=")
    assert b"# TYPE upload_gateway_requests_total counter" in body


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_clients_do_not_reach_the_admin_port(path: str, shared_gateway: GatewayProcess) -> None:
    """On the clients' port these are Mattermost's paths."""
    _, body = fetch(f"{shared_gateway.url}{path}")
    assert body.startswith(b"<!DOCTYPE html>")


def test_readiness_follows_mattermost(tmp_path: Path) -> None:
    with (
        StandInProcess(tmp_path / "stand-in") as mattermost,
        GatewayProcess(mattermost.url, tmp_path / "gateway") as gateway,
    ):
        assert gateway.ready()[0] == 200
        mattermost.kill()
        gateway.wait_for(lambda: gateway.ready()[0] == 503)
        assert fetch(f"{gateway.admin_url}/healthz")[1] == b"ok\n"
        mattermost.start()
        gateway.wait_for(lambda: gateway.ready()[0] == 200)
