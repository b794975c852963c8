"""The gateway as its users run it: a process, settings in its environment, two ports."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 20.0
_STOP_SECONDS = 20.0
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class GatewayProcess:
    """``with GatewayProcess(url, folder, max_file_size="1MiB") as gateway: …``"""

    module = "gateway"
    """What Python runs."""

    def __init__(self, upstream_url: str, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.log_file = folder / "gateway.log"
        self._environment = {
            "GATEWAY_UPSTREAM_URL": upstream_url,
            "GATEWAY_LISTEN": "127.0.0.1:0",
            "GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
            "GATEWAY_LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite3'}",
        }
        self.configure(**settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_read = 0
        """Bytes of the log file whose lines are parsed."""
        self._log_lines: list[dict[str, Any]] = []
        self._reading_log = threading.Lock()
        self.url = ""
        self.admin_url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.terminate()

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log_read = self.log_file.stat().st_size if self.log_file.exists() else 0
        self._log_lines = []
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", self.module, "serve"],
                env={**_outer_environment(), **self._environment},
                stdout=log,
                stderr=log,
            )
        started = self.wait_for_log("started", _START_SECONDS)
        self.url = f"http://{started['listen']}"
        self.admin_url = f"http://{started['admin_listen']}"
        # From now on the same ports, so that a restart is one to its clients.
        self._environment["GATEWAY_LISTEN"] = str(started["listen"])
        self._environment["GATEWAY_ADMIN_LISTEN"] = str(started["admin_listen"])

    def configure(self, **settings: str) -> None:
        """For the next start."""
        self._environment |= {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}

    def terminate(self, timeout: float = _STOP_SECONDS) -> int:
        """SIGTERM, and the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout: float = _STOP_SECONDS) -> int:
        process = self._running()
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        self._process = None
        return status

    def kill(self) -> None:
        self._running().kill()
        self._running().wait()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)

    def log(self) -> list[dict[str, Any]]:
        """The log lines since the last start."""
        with self._reading_log, self.log_file.open("rb") as file:
            file.seek(self._log_read)
            for line in file:
                if not line.endswith(b"\n"):  # just being written
                    break
                assert line.startswith(b"{"), f"not a JSON line in the log: {line!r}"
                self._log_lines.append(json.loads(line))
                self._log_read += len(line)
            return [*self._log_lines]

    def requests(self) -> list[dict[str, Any]]:
        """The log lines of requests since the last start."""
        return [line for line in self.log() if line["event"] == "request"]

    def wait_for_log(self, event: str, timeout: float = 10.0, **fields: object) -> dict[str, Any]:
        """The first log line since the last start with this event and these fields."""
        deadline = time.monotonic() + timeout
        while True:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"the gateway ended: {self.log_file.read_text()}")
            for line in self.log():
                if line["event"] == event and fields.items() <= line.items():
                    return line
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {event} {fields} in: {self.log_file.read_text()[-4000:]}")
            time.sleep(0.02)

    def wait_for(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Until ``condition`` holds. Raises TimeoutError."""
        deadline, pause = time.monotonic() + timeout, 0.02
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(self.log_file.read_text()[-4000:])
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)  # to ask for metrics takes time of the gateway's

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All samples: (name, labels) → value."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics", timeout=10) as response:
            text = response.read().decode()
        return {
            (match[1], frozenset(_LABEL.findall(match[2] or ""))): float(match[3])
            for match in _SAMPLE.finditer(text)
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all samples of ``name`` that carry ``labels``."""
        wanted = set(labels.items())
        return sum(
            value
            for (sample, have), value in self.metrics().items()
            if sample == name and wanted <= have
        )

    def ready(self) -> tuple[int, dict[str, Any]]:
        """Status and body of ``/readyz``."""
        try:
            with urllib.request.urlopen(f"{self.admin_url}/readyz", timeout=10) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert match is not None
        return int(match[1]) * 1024

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the gateway is not running")
        return self._process


def _outer_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
