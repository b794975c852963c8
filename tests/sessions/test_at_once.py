"""Uploads at once: of a session, those chunks count that are on their way."""

from pathlib import Path
from typing import Any

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client

from .support import MIB, Uploader, novel


def test_a_session_that_waits_is_no_running_upload(
    mattermost: StandInProcess, folder: Path, user: dict[str, Any]
) -> None:
    quotas = "user 1 at once, user 2 files/day, user 20MiB/day"
    with GatewayProcess(mattermost.url, folder, quotas=quotas) as gateway:
        client = Client(gateway.address, user["token"], mattermost.channel_id)
        uploader, content = Uploader(client), novel(6 * MIB)
        session = uploader.begin("novel.txt", len(content))
        other = uploader.begin("other.txt", len(content))
        # Both hold a file and their bytes, and neither runs.
        assert "2 files of your 2 files" in client.raw("a.txt", b"hello").json()["message"]
        answer = uploader.send(session, content)
        assert answer.status == 200
        assert (answer.header("ratelimit") or "").startswith('"user-at-once";r=0')
        assert uploader.send(other, content).status == 200
