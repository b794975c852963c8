"""The audit log of gateways that run, are killed, and have trouble."""

import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.file import AuditFile
from gateway.configuration import checked_settings
from gateway.log_formats import encoded
from gateway.settings import SettingsError
from gateway.standin.process import StandInProcess
from tests.audit.support import lines, names, verified, written
from tests.sessions.support import LEAST, Uploader, novel
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part

SECONDS = 20.0


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@contextmanager
def auditing(
    mattermost: StandInProcess, folder: Path, log: Path, **settings: str
) -> Iterator[tuple[GatewayProcess, Client]]:
    with GatewayProcess(mattermost.url, folder, audit_log=str(log), **settings) as gateway:
        yield gateway, Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def line_of(log: Path, gateway: GatewayProcess, name: str) -> dict[str, Any]:
    """The line about the file called ``name``, once it is there."""
    gateway.wait_for(lambda: name in names(log), SECONDS)
    (line,) = (line for line in lines(log) if line.get("name") == name)
    return line


def test_each_decision_is_a_line(mattermost: StandInProcess, folder: Path, log: Path) -> None:
    with auditing(mattermost, folder, log) as (gateway, client):
        accepted = client.raw("a.txt", b"hello")
        assert client.raw("setup.exe", b"hello").status == 403
        assert client.chunked("b.txt", [b"hel", b"lo"]).status == 201
        first = client.form(file_part("c.txt", b"first"), field("channel_id", client.channel_id))
        assert first.status == 201
        stranger = Client(gateway.address, "nobody", client.channel_id)
        assert stranger.raw("d.txt", b"hello").status == 401
        with Wire(client.address) as wire:
            wire.send_head("GET", "/api/v4/users/me", client.head())
            wire.response()
        line = line_of(log, gateway, "a.txt")
        (request,) = (r for r in gateway.requests() if r["request_id"] == line["request_id"])
        assert line == {
            "event": "file",
            "time": line["time"],
            "request_id": request["request_id"],
            "trace_id": request["trace_id"],
            "client": "127.0.0.1",
            "user_id": request["user_id"],
            "endpoint": "files",
            "channel_id": client.channel_id,
            "name": "a.txt",
            "type": "text/plain",
            "size": 5,
            "rule": "settings",
            "outcome": "accepted",
            "reason": "none",
            "status": 201,
            "file_id": accepted.json()["file_infos"][0]["id"],
            "seq": line["seq"],
            "prev": line["prev"],
        }
        refused = line_of(log, gateway, "setup.exe")
        assert (refused["outcome"], refused["reason"]) == ("refused", "extension_denied")
        assert (refused["status"], refused["size"]) == (403, 5)
        assert "file_id" not in refused
        assert line_of(log, gateway, "c.txt")["sha256"] == sha256(b"first")
        gateway.wait_for(lambda: any(line["event"] == "request" for line in lines(log)), SECONDS)
        (early,) = (line for line in lines(log) if line["event"] == "request")
        assert (early["reason"], early["status"]) == ("unauthenticated", 401)
        assert len(lines(log)) == 5
        gateway.wait_for(lambda: gateway.metric("upload_gateway_audit_lines_total") == 5, SECONDS)
        assert gateway.ready() == (200, {"status": "ready"})
        assert gateway.metric("upload_gateway_audit_failing") == 0
    assert verified(log).status == 0


def test_hashes_of_all_files_if_asked_for(
    mattermost: StandInProcess, folder: Path, log: Path
) -> None:
    large = novel(3 * 2**20)
    settings = {"audit_hashes": "all"}
    with auditing(mattermost, folder, log, **settings) as (gateway, client):
        assert client.raw("small.txt", b"hello").status == 201
        assert client.raw("large.txt", large).status == 201
        assert client.chunked("chunked.txt", [large[:50_000], large[50_000:]]).status == 201
        form = client.form(field("channel_id", client.channel_id), file_part("form.txt", large))
        assert form.status == 201
        for name in ("large.txt", "chunked.txt", "form.txt"):
            assert line_of(log, gateway, name)["sha256"] == sha256(large)
        assert line_of(log, gateway, "small.txt")["sha256"] == sha256(b"hello")


def test_a_resumable_upload(mattermost: StandInProcess, folder: Path, log: Path) -> None:
    content = novel(LEAST + 1000)
    with auditing(mattermost, folder, log) as (gateway, client):
        uploader = Uploader(client)
        session = uploader.begin("novel.txt", len(content))
        assert uploader.send(session, content[:LEAST]).status == 204
        done = uploader.send(session, content[LEAST:])
        assert done.status == 200
        line = line_of(log, gateway, "novel.txt")
        assert line["file_id"] == done.json()["id"]
        assert (line["channel_id"], line["size"]) == (client.channel_id, len(content))


def test_several_workers_are_killed_and_go_on(
    mattermost: StandInProcess, folder: Path, log: Path
) -> None:
    with auditing(mattermost, folder, log, workers="2") as (gateway, client):
        for number in range(20):
            assert client.raw(f"{number}.txt", b"hello").status == 201
        gateway.wait_for(lambda: len(names(log)) == 20, SECONDS)
        gateway.kill()
        gateway.start()
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        assert client.raw("again.txt", b"hello").status == 201
        line_of(log, gateway, "again.txt")
    assert sorted(map(str, names(log)[:-1])) == sorted(f"{number}.txt" for number in range(20))
    assert verified(log).status == 0


