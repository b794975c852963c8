"""Programs under measurement: started, waited for, weighed through ``/proc``, ended by pid."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 20.0
_END_SECONDS = 10.0


class BenchError(Exception):
    """Why the benchmark cannot go on, in a sentence for whoever runs it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, on loopback."""

    port: int
    host: str = "127.0.0.1"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self}"


def free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address(probe.getsockname()[1])


def get(address: Address, path: str) -> tuple[int, bytes]:
    """Status and body of a GET. Raises OSError when nobody answers."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    ready: tuple[Address, str],
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """The pid of ``command``, once a GET of ``ready`` gives 200. Both its outputs go to ``log``."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        try:
            _await_ready(process, log, ready)
            yield process.pid
        finally:
            _end(process)


def _await_ready(process: subprocess.Popen[bytes], log: Path, ready: tuple[Address, str]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    seen = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            status, body = get(*ready)
            if status == 200:
                return
            seen = f"status {status} {body[:200]!r}"
        time.sleep(0.05)
    address, path = ready
    raise BenchError(
        f"{process.args!r} did not become ready: {address.url}{path} gave {seen}; its output ends\n"
        + log.read_text(errors="replace")[-2000:]
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    family = process_tree(process.pid)
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def await_quiet(patience: float) -> bool:
    """Wait until the machine does nothing else; False when it went on for ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        idle, total = _machine_ticks()
        time.sleep(0.3)
        idle_now, total_now = _machine_ticks()
        if idle_now - idle > 0.9 * (total_now - total):
            return True
    return False


def _machine_ticks() -> tuple[int, int]:
    """Idle and all time of all processors since the start."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)


def process_tree(pid: int) -> list[int]:
    """``pid`` and all its descendants."""
    found = [pid]
    for parent in found:
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time used so far by ``pid`` and its descendants."""
    ticks = 0
    for member in process_tree(pid):
        with suppress(OSError):
            # The second field is the program's name in brackets, and may hold spaces itself.
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """VmRSS of ``pid`` and its descendants; pages that they share count once for each."""
    total = 0
    for member in process_tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total
