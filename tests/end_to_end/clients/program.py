"""A client library in a process of its own, which does step by step what a test tells it."""

import base64
import contextlib
import json
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).parents[3]
STEP_SECONDS = 30.0
_STOP_SECONDS = 10.0


class StepFailed(Exception):
    """What the library had to say about it is the exception's text."""


class ClientProgram:
    """``with ClientProgram(command) as client: client.do("login", username=…, password=…)``.

    A step is one line of JSON to the program and one back. File contents travel in base64.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._running()
        with process, contextlib.suppress(BrokenPipeError):
            process.communicate(timeout=_STOP_SECONDS)

    def do(self, step: str, **details: object) -> Any:
        """What the step gave. Raises StepFailed, and TimeoutError."""
        process = self._running()
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the program was started without pipes")
        given = {name: _as_text(value) for name, value in details.items()}
        process.stdin.write(json.dumps({"step": step, "details": given}) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], STEP_SECONDS)[0]:
            raise TimeoutError(f"{step} took more than {STEP_SECONDS} s")
        line = process.stdout.readline()
        if not line:
            raise StepFailed(f"{step}: the program has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise StepFailed(answer["error"])
        return answer["result"]

    def content(self, step: str, **details: object) -> bytes:
        """What a step gave that fetches a file."""
        return base64.b64decode(self.do(step, **details))

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the program is not running")
        return self._process


def _as_text(value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