def test_what_waits_is_written_at_the_end(
    mattermost: StandInProcess, folder: Path, log: Path
) -> None:
    with auditing(mattermost, folder, log) as (gateway, client):
        for number in range(30):
            assert client.raw(f"{number}.txt", b"hello").status == 201
        gateway.terminate()
    assert len(names(log)) == 30
    assert verified(log).status == 0


def test_logrotate(mattermost: StandInProcess, folder: Path, log: Path) -> None:
    rotated, copied = log.with_name("audit.log.2"), log.with_name("audit.log.1")
    with auditing(mattermost, folder, log) as (gateway, client):
        assert client.raw("a.txt", b"hello").status == 201
        line_of(log, gateway, "a.txt")
        log.rename(rotated)
        assert client.raw("b.txt", b"hello").status == 201
        line_of(log, gateway, "b.txt")
        copied.write_bytes(log.read_bytes())
        os.truncate(log, 0)
        assert client.raw("c.txt", b"hello").status == 201
        line_of(log, gateway, "c.txt")
    assert [names(path) for path in (rotated, copied, log)] == [["a.txt"], ["b.txt"], ["c.txt"]]
    assert lines(log)[0]["event"] == "cut"
    assert verified(rotated, copied, log).status == 0


@contextmanager
def full_disk(gateway: GatewayProcess, log: Path) -> Iterator[None]:
    """The file system takes half a line more of ``log``, which is the largest file."""
    before = fill_disk(gateway, log)
    try:
        yield
    finally:
        resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, before)


def fill_disk(gateway: GatewayProcess, log: Path) -> tuple[int, int]:
    before = resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE)
    limit = (log.stat().st_size + 100, before[1])
    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, limit)
    return before


def padded(log: Path) -> None:
    """Make ``log`` larger than all else that the gateway writes."""
    file = AuditFile(log)
    file.append([encoded({"event": "padding", "text": "x" * 1_000_000})] * 3)
    file.close()


def test_a_full_disk_holds_up_nobody(mattermost: StandInProcess, folder: Path, log: Path) -> None:
    padded(log)
    with auditing(mattermost, folder, log) as (gateway, client):
        with full_disk(gateway, log):
            assert client.raw("a.txt", b"hello").status == 201
            gateway.wait_for(lambda: gateway.metric("upload_gateway_audit_failing") == 1, SECONDS)
            assert client.raw("b.txt", b"hello").status == 201
            told = "not available, so that files pass without a record"
            assert gateway.ready() == (200, {"status": "ready", "details": {"audit": told}})
            assert gateway.wait_for_log("audit_unwritable")["level"] == "error"
            assert names(log) == []
        assert line_of(log, gateway, "b.txt")["outcome"] == "accepted"
        gateway.wait_for_log("audit_writable")
        gateway.wait_for(lambda: gateway.ready() == (200, {"status": "ready"}), SECONDS)
    assert names(log) == ["a.txt", "b.txt"]
    assert verified(log).status == 0


def test_lines_that_are_lost_in_the_end_are_told(
    mattermost: StandInProcess, folder: Path, log: Path
) -> None:
    padded(log)
    with auditing(mattermost, folder, log) as (gateway, client):
        fill_disk(gateway, log)
        assert client.raw("a.txt", b"hello").status == 201
        gateway.wait_for_log("audit_unwritable", SECONDS)
        assert gateway.terminate() == 0
        (line,) = (line for line in gateway.log() if line["event"] == "audit_lost")
    assert (line["level"], line["lines"]) == ("error", 1)


def test_a_full_disk_stops_uploads_if_it_shall(
    mattermost: StandInProcess, folder: Path, log: Path
) -> None:
    padded(log)
    settings = {"audit_on_error": "refuse"}
    with auditing(mattermost, folder, log, **settings) as (gateway, client):
        with full_disk(gateway, log):
            assert client.raw("a.txt", b"hello").status == 201  # nobody knew
            gateway.wait_for_log("audit_unwritable", SECONDS)
            refused = client.raw("b.txt", b"hello")
            assert (refused.status, refused.json()["id"]) == (503, "gateway.audit_unavailable")
            plugin = client.request("POST", "/plugins/com.example/x", body=b"\x89PNG\r\n\x1a\n")
            assert (plugin.status, plugin.json()["id"]) == (503, "gateway.audit_unavailable")
            assert client.request("GET", "/api/v4/users/me").status == 200
            gateway.wait_for(lambda: gateway.ready()[0] == 503, SECONDS)
            assert gateway.ready()[1]["problems"] == {"audit": "not available"}
        gateway.wait_for(lambda: client.raw("c.txt", b"hello").status == 201, SECONDS)
        gateway.wait_for(lambda: gateway.ready()[0] == 200, SECONDS)
    assert [name for name in names(log) if name != "c.txt"] == ["a.txt"]
    assert verified(log).status == 0


def test_a_line_that_somebody_adds_shows(
    mattermost: StandInProcess, folder: Path, log: Path
) -> None:
    written(log, 2)
    with log.open("ab") as file:
        file.write(b'{"event":"file","name":"mine"}\n')
    with auditing(mattermost, folder, log) as (gateway, client):
        assert client.raw("a.txt", b"hello").status == 201
        line_of(log, gateway, "a.txt")
    assert verified(log) == (1, f"{log}:3: it has no place in a chain\n")


@pytest.mark.parametrize("place", ["missing/audit.log", "folder", "link"])
def test_it_does_not_start_where_it_cannot_write(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    environ = {
        "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9",
        "GATEWAY_AUDIT_LOG": str(tmp_path / place),
    }
    with pytest.raises(SettingsError, match="GATEWAY_AUDIT_LOG"):
        checked_settings(environ)
