"""A stand-in in a process of its own, for tests and the demo."""

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from gateway.standin.options import DEFAULT_MAX_FILE_SIZE

_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
# Large uploads allocate and free pieces of some 250 KB; with glibc's defaults each of them costs
# page faults, and the stand-in would take twice the processor time.
_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(256 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20)}


class StandInProcess:
    """``with StandInProcess(folder) as mattermost: …``, or ``start()`` and ``terminate()``."""

    def __init__(
        self,
        data: Path,
        *,
        subpath: str = "",
        max_file_size: int = DEFAULT_MAX_FILE_SIZE,
        listen: str = "127.0.0.1:0",
    ) -> None:
        self._data = data
        self._subpath = subpath
        self._max_file_size = max_file_size
        self._listen = listen
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}
        """The line that the process printed."""

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
    def url(self) -> str:
        """Without a final slash, with the subpath."""
        return str(self.ready["url"])

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    @property
    def admin_token(self) -> str:
        return str(self.ready["admin"]["token"])

    @property
    def user_token(self) -> str:
        """Of alice, a member of the channel."""
        return str(self.ready["user"]["token"])

    @property
    def other_user_token(self) -> str:
        """Of bob, a member of nothing."""
        return str(self.ready["other_user"]["token"])

    @property
    def channel_id(self) -> str:
        return str(self.ready["channel_id"])

    @property
    def team_id(self) -> str:
        return str(self.ready["team_id"])

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
            [
                sys.executable,
                "-m",
                "gateway.standin",
                "--quiet",
                f"--listen={self._listen}",
                f"--data={self._data}",
                f"--subpath={self._subpath}",
                f"--max-file-size={self._max_file_size}",
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _MALLOC,
        )
        try:
            self.ready = json.loads(self._first_line())
        except BaseException:
            self.kill()
            raise
        # From now on the same port, so that a restart is one to its clients.
        self._listen = f"{urlsplit(self.url).hostname}:{self.port}"

    def _first_line(self) -> str:
        output = self._running().stdout
        if output is None or not select.select([output], [], [], _START_SECONDS)[0]:
            raise TimeoutError("the stand-in did not get ready")
        return output.readline()

    def terminate(self) -> int:
        """Stop as an administrator would; running requests have a moment to finish.

        Returns the exit status; 0 if there was nothing to stop.
        """
        return self._stop(signal.SIGTERM)

    def kill(self) -> None:
        self._stop(signal.SIGKILL)

    def _stop(self, signum: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signum)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        return process.returncode

    def restart(self) -> None:
        """Same port, same data; every connection is lost."""
        self.terminate()
        self.start()

    def state(self) -> dict[str, Any]:
        """``requests``, ``recent``, ``uploads``, ``connections``, ``files``, ``orphans``."""
        return self._call("GET", "/standin/state", None)

    def control(self, **fault: object) -> None:
        """Add one fault; the keywords are the fields of ``gateway.standin.faults.Fault``."""
        self._call("POST", "/standin/control", fault)

    def reset(self) -> None:
        """Forget requests and faults. Files, users and sessions stay."""
        self._call("POST", "/standin/reset", None)

    def wait_for(
        self, condition: Callable[[dict[str, Any]], bool], timeout: float = 10.0
    ) -> dict[str, Any]:
        """The first state that meets the condition. Raises TimeoutError."""
        deadline, pause = time.monotonic() + timeout, 0.02
        while not condition(state := self.state()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout} s; the state is {state}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        return state

    def _call(self, method: str, path: str, document: object) -> dict[str, Any]:
        parts = urlsplit(self.url)
        client = http.client.HTTPConnection(parts.hostname or "", self.port, timeout=30)
        with contextlib.closing(client):
            client.request(method, path, body=None if document is None else json.dumps(document))
            response = client.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        if response.status != 200:
            raise ValueError(answer.get("problem", f"status {response.status}"))
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the stand-in is not running")
        return self._process
