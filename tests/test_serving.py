"""The gateway as processes: workers, signals, ports, and what happens when one of them dies."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client, Wire

WORKERS = 3
SIZE = 300_000


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """One with several workers."""
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(
        stand_in.url, folder, workers=str(WORKERS), quotas="user 1MiB/day", ledger_lease="1s"
    ) as running:
        wait_for(lambda: len(children(running.pid)) == WORKERS)
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    """Somebody who has used nothing of their quota."""
    token = new_member(mattermost)["token"]
    return Client(gateway.address, token, mattermost.channel_id)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for(condition: Callable[[], bool], timeout: float = 15.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextmanager
def half_sent(client: Client, mattermost: StandInProcess) -> Iterator[Wire]:
    """An upload of which half has arrived."""
    with Wire(client.address) as wire:
        headers = client.head(("Content-Length", str(SIZE)))
        wire.send_head("POST", client.target("a.bin"), headers)
        wire.send(bytes(SIZE // 2))
        mattermost.wait_for(lambda state: any(u["body_bytes"] for u in state["uploads"]))
        yield wire


def upload_in_parallel(client: Client, number: int, size: int) -> list[int]:
    with ThreadPoolExecutor(16) as threads:
        uploads = [threads.submit(client.raw, "a.bin", bytes(size)) for _ in range(number)]
        return [upload.result().status for upload in uploads]


# Several workers.


def test_all_workers_serve(client: Client, gateway: GatewayProcess) -> None:
    """Each sees to some of many parallel connections."""
    workers = children(gateway.pid)
    before = {pid: cpu_time(pid) for pid in workers}
    wait_for(
        lambda: (
            set(upload_in_parallel(client, 60, 1)) == {201}
            and all(cpu_time(pid) > before[pid] for pid in workers)
        )
    )


def cpu_time(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_their_metrics_are_added_up(client: Client, gateway: GatewayProcess) -> None:
    names = [
        "upload_gateway_requests_total",
        "upload_gateway_files_total",
        "upload_gateway_stored_bytes_total",
        "upload_gateway_request_duration_seconds_count",
    ]
    before = [gateway.metric(name) for name in names]
    assert set(upload_in_parallel(client, 50, 1000)) == {201}
    grown = [gateway.metric(name) - old for name, old in zip(names, before, strict=True)]
    assert grown == [50, 50, 50_000, 50]
    assert gateway.metric("upload_gateway_requests_in_flight") == 0
    assert not {label for _, labels in gateway.metrics() for label, _ in labels} & {"pid"}


def test_their_log_lines_do_not_mix(client: Client, gateway: GatewayProcess) -> None:
    before = len(gateway.requests())
    assert set(upload_in_parallel(client, 100, 1)) == {201}
    wait_for(lambda: len(gateway.requests()) - before == 100)  # each line is parsed


def test_they_share_the_quota(client: Client) -> None:
    assert sorted(upload_in_parallel(client, 16, 100_000)) == [201] * 10 + [429] * 6


def test_a_worker_that_dies_is_replaced(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    workers = children(gateway.pid)
    counted = gateway.metric("upload_gateway_requests_total")
    assert counted > 0
    victim = workers[0]
    os.kill(victim, signal.SIGKILL)
    line = gateway.wait_for_log("worker_died", pid=victim)
    assert line["status"] == -signal.SIGKILL
    # The others go on, and no counter goes back.
    assert set(upload_in_parallel(client, 20, 1)) == {201}
    assert gateway.metric("upload_gateway_requests_total") == counted + 20
    wait_for(lambda: len(children(gateway.pid)) == WORKERS)
    assert victim not in children(gateway.pid)
    assert gateway.ready()[0] == 200


def test_what_a_dead_worker_was_doing_counts_no_more(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    wait_for(lambda: len(children(gateway.pid)) == WORKERS)
    with half_sent(client, mattermost):
        assert gateway.metric("upload_gateway_requests_in_flight") == 1
        for worker in children(gateway.pid):
            os.kill(worker, signal.SIGKILL)
        wait_for(lambda: gateway.metric("upload_gateway_requests_in_flight") == 0)
    # Its reservation is released with its lease.
    wait_for(lambda: client.raw("a.bin", bytes(2**20)).status == 201)


def test_running_uploads_finish_before_the_workers_end(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    wait_for(lambda: len(children(gateway.pid)) == WORKERS)
    workers = children(gateway.pid)
    with half_sent(client, mattermost) as wire:
        gateway.signal(signal.SIGTERM)
        gateway.wait_for_log("stopping")
        assert gateway.ready() == (
            503,
            {"status": "not ready", "problems": {"gateway": "shutting down"}},
        )
        wire.send(bytes(SIZE // 2))
        assert wire.response().status == 201
    assert gateway.wait() == 0
    assert not any(is_alive(worker) for worker in workers)
    gateway.start()


def test_workers_end_when_their_supervisor_is_killed(gateway: GatewayProcess) -> None:
    """So that nobody is left on the port whom nobody looks after."""
    wait_for(lambda: len(children(gateway.pid)) == WORKERS)
    workers = children(gateway.pid)
    gateway.kill()
    wait_for(lambda: not any(is_alive(worker) for worker in workers))
    assert not is_listening(gateway)
    gateway.start()


# One process.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_stops_when_it_is_told(
    number: signal.Signals, mattermost: StandInProcess, folder: Path
) -> None:
    with GatewayProcess(mattermost.url, folder) as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        with Wire(gateway.address) as idle:
            idle.send_head("GET", "/api/v4/system/ping")
            assert idle.response().status == 200
            assert client.raw("a.txt", b"hello").status == 201
            gateway.signal(number)
            assert gateway.wait() == 0
            assert idle.at_end()
        events = [line["event"] for line in gateway.log() if line["event"] != "request"]
        assert events == ["started", "stopping", "stopped"]


def test_it_opens_as_many_files_as_it_may(mattermost: StandInProcess, folder: Path) -> None:
    """A service is often started with a limit of 1024, which is 500 WebSockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        with GatewayProcess(mattermost.url, folder) as gateway:
            assert resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_listening(gateway: GatewayProcess) -> bool:
    try:
        Wire(gateway.address).close()
    except ConnectionRefusedError:
        return False
    return True


