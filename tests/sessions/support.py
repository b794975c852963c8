"""What clients of upload sessions do, over real sockets."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.standin.process import StandInProcess
from tests.promises.support import send_chunks
from tests.sessions.examining import Orders
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, WireResponse, form_body

MIB = 2**20
LEAST = 5 * MIB
"""Bytes of a first chunk that is not the whole file."""
CREATED = "POST /api/v4/uploads"
DATA = "POST /api/v4/uploads/{id}"
ASKED = "GET /api/v4/uploads/{id}"
"""As the stand-in's journal writes them."""
UNVERIFIED = (409, "gateway.upload_session_unverified")
CONCURRENT = (400, "app.upload.upload_data.concurrent.app_error")
TOO_LONG = (400, "api.upload.upload_data.invalid_content_length")
TOO_SMALL = (400, "app.upload.upload_data.first_part_too_small.app_error")


def novel(size: int) -> bytes:
    """A text in which no two places are the same."""
    lines = (b"%011d All work and no play\n" % number for number in range(size // 33 + 1))
    return b"".join(lines)[:size]


def error(response: WireResponse) -> tuple[int, str]:
    """Status and id."""
    return response.status, response.json()["id"]


@dataclass(frozen=True)
class Uploader:
    """Somebody who uploads in sessions."""

    client: Client

    def declare(self, name: str, size: object, **more: object) -> WireResponse:
        document = {"channel_id": self.client.channel_id, "filename": name, "file_size": size}
        return self.say(json.dumps(document | more).encode())

    def say(self, body: bytes, *headers: tuple[str, str]) -> WireResponse:
        """Send ``body`` as a declaration."""
        return self.client.request("POST", "/api/v4/uploads", *headers, body=body)

    def begin(self, name: str, size: int, **more: object) -> str:
        """A new session's id."""
        response = self.declare(name, size, **more)
        assert response.status == 201, response.body
        return str(response.json()["id"])

    def send(self, session_id: str, body: bytes, *headers: tuple[str, str]) -> WireResponse:
        """A raw chunk with its length."""
        with self.sending(session_id, len(body), *headers) as wire:
            wire.send(body)
            return wire.response()

    @contextmanager
    def sending(
        self, session_id: str, length: int | None, *headers: tuple[str, str]
    ) -> Iterator[Wire]:
        """A chunk of which only the head has been sent; None sends it chunked."""
        framing = ("Transfer-Encoding", "chunked")
        if length is not None:
            framing = ("Content-Length", str(length))
        with Wire(self.client.address) as wire:
            target = f"/api/v4/uploads/{session_id}"
            wire.send_head("POST", target, self.client.head(framing, *headers))
            yield wire

    def send_chunked(self, session_id: str, pieces: Iterable[bytes]) -> WireResponse:
        with self.sending(session_id, None) as wire:
            send_chunks(wire, pieces)
            return wire.response()

    def send_form(self, session_id: str, *parts: bytes) -> WireResponse:
        body = form_body(*parts)
        form = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
        return self.send(session_id, body, form)

    def ask(self, session_id: str) -> WireResponse:
        return self.client.request("GET", f"/api/v4/uploads/{session_id}")

    def offset(self, session_id: str) -> int:
        """Bytes that Mattermost has."""
        return int(self.ask(session_id).json()["file_offset"])


def assert_stored(mattermost: StandInProcess, answer: WireResponse, content: bytes) -> None:
    """``answer`` is to a last chunk; Mattermost has exactly ``content``."""
    assert answer.status == 200, answer.body
    files: list[dict[str, Any]] = mattermost.state()["files"]
    (file,) = [file for file in files if file["id"] == answer.json()["id"]]
    assert file["size"] == len(content)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()


def chunks_received(mattermost: StandInProcess) -> list[int]:
    """The body's bytes of each chunk that Mattermost was sent."""
    uploads = mattermost.state()["uploads"]
    return [upload["body_bytes"] for upload in uploads if upload["endpoint"].startswith(DATA)]


class KeepingGateway(GatewayProcess):
    """A gateway whose examiner wants files with ``kept`` in their names, see ``examining``."""

    module = "tests.sessions.examining"

    def __init__(self, upstream_url: str, folder: Path, spool: Path, **settings: str) -> None:
        spool.mkdir(parents=True, exist_ok=True)
        self.spool = spool
        self.orders = Orders(spool)
        super().__init__(upstream_url, folder, spool_dir=str(spool), **settings)

    @property
    def kept(self) -> dict[str, Path]:
        """The kept files of all who share the folder, by their sessions' ids."""
        return {file.name: file for file in self.spool.glob(f"upload-sessions-{os.geteuid()}/*")}

    def wait_for_abort(self, count: int) -> None:
        """Until ``count`` requests have been aborted since the last start."""
        self.wait_for(lambda: [line["status"] for line in self.requests()].count(499) >= count)


def on_disk(file: Path) -> int:
    """Bytes."""
    return file.stat().st_blocks * 512
