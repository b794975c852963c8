"""The gateway as the demo runs it: a process of its own, on free loopback ports."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0


class GatewayProcess:
    """``with GatewayProcess(folder, settings) as gateway: …``"""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        """``settings`` are environment variables; the log and the ledger are in ``folder``."""
        self.log_file = folder / "gateway.log"
        self.url = ""
        self.admin_url = ""
        ours = {
            "GATEWAY_LISTEN": "127.0.0.1:0",
            "GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
            "GATEWAY_LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite3'}",
            "GATEWAY_SPOOL_DIR": str(folder),
        }
        # The settings of a gateway that lives here too are none of the demo's.
        others = {
            name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")
        }
        self._environment = {**others, **ours, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the gateway
            )
        try:
            started = self.log_line(_START_SECONDS, event="started")
        except BaseException:
            self._stop(self._process)
            raise
        self.url = f"http://{started['listen']}"
        self.admin_url = f"http://{started['admin_listen']}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._stop(self._process)

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def wait(self) -> None:
        """Until the process ends by itself."""
        if self._process is not None:
            self._process.wait()

    def log_line(self, timeout: float, **fields: object) -> dict[str, Any]:
        """The first line of the log with these fields. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while True:
            text = self.log_file.read_text(encoding="utf-8")
            ended = self._process is None or self._process.poll() is not None
            for line in text.split("\n")[:-1]:
                record = json.loads(line) if line.startswith("{") else {}
                if fields.items() <= record.items():
                    return dict(record)
            if ended or time.monotonic() > deadline:
                raise TimeoutError(f"The gateway did not log {fields}. Its log is:\n{text}")
            time.sleep(0.02)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