def test_it_is_not_ready_while_it_stops(mattermost: StandInProcess, folder: Path) -> None:
    with GatewayProcess(mattermost.url, folder) as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        with half_sent(client, mattermost) as wire:
            gateway.signal(signal.SIGTERM)
            gateway.wait_for_log("stopping")
            gateway.signal(signal.SIGTERM)  # once more changes nothing
            assert gateway.ready()[0] == 503
            wait_for(lambda: not is_listening(gateway))
            wire.send(bytes(SIZE // 2))
            assert wire.response().status == 201
        assert gateway.wait() == 0


def test_it_waits_less_than_a_second_if_told_so(mattermost: StandInProcess, folder: Path) -> None:
    with GatewayProcess(mattermost.url, folder, shutdown_timeout="900ms") as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        with half_sent(client, mattermost) as wire:
            gateway.signal(signal.SIGTERM)
            wait_for(lambda: not is_listening(gateway))
            time.sleep(0.3)  # three times as long as the server takes to end in any case
            wire.send(bytes(SIZE // 2))
            assert wire.response().status == 201
        assert gateway.wait() == 0


def test_nothing_is_left_on_the_disk(mattermost: StandInProcess, tmp_path: Path) -> None:
    """Spooled files have no names, so that not even a killed gateway leaves any."""
    spools = tmp_path / "spools"
    spools.mkdir()
    with GatewayProcess(mattermost.url, tmp_path / "gateway", spool_dir=str(spools)) as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        with Wire(gateway.address) as wire:
            chunked = ("Transfer-Encoding", "chunked")
            wire.send_head("POST", client.target("a.bin"), client.head(chunked))
            block = bytes(4 * 2**20)
            wire.send(b"%x\r\n%s\r\n" % (len(block), block))
            assert client.raw("a.txt", b"hello").status == 201
            assert list(spools.iterdir()) == []
            gateway.kill()
        assert list(spools.iterdir()) == []


# Starts that fail.


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    """A start of which nothing comes."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        env=environment | {f"GATEWAY_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def usable(folder: Path) -> dict[str, str]:
    return {
        "upstream_url": "http://127.0.0.1:9",
        "listen": "127.0.0.1:0",
        "admin_listen": "127.0.0.1:0",
        "ledger_url": f"sqlite:///{folder / 'ledger.sqlite3'}",
    }


def test_bad_settings_stop_the_start_with_a_line_for_each(tmp_path: Path) -> None:
    result = start(**{**usable(tmp_path), "workers": "0", "quotas": "a lot", "colour": "red"})
    assert result.returncode == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    for name in ("GATEWAY_WORKERS", "GATEWAY_QUOTAS", "GATEWAY_COLOUR"):
        assert sum(line.startswith(name) for line in lines) == 1
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("url", "content", "problem"),
    [
        ("https://127.0.0.1:9", None, "cannot be read (No such file or directory)"),
        ("https://127.0.0.1:9", "", "holds no certificates"),
        ("https://127.0.0.1:9", "no certificate, but a text", "holds no certificates"),
        ("http://127.0.0.1:9", "", "begins with http:"),
    ],
)
def test_certificates_that_cannot_be_used(
    url: str, content: str | None, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    settings = {**usable(tmp_path), "upstream_url": url, "upstream_ca_file": str(file)}
    result = start(**settings)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"GATEWAY_UPSTREAM_CA_FILE={file}: ")
    assert problem in line


@pytest.mark.parametrize("setting", ["listen", "admin_listen"])
def test_a_port_that_is_taken(setting: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = start(**{**usable(tmp_path), setting: address})
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert address in line


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_ledger_that_cannot_be_used(workers: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database, but a text of some length" * 100)
    result = start(**usable(tmp_path), workers=workers)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert "ledger.sqlite3" in line


def test_an_ipv6_address(mattermost: StandInProcess, folder: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with GatewayProcess(mattermost.url, folder, listen="[::1]:0") as gateway:
        host, port = gateway.address
        client = Client((host.strip("[]"), port), mattermost.user_token, mattermost.channel_id)
        assert client.raw("a.txt", b"hello").status == 201
        assert gateway.wait_for_log("request")["client"] == "::1"


def test_a_scanner_that_no_rule_asks_for(mattermost: StandInProcess, tmp_path: Path) -> None:
    settings = {"scanner_url": "tcp://127.0.0.1:1"}
    with GatewayProcess(mattermost.url, tmp_path, **settings) as gateway:
        line = gateway.wait_for_log("scanner_not_used")
    assert (line["level"], line["detail"]) == ("warning", "no rule says scan = true")
