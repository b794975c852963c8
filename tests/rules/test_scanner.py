"""A real clamd behind rules that have files scanned."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.rules.support import client_of, gateway_with, logged, said, stored
from tests.support.clamd import EICAR, SIGNATURE, STREAM_LIMIT, Clamd
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, WireResponse, field, file_part

RULES = """
[[rule]]
name = "scanned"
scan = true
"""
SCANS = "upload_gateway_scans_total"
INSIDE = files.zipped(("a/b.txt", EICAR))


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd"), AlertExceedsMax="yes") as running:
        yield running


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, clamd: Clamd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("rules")
    limit = str(STREAM_LIMIT)
    settings = {"scanner_url": clamd.url, "scanner_largest": limit, "scanner_timeout": "3s"}
    with gateway_with(RULES, stand_in, folder, **settings) as running:
        yield running


@pytest.fixture
def alice(gateway: GatewayProcess, mattermost: StandInProcess) -> Client:
    return client_of(gateway, mattermost)


def test_files_are_scanned(
    gateway: GatewayProcess, alice: Client, mattermost: StandInProcess
) -> None:
    clean = alice.raw("a.txt", b"hello\n")
    assert (said(clean), logged(gateway, clean)["scan"]) == ("201", "clean")
    channel = field("channel_id", alice.channel_id)
    empty = alice.form(channel, file_part("empty.txt", b""))
    assert (said(empty), logged(gateway, empty)["scan"]) == ("201", "clean")
    for infected in (
        alice.raw("a.txt", EICAR),
        alice.chunked("a.txt", [EICAR[:20], EICAR[20:]]),
        alice.form(channel, file_part("a.txt", EICAR)),
        alice.form(file_part("a.txt", EICAR), channel),
        alice.raw("a.zip", INSIDE),
        alice.raw("a.bin", bytes(range(256)) * 4000 + EICAR),
    ):
        assert (infected.status, said(infected)) == (403, "malware_found")
        file = logged(gateway, infected)
        assert (file["scan"], file["scan_detail"]) == ("infected", SIGNATURE)
    assert [upload["status"] for upload in mattermost.state()["uploads"]] == [201, 201]
    assert gateway.metric(SCANS, result="infected") == 6
    assert gateway.metric("upload_gateway_scan_duration_seconds_count", result="clean") >= 1


def test_what_is_too_large_for_it(gateway: GatewayProcess, alice: Client) -> None:
    assert said(alice.raw("a.bin", bytes(STREAM_LIMIT))) == "201"
    large = alice.raw("a.bin", bytes(STREAM_LIMIT + 1))
    assert (said(large), logged(gateway, large)["scan"]) == ("too_large_to_scan", "too_large")


def test_it_says_at_start_that_all_is_well(gateway: GatewayProcess) -> None:
    assert gateway.wait_for_log("scanner_ready")["version"].startswith("ClamAV ")
    assert gateway.ready() == (200, {"status": "ready"})
    assert "scanner_passes_what_it_does_not_scan" not in {line["event"] for line in gateway.log()}


def test_it_stops_in_the_middle_of_a_scan_and_comes_back(
    gateway: GatewayProcess, alice: Client, clamd: Clamd, mattermost: StandInProcess
) -> None:
    clamd.pause()
    answers: list[WireResponse] = []
    waiting = threading.Thread(
        target=lambda: answers.append(alice.raw("a.bin", bytes(STREAM_LIMIT)))
    )
    waiting.start()
    gateway.wait_for(lambda: gateway.metric("upload_gateway_requests_in_flight") == 1)
    clamd.kill()
    waiting.join(20)
    (response,) = answers
    assert (response.status, said(response)) == (503, "scan_failed")
    assert response.header("retry-after") == "10"
    gone = alice.raw("a.txt", b"hello\n")
    assert (said(gone), logged(gateway, gone)["scan"]) == ("scan_failed", "unreachable")
    gateway.wait_for(lambda: gateway.ready()[0] == 503)
    assert gateway.ready()[1]["problems"] == {"scanner": "not available"}
    assert mattermost.state()["uploads"] == []
    clamd.start()
    assert said(alice.raw("a.txt", b"hello\n")) == "201"
    assert said(alice.raw("a.txt", EICAR)) == "malware_found"
    gateway.wait_for(lambda: gateway.ready()[0] == 200)


def test_one_that_takes_too_long(gateway: GatewayProcess, alice: Client, clamd: Clamd) -> None:
    clamd.pause()
    try:
        response = alice.raw("a.txt", b"hello\n")
    finally:
        clamd.resume()
    assert (said(response), logged(gateway, response)["scan"]) == ("scan_failed", "timeout")


def test_files_pass_unscanned_by_choice_and_never_silently(
    mattermost: StandInProcess, clamd: Clamd, folder: Path
) -> None:
    settings = {
        "scanner_url": f"{clamd.url}.nothing",
        "scanner_unreachable": "allow",
        "scanner_too_large": "allow",
        "scanner_largest": "10",
    }
    with gateway_with(RULES, mattermost, folder, **settings) as gateway:
        client = client_of(gateway, mattermost)
        unscanned, large = client.raw("a.txt", b"hello\n"), client.raw("a.txt", EICAR)
        assert (said(unscanned), said(large)) == ("201", "201")
        assert logged(gateway, unscanned)["scan"] == "unreachable"
        assert logged(gateway, large)["scan"] == "too_large"
        assert gateway.metric(SCANS, result="unreachable") == 1
        assert gateway.wait_for_log("scanner_not_ready")["level"] == "warning"
        gateway.wait_for(lambda: "details" in gateway.ready()[1])
        assert gateway.ready() == (
            200,
            {
                "status": "ready",
                "details": {"scanner": "not available, so that files pass without a scan"},
            },
        )


def test_what_is_only_watched_is_scanned_and_passes(
    mattermost: StandInProcess, clamd: Clamd, folder: Path
) -> None:
    rules = RULES + "enforce = false\n"
    with gateway_with(rules, mattermost, folder, scanner_url=clamd.url) as gateway:
        response = client_of(gateway, mattermost).raw("a.txt", EICAR)
        assert said(response) == "201"
        file = logged(gateway, response)
        assert file["would_refuse"] == [{"rule": "scanned", "reason": "malware_found"}]
        assert stored(mattermost)[-1]["size"] == len(EICAR)


def test_an_administrator_is_warned_of_what_clamd_passes(
    mattermost: StandInProcess, tmp_path: Path
) -> None:
    """Debian's configuration says OK to what exceeds its limits."""
    with (
        Clamd(tmp_path / "clamd", AlertExceedsMax="no") as clamd,
        gateway_with(RULES, mattermost, tmp_path / "g", scanner_url=clamd.tcp_url) as gateway,
    ):
        warned = gateway.wait_for_log("scanner_passes_what_it_does_not_scan")
        assert warned["level"] == "warning"
        assert "AlertExceedsMax" in warned["detail"]
