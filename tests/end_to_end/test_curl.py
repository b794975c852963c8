"""curl uploads and downloads through the gateway.

These run on the stand-in, or on a real Mattermost: ``./scripts/test --mattermost URL``.
"""

import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gateway import GatewayProcess
from tests.support.server import Server, send

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

SECONDS = 60
CONTENT = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n" + b"%" * 2_000_000
LONG_AGO = "Wed, 01 Jan 2020 00:00:00 GMT"
# Of each answer its own, or of each connection.
VOLATILE = {"connection", "date", "keep-alive", "x-request-id"}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    """In their order; those that differ from answer to answer are left out."""
    body: bytes


@dataclass(frozen=True)
class Curl:
    """curl with a user's token; ``folder`` is its own."""

    api: str
    """Up to and with ``/api/v4``."""
    token: str
    folder: Path

    def __call__(self, path: str, *arguments: str, stdin: bytes = b"") -> bytes:
        """What it prints."""
        return subprocess.run(
            self._command(path, *arguments),
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=True,
        ).stdout

    def start(self, path: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command(path), cwd=self.folder, stdout=subprocess.PIPE)

    def _command(self, path: str, *arguments: str) -> list[str]:
        authorization = f"Authorization: Bearer {self.token}"
        return ["curl", "-sS", "-H", authorization, *arguments, f"{self.api}/{path}"]

    def ask(self, path: str, *arguments: str) -> Answer:
        head = self.folder / f"head{secrets.token_hex(4)}"
        body = self(path, "-D", head.name, *arguments)
        status, *lines = head.read_text("latin-1").rstrip().split("\n")
        headers = [line.strip().partition(": ")[::2] for line in lines]
        return Answer(
            int(status.split(" ")[1]),
            [(name.lower(), value) for name, value in headers if name.lower() not in VOLATILE],
            body,
        )


@pytest.fixture
def direct(server: Server, tmp_path: Path) -> Curl:
    return Curl(f"{server.url}/api/v4", server.user["token"], tmp_path)


@pytest.fixture
def curl(server: Server, shared_gateway: GatewayProcess, tmp_path: Path) -> Curl:
    """Through the gateway."""
    api = f"{shared_gateway.url}{server.subpath}/api/v4"
    return Curl(api, server.user["token"], tmp_path)


@pytest.fixture(scope="module")
def file_id(server: Server) -> str:
    """A file of which CONTENT is the content."""
    target = f"files?channel_id={server.channel_id}&filename=report.pdf"
    raw = {"Content-Type": "application/pdf"}
    answer = json.loads(send(server.url, server.user["token"], target, CONTENT, raw))
    return str(answer["file_infos"][0]["id"])


@pytest.mark.parametrize("way", ["form", "form, file first", "raw", "raw from a pipe"])
def test_uploads(way: str, curl: Curl, server: Server) -> None:
    (curl.folder / "report.pdf").write_bytes(CONTENT)
    channel = f"channel_id={server.channel_id}"
    raw = f"files?{channel}&filename=report.pdf"
    path, *arguments = {
        "form": ["files", "-F", channel, "-F", "files=@report.pdf"],
        "form, file first": ["files", "-F", "files=@report.pdf", "-F", channel],
        "raw": [raw, "--data-binary", "@report.pdf"],
        "raw from a pipe": [raw, "-T", "-", "-X", "POST"],
    }[way]
    (info,) = json.loads(curl(path, *arguments, stdin=CONTENT))["file_infos"]
    assert info["name"] == "report.pdf"
    assert server.stored(info["id"]) == CONTENT


DOWNLOADS = {
    "whole": ([], 200, CONTENT),
    "as HTTP/1.0": (["--http1.0"], 200, CONTENT),
    "compressed, if that helps": (["--compressed"], 200, CONTENT),
    "a part": (["-r", "9-15"], 206, CONTENT[9:16]),
    "from a byte on": (["-r", "1999000-"], 206, CONTENT[1_999_000:]),
    "the last bytes": (["-r", "-7"], 206, CONTENT[-7:]),
    "more than there is": (["-r", "0-99999999"], 206, CONTENT),
    "beyond the end": (["-r", "99999999-"], 416, b"invalid range: failed to overlap\n"),
    "a part if unchanged": (["-r", "9-15", "-H", f"If-Range: {LONG_AGO}"], 200, CONTENT),
    "if modified": (["-z", LONG_AGO], 200, CONTENT),
    "if modified in future": (["-z", "Fri, 01 Jan 2100 00:00:00 GMT"], 304, b""),
    "if nothing is there": (["-H", "If-None-Match: *"], 304, b""),
}


@pytest.mark.parametrize("way", DOWNLOADS)
def test_downloads_are_the_same_as_without_the_gateway(
    direct: Curl, curl: Curl, file_id: str, way: str
) -> None:
    arguments, status, body = DOWNLOADS[way]
    answer = curl.ask(f"files/{file_id}", *arguments)
    assert (answer.status, answer.body) == (status, body)
    assert answer == direct.ask(f"files/{file_id}", *arguments)


@pytest.mark.parametrize("path", ["files/FILE", "files/FILE/info", "brand/image", "system/ping"])
def test_head_is_the_same_as_without_the_gateway(
    direct: Curl, curl: Curl, file_id: str, path: str
) -> None:
    """Mattermost 5.37 knows no HEAD, and answers 404 to it."""
    path = path.replace("FILE", file_id)
    answer = curl.ask(path, "--head", "-o", "/dev/null")
    assert answer == direct.ask(path, "--head", "-o", "/dev/null")


def test_a_download_is_resumed(curl: Curl, file_id: str) -> None:
    begun = curl.folder / "begun.pdf"
    begun.write_bytes(CONTENT[:1_234_567])
    told = curl(f"files/{file_id}", "-C", "-", "-o", begun.name, "-w", "%{size_download}")
    assert int(told) == len(CONTENT) - 1_234_567
    assert begun.read_bytes() == CONTENT


def test_a_download_that_was_broken_off_is_resumed(curl: Curl, file_id: str) -> None:
    with curl.start(f"files/{file_id}") as begun:
        assert begun.stdout is not None
        received = begun.stdout.read(300_000)
        begun.kill()
    (curl.folder / "begun.pdf").write_bytes(received)
    curl(f"files/{file_id}", "-C", "-", "-o", "begun.pdf")
    assert (curl.folder / "begun.pdf").read_bytes() == CONTENT
