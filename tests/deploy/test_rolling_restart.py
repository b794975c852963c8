"""Two gateways behind nginx on one ledger, restarted in turn under load: no upload fails.

As docs/proxies.md says: nginx sends a gateway nothing more before it is stopped.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.standin.process import StandInProcess
from tests.deploy.proxies import running
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client

CLIENTS = 2
SIZE = 300_000


class Load:
    """Clients that upload one file after another until told to stop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._upload) for _ in range(CLIENTS)]
        self.answers: list[tuple[int, bytes]] = []
        self._some = threading.Condition()

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, count: int) -> None:
        """Until ``count`` more uploads are answered."""
        with self._some:
            wanted = len(self.answers) + count
            assert self._some.wait_for(lambda: len(self.answers) >= wanted, 30)

    def _upload(self) -> None:
        while not self._stop.is_set():
            try:
                response = self._client.raw("a.bin", bytes(SIZE))
                answer = response.status, response.body
            except OSError as error:
                answer = 0, repr(error).encode()
            with self._some:
                self.answers.append(answer)
                self._some.notify_all()


def test_no_upload_fails(mattermost: StandInProcess, tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    settings = {"ledger_url": ledger, "quotas": "user 100GiB/day"}
    with (
        GatewayProcess(mattermost.url, tmp_path / "one", **settings) as one,
        GatewayProcess(mattermost.url, tmp_path / "two", **settings) as two,
        running(
            "nginx",
            tmp_path / "nginx",
            gateway=one.address[1],
            second_gateway=two.address[1],
            mattermost=mattermost.port,
        ) as address,
        Load(Client(address, mattermost.user_token, mattermost.channel_id)) as load,
    ):
        for gateway in (one, two):
            load.wait_for_more(10)
            server = f"server 127.0.0.1:{gateway.address[1]}"
            reconfigure(tmp_path / "nginx", gateway.wait_for, server, f"{server} down")
            assert gateway.terminate() == 0
            load.wait_for_more(10)
            gateway.start()
            reconfigure(tmp_path / "nginx", gateway.wait_for, f"{server} down", server)
            load.wait_for_more(10)
            assert gateway.requests()
    assert [answer for answer in load.answers if answer[0] != 201] == []
    assert mattermost.state()["requests"]["POST /api/v4/files"] == len(load.answers)


def reconfigure(
    nginx: Path, wait_for: Callable[[Callable[[], bool]], None], shown: str, new: str
) -> None:
    """Let nginx read its configuration anew, and its old workers end what they have begun."""
    config = nginx / "nginx.conf"
    text = config.read_text()
    assert shown in text
    config.write_text(text.replace(shown, new))
    master = int((nginx / "nginx.pid").read_text())
    before = workers(master)
    os.kill(master, signal.SIGHUP)
    wait_for(lambda: bool(workers(master)) and not workers(master) & before)


def workers(master: int) -> set[str]:
    return set(Path(f"/proc/{master}/task/{master}/children").read_text().split())
