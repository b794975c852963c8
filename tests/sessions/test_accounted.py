"""Each request of a session is counted and logged, and its file once."""

from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import program
from tests.support.gateway import GatewayProcess

from .support import CREATED, DATA, LEAST, MIB, Uploader, novel

SIZE = 8 * MIB
CONTENT = novel(SIZE)


class Watch:
    """Sees what is counted and logged from its making on."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._lines = len(gateway.requests())
        self._before = gateway.metrics()

    def lines(self, count: int) -> list[dict[str, Any]]:
        self._gateway.wait_for(lambda: len(self._gateway.requests()) >= self._lines + count)
        lines = self._gateway.requests()[self._lines :]
        assert len(lines) == count
        return lines

    def counted(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """What was added to the samples of a metric."""
        after = {key: value for key, value in self._gateway.metrics().items() if key[0] == name}
        added = {
            labels: value - self._before.get((n, labels), 0) for (n, labels), value in after.items()
        }
        return {labels: value for labels, value in added.items() if value}

    def files(self) -> list[tuple[str, ...]]:
        """Outcome, reason and group of each file, sorted."""
        files = []
        for labels, value in self.counted("upload_gateway_files_total").items():
            known = dict(labels)
            files += [(known["outcome"], known["reason"], known["group"])] * int(value)
        return sorted(files)


@pytest.fixture
def watch(gateway: GatewayProcess, mattermost: StandInProcess) -> Watch:
    return Watch(gateway)


def end(line: dict[str, Any]) -> tuple[object, ...]:
    return line["endpoint"], line["status"], line["outcome"], line["reason"]


def test_a_file_is_counted_when_it_is_complete(uploader: Uploader, watch: Watch) -> None:
    session = uploader.begin("novel.txt", SIZE)
    uploader.send(session, CONTENT[:LEAST])
    assert watch.files() == []
    uploader.ask(session)
    uploader.send(session, CONTENT[LEAST:])
    declared, first, asked, last = watch.lines(4)
    assert end(declared) == ("uploads", 201, "accepted", "none")
    assert end(first) == ("upload_data", 204, "accepted", "none")
    assert end(asked) == ("upload_data", 200, "accepted", "none")
    assert end(last) == ("upload_data", 200, "accepted", "none")
    assert not any("files" in line for line in (declared, first, asked))
    (file,) = last["files"]
    assert file == {
        "name": "novel.txt",
        "type": "text/plain",
        "size": SIZE,
        "outcome": "accepted",
        "reason": "none",
    }
    assert {line.get("user_id") for line in (declared, first, last)} == {last["user_id"]}
    assert first["bytes_received"] == LEAST
    assert last["bytes_received"] == SIZE - LEAST
    assert {"identify", "receive", "reserve", "forward"} <= set(declared["stages"])
    assert {"identify", "receive", "inspect", "forward"} <= set(first["stages"])
    assert {"identify", "forward", "settle"} <= set(last["stages"])
    assert watch.files() == [("accepted", "none", "text")]
    assert watch.counted("upload_gateway_stored_bytes_total") == {frozenset(): SIZE}
    exchanges = watch.counted("upload_gateway_upstream_exchanges_total")
    assert exchanges == {frozenset({("result", "2xx")}): 3}


def test_a_promise_that_is_not_kept_is_logged(uploader: Uploader, watch: Watch) -> None:
    assert uploader.send(uploader.begin("novel.jpg", 1000), CONTENT[:1000]).status == 200
    assert uploader.send(uploader.begin("tool.jpg", 1000), program(1000)).status == 415
    promised = [file["promised"] for line in watch.lines(4) for file in line.get("files", [])]
    assert promised == ["image/jpeg", "image/jpeg"]


def test_what_is_refused(
    uploader: Uploader, watch: Watch, mattermost: StandInProcess, gateway: GatewayProcess
) -> None:
    assert uploader.declare("setup.exe", 10).status == 403
    assert uploader.declare("film.mp4", 41 * MIB).status == 429
    assert uploader.declare("a.txt", 10, channel_id="z" * 26).status == 403
    assert uploader.say(b"{bad").status == 400
    session = uploader.begin("tool.bin", 1000)
    assert uploader.send(session, program(1000)).status == 415
    assert uploader.send(session, program(1000)).status == 409
    assert uploader.send("z" * 26, b"a").status == 404
    lines = watch.lines(8)
    assert [end(line) for line in lines] == [
        ("uploads", 403, "refused", "extension_denied"),
        ("uploads", 429, "refused", "quota_exceeded"),
        ("uploads", 403, "refused", "mattermost_refused"),
        ("uploads", 400, "refused", "invalid_form"),
        ("uploads", 201, "accepted", "none"),
        ("upload_data", 415, "refused", "type_denied"),
        ("upload_data", 409, "refused", "upload_session_unverified"),
        ("upload_data", 404, "refused", "mattermost_refused"),
    ]
    assert [len(line.get("files", [])) for line in lines] == [1, 1, 1, 0, 0, 1, 0, 0]
    assert watch.files() == [
        ("refused", "extension_denied", "unknown"),
        ("refused", "mattermost_refused", "unknown"),
        ("refused", "quota_exceeded", "unknown"),
        ("refused", "type_denied", "executables"),
    ]


def test_what_breaks(uploader: Uploader, watch: Watch, mattermost: StandInProcess) -> None:
    """No file has come to its end."""
    session = uploader.begin("novel.txt", SIZE)
    with uploader.sending(session, SIZE) as wire:
        wire.send(CONTENT[:100_000])
        mattermost.wait_for(lambda s: [u["body_bytes"] for u in s["uploads"]] == [100_000])
    watch.lines(2)
    mattermost.control(endpoint=DATA, times=1, close_after=MIB)
    assert uploader.send(session, CONTENT).status == 502
    mattermost.control(endpoint=CREATED, times=1, close_after=0)
    assert uploader.declare("a.txt", 5).status == 502
    ends = [end(line) for line in watch.lines(4)]
    assert ends == [
        ("uploads", 201, "accepted", "none"),
        ("upload_data", 499, "aborted", "client_gone"),
        ("upload_data", 502, "failed", "upstream_failed"),
        ("uploads", 502, "failed", "upstream_failed"),
    ]
    assert watch.files() == [("failed", "upstream_failed", "unknown")]
