"""A real clamd (Debian: clamav-daemon) with one signature, that of the EICAR test file."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

# In two pieces, so that no scanner takes this file for one.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Eicar-Test.UNOFFICIAL"
"""What it says of that; the ending because the signature is not one of ClamAV's."""
STREAM_LIMIT = 2 * 2**20
"""Bytes: StreamMaxLength and MaxFileSize, equal as in Debian's configuration."""

_PROGRAM = shutil.which("clamd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
INSTALLED = _PROGRAM is not None
_SECONDS = 20.0


class Clamd:
    """``with Clamd(folder, AlertExceedsMax="yes") as clamd: …``; it skips where there is none."""

    def __init__(self, folder: Path, **config: str) -> None:
        """``config`` are lines of ``clamd.conf``."""
        if _PROGRAM is None:
            pytest.skip("clamd is not installed (Debian has it in clamav-daemon)")
        self._program = _PROGRAM
        self._socket = folder / "clamd.ctl"
        self._log = folder / "clamd.log"
        self._file = folder / "clamd.conf"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("signatures", "temporary"):
            (folder / name).mkdir(parents=True)
        signature = f"{SIGNATURE.partition('.')[0]}:0:*:{EICAR.hex()}\n"
        (folder / "signatures" / "test.ndb").write_text(signature)
        self._config = {
            "Foreground": "yes",
            "DatabaseDirectory": str(folder / "signatures"),
            "TemporaryDirectory": str(folder / "temporary"),
            "LocalSocket": str(self._socket),
            "TCPAddr": "127.0.0.1",
            "TCPSocket": str(self._port),
            "StreamMaxLength": str(STREAM_LIMIT),
            "MaxFileSize": str(STREAM_LIMIT),
        }
        if os.geteuid() == 0:
            self._config["User"] = "root"  # else it looks for the user clamav
        self.configure(**config)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.kill()

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def tcp_url(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def configure(self, **config: str) -> None:
        """For the next start."""
        self._config |= config

    def start(self) -> None:
        lines = [f"{name} {value}\n" for name, value in self._config.items()]
        self._file.write_text("".join(lines))
        with self._log.open("ab") as log:
            command = [self._program, "-c", str(self._file)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def command(self, name: str) -> bytes:
        """What it answers to a command such as ``RELOAD``. Raises OSError."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(str(self._socket))
            connection.sendall(f"z{name}\0".encode())
            return connection.makefile("rb").read()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """It keeps its connections and does nothing."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        self._running().send_signal(number)
        self._running().wait(_SECONDS)
        self._process = None

    def _answers(self) -> bool:
        try:
            return self.command("PING") == b"PONG\0"
        except OSError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("clamd is not running")
        return self._process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
