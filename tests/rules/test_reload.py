"""A policy file that changes while the gateway runs."""

import os
import signal
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.rules.support import client_of, gateway_with, said
from tests.support.gateway import GatewayProcess
from tests.test_serving import children

OPEN = '[[rule]]\nname = "open"\nallowed_types = ["*"]\n'
CLOSED = '[[rule]]\nname = "closed"\nallowed_types = ["images"]\n'
WRONG = CLOSED + 'when.rol = "guest"\n'
RELOADS = "upload_gateway_policy_reloads_total"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_is_taken_over_and_a_bad_one_is_not(
    workers: str, mattermost: StandInProcess, folder: Path
) -> None:
    with gateway_with(OPEN, mattermost, folder, workers=workers) as gateway:
        path, count = folder / "policy.toml", int(workers)
        client = client_of(gateway, mattermost)

        def answers(expected: str) -> bool:
            """Of every worker, as far as connections are spread."""
            return all(said(client.raw("a.txt", b"hello\n")) == expected for _ in range(8))

        assert answers("201")
        path.write_text(CLOSED)
        gateway.wait_for(lambda: answers("type_denied"))
        gateway.wait_for(lambda: gateway.metric(RELOADS, result="loaded") >= 1)
        assert gateway.wait_for_log("policy_loaded")["rules"]
        assert gateway.ready() == (200, {"status": "ready"})

        path.write_text(WRONG)
        gateway.wait_for(lambda: gateway.metric("upload_gateway_policy_stale") == count)
        assert gateway.metric(RELOADS, result="failed") >= count
        assert answers("type_denied")
        line = gateway.wait_for_log("policy_not_loaded")
        assert line["level"] == "error"
        (problem,) = line["problems"]
        assert problem.startswith(f"{path}:4: ")
        gateway.wait_for(lambda: "details" in gateway.ready()[1])
        status, body = gateway.ready()
        assert (status, body["status"]) == (200, "ready")
        assert f"{path}:4: " in body["details"]["policy"]

        path.write_text(OPEN)
        gateway.wait_for(lambda: gateway.metric("upload_gateway_policy_stale") == 0)
        assert answers("201")
        gateway.wait_for(lambda: gateway.ready() == (200, {"status": "ready"}))


def test_a_worker_that_starts_while_the_file_is_bad_has_the_rules_before(
    mattermost: StandInProcess, folder: Path
) -> None:
    with gateway_with(CLOSED, mattermost, folder, workers="2") as gateway:
        client = client_of(gateway, mattermost)
        assert said(client.raw("a.txt", b"hello\n")) == "type_denied"
        (folder / "policy.toml").write_text(WRONG)
        gateway.wait_for(lambda: gateway.metric("upload_gateway_policy_stale") == 2)
        for worker in children(gateway.pid):
            os.kill(worker, signal.SIGKILL)
        gateway.wait_for(lambda: _deaths(gateway) == 2)
        gateway.wait_for(lambda: gateway.metric("upload_gateway_policy_stale") == 2, 20)
        assert said(client.raw("a.txt", b"hello\n")) == "type_denied"
        (folder / "policy.toml").write_text(OPEN)
        gateway.wait_for(lambda: gateway.metric("upload_gateway_policy_stale") == 0)
        assert said(client.raw("a.txt", b"hello\n")) == "201"


def _deaths(gateway: GatewayProcess) -> int:
    return [line["event"] for line in gateway.log()].count("worker_died")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_reads_it_now(workers: str, mattermost: StandInProcess, folder: Path) -> None:
    with gateway_with(OPEN, mattermost, folder, workers=workers) as gateway:
        client = client_of(gateway, mattermost)

        def every_worker_has_read_it() -> bool:
            gateway.signal(signal.SIGHUP)  # one that is just starting has read it anyway
            return gateway.metric(RELOADS, result="loaded") >= int(workers)

        gateway.wait_for(every_worker_has_read_it, 20)
        assert said(client.raw("a.txt", b"hello\n")) == "201"
        assert gateway.is_running


def test_sighup_without_a_file_does_nothing(mattermost: StandInProcess, folder: Path) -> None:
    with GatewayProcess(mattermost.url, folder) as gateway:
        gateway.signal(signal.SIGHUP)
        assert said(client_of(gateway, mattermost).raw("a.txt", b"hello\n")) == "201"


def test_rules_that_are_gone_leave_those_before(mattermost: StandInProcess, folder: Path) -> None:
    with gateway_with(CLOSED, mattermost, folder) as gateway:
        (folder / "policy.toml").unlink()
        gateway.wait_for(lambda: gateway.metric(RELOADS, result="failed") == 1)
        client = client_of(gateway, mattermost)
        assert said(client.raw("a.txt", b"hello\n")) == "type_denied"


def test_a_running_upload_keeps_its_verdict(mattermost: StandInProcess, folder: Path) -> None:
    """One that is on its way is not refused half-way."""
    with gateway_with(OPEN, mattermost, folder) as gateway:
        client = client_of(gateway, mattermost)

        def pieces() -> object:
            yield b"hello\n" * 20_000
            (folder / "policy.toml").write_text(CLOSED)
            gateway.wait_for(lambda: gateway.metric(RELOADS, result="loaded") == 1)
            yield b"the end\n"

        with_length = client.raw  # what is sized is forwarded at once
        assert said(with_length("b.txt", b"hello\n")) == "201"
        assert said(client.chunked("a.txt", pieces())) == "201"  # type: ignore[arg-type]
        assert said(client.raw("a.txt", b"hello\n")) == "type_denied"
