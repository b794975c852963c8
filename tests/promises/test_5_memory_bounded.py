"""Promise 5: memory is bounded: per upload a fixed buffer, with back-pressure to the client.

Bounds are those of the design: 32 MiB for one upload however large it is.
"""

import io
import json
import re
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from gateway.standin.process import StandInProcess
from tests.promises.support import BOUNDARY, UPLOAD, form_head, stored
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire, field, file_part, form_body

MIB = 2**20
GIB = 2**30
BOUND = 32 * MIB
BLOCK = bytes(MIB)


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInProcess]:
    """A stand-in whose files are deleted afterwards, since they are large."""
    folder = tmp_path_factory.mktemp("stand-in")
    with StandInProcess(folder, max_file_size=2 * GIB) as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("gateway"),
        max_file_size="2GiB",
        quotas="user 100GiB/day",
        upstream_timeout="8s",
    ) as running:
        # What is loaded or made once does not count as an upload's.
        client = Client(running.address, stand_in.user_token, stand_in.channel_id)
        assert client.raw("first.bin", BLOCK).status == 201
        assert client.chunked("first.bin", [BLOCK, BLOCK]).status == 201
        yield running


@dataclass
class Growth:
    """By how many bytes a process has grown at most."""

    bytes: int = 0


@contextmanager
def growth(pid: int) -> Iterator[Growth]:
    """The growth of a process's resident memory during the block, by the kernel's own record."""
    result = Growth()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew here: proc(5)
    before = _status(pid, "VmRSS")
    yield result
    result.bytes = _status(pid, "VmHWM") - before


def _status(pid: int, name: str) -> int:
    match = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def send_blocks(wire: Wire, size: int) -> None:
    for _ in range(size // MIB):
        wire.send(BLOCK)


def send_until_blocked(wire: Wire, block: bytes, most: int) -> int:
    """Bytes that the other side has taken when it takes no more for a second."""
    wire.socket.settimeout(1)
    sent = 0
    try:
        while sent < most:
            sent += wire.socket.send(block)
    except TimeoutError:
        pass
    return sent


@contextmanager
def raw_upload(client: Client, size: int) -> Iterator[Wire]:
    with Wire(client.address, timeout=60) as wire:
        length = ("Content-Length", str(size))
        wire.send_head("POST", client.target("large.bin"), client.head(length))
        yield wire


def form_around_a_file(client: Client, *, file_first: bool) -> tuple[bytes, bytes]:
    """What comes in a form before a file's content and after it."""
    channel = field("channel_id", client.channel_id)
    parts = [file_part("large.bin", b"<here>"), channel]
    before, _, after = form_body(*(parts if file_first else reversed(parts))).partition(b"<here>")
    return before, after


# However large the file is.


def test_a_raw_upload_of_one_gibibyte(client: Client, gateway: GatewayProcess) -> None:
    with growth(gateway.pid) as grown, raw_upload(client, GIB) as wire:
        send_blocks(wire, GIB)
        response = wire.response()
    assert response.status == 201
    assert response.json()["file_infos"][0]["size"] == GIB
    assert grown.bytes < BOUND


def test_a_form_with_one_gibibyte(client: Client, gateway: GatewayProcess) -> None:
    before, after = form_around_a_file(client, file_first=False)
    length = len(before) + GIB + len(after)
    with growth(gateway.pid) as grown, Wire(client.address, timeout=60) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(client, length))
        wire.send(before)
        send_blocks(wire, GIB)
        wire.send(after)
        response = wire.response()
    assert response.status == 201
    assert response.json()["file_infos"][0]["size"] == GIB
    assert grown.bytes < BOUND


def test_chunks_of_an_upload_session(client: Client, gateway: GatewayProcess) -> None:
    document = {"channel_id": client.channel_id, "filename": "large.bin", "file_size": GIB}
    session = client.request("POST", "/api/v4/uploads", body=json.dumps(document).encode()).json()
    half = client.head(("Content-Length", str(GIB // 2)))
    with growth(gateway.pid) as grown:
        for status in (204, 200):
            with Wire(client.address, timeout=60) as wire:
                wire.send_head("POST", f"/api/v4/uploads/{session['id']}", half)
                send_blocks(wire, GIB // 2)
                assert wire.response().status == status
    assert grown.bytes < BOUND


def test_a_file_that_is_spooled_for_its_size(client: Client, gateway: GatewayProcess) -> None:
    with growth(gateway.pid) as grown:
        response = client.chunked("large.bin", (BLOCK for _ in range(128)))
    assert response.status == 201
    assert grown.bytes < BOUND


def test_a_file_that_is_spooled_for_its_channel(client: Client, gateway: GatewayProcess) -> None:
    before, after = form_around_a_file(client, file_first=True)
    with growth(gateway.pid) as grown, Wire(client.address, timeout=60) as wire:
        length = len(before) + 128 * MIB + len(after)
        wire.send_head("POST", "/api/v4/files", form_head(client, length))
        wire.send(before)
        send_blocks(wire, 128 * MIB)
        wire.send(after)
        assert wire.response().status == 201
    assert grown.bytes < BOUND


def test_a_form_that_is_received_whole(gateway: GatewayProcess, mattermost: StandInProcess) -> None:
    before, _, after = form_body(file_part("p.tar.gz", b"<here>", name="plugin")).partition(
        b"<here>"
    )
    admin = Client(gateway.address, mattermost.admin_token, mattermost.channel_id)
    size = 128 * MIB
    with growth(gateway.pid) as grown, Wire(admin.address, timeout=60) as wire:
        length = len(before) + size + len(after)
        wire.send_head("POST", "/api/v4/plugins", form_head(admin, length))
        wire.send(before + b"\x1f\x8b\x08\0".ljust(MIB, b"\0"))
        send_blocks(wire, size - MIB)
        wire.send(after)
        # It is no plugin, as Mattermost finds out.
        assert wire.response().json()["id"] == "app.plugin.extract.app_error"
    (upload,) = mattermost.state()["uploads"]
    assert [file["size"] for file in upload["files"]] == [size]
    assert grown.bytes < BOUND


def test_many_files_that_wait_for_their_channel(client: Client, gateway: GatewayProcess) -> None:
    parts = [file_part(f"{number}.bin", BLOCK[:500_000]) for number in range(80)]
    with growth(gateway.pid) as grown:
        response = client.form(*parts, field("channel_id", client.channel_id))
    assert response.status == 201
    assert len(response.json()["file_infos"]) == 80
    assert grown.bytes < BOUND


def test_a_large_download(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    direct = Client(("127.0.0.1", mattermost.port), client.token, client.channel_id)
    with raw_upload(direct, 64 * MIB) as wire:
        send_blocks(wire, 64 * MIB)
        file_id = wire.response().json()["file_infos"][0]["id"]
    with growth(gateway.pid) as grown, Wire(client.address) as wire:
        wire.send_head("GET", f"/api/v4/files/{file_id}", client.head())
        # A client that does not read: the gateway must not read on for it.
        wire.socket.settimeout(1)
        mattermost.wait_for(lambda state: any(file_id in e["target"] for e in state["recent"]))
        assert client.request("GET", "/api/v4/system/ping").status == 200
        wire.socket.settimeout(60)
        received = 0
        while received < 64 * MIB:
            received += len(wire.socket.recv(MIB))
    assert grown.bytes < BOUND


# However slow Mattermost is.


def test_a_mattermost_that_takes_no_more_stops_the_client(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, stall=True, stop_reading=True)
    with growth(gateway.pid) as grown, raw_upload(client, GIB) as wire:
        # The most is in the buffers of two connections, which the kernel owns.
        assert send_until_blocked(wire, BLOCK, GIB) < 64 * MIB
    assert grown.bytes < BOUND


def test_a_slow_mattermost_slows_the_client(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, read_rate=50 * MIB)
    with growth(gateway.pid) as grown, raw_upload(client, 48 * MIB) as wire:
        send_blocks(wire, 48 * MIB)
        assert wire.response().status == 201
    assert grown.bytes < BOUND


def test_many_uploads_at_once(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    """Each has its own buffers, and they are all there is."""
    mattermost.control(endpoint=UPLOAD, stall=True, stop_reading=True)
    wires: list[Wire] = []
    with growth(gateway.pid) as grown:
        for _ in range(30):
            wire = Wire(client.address)
            wires.append(wire)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
            length = ("Content-Length", str(GIB))
            wire.send_head("POST", client.target("large.bin"), client.head(length))
            wire.socket.setblocking(False)
        for _ in range(40):
            for wire in wires:
                try:
                    wire.socket.send(BLOCK)
                except BlockingIOError:
                    continue
        mattermost.wait_for(lambda state: len(state["uploads"]) == 30)
        # The gateway is still there for others.
        assert client.request("GET", "/api/v4/system/ping").status == 200
    for wire in wires:
        wire.close()
    assert grown.bytes < 30 * 2 * MIB


# Whatever clients send in place of a file.


def test_a_body_in_tiny_chunks(
    client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint="POST /api/v4/posts", stall=True, stop_reading=True)
    with growth(gateway.pid) as grown, Wire(client.address) as wire:
        chunked = ("Transfer-Encoding", "chunked")
        wire.send_head("POST", "/api/v4/posts", client.head(chunked))
        send_until_blocked(wire, b"2\r\naa\r\n" * 10_000, 64 * MIB)
    assert grown.bytes < BOUND


@pytest.mark.parametrize("target", ["an upload", "/api/v4/users/login"])
def test_endless_trailers(target: str, client: Client, gateway: GatewayProcess) -> None:
    """Fields behind a chunked body are nobody's to keep."""
    line = b"x-trailer: " + b"a" * 4000 + b"\r\n"
    assert growth_by_trailers(target, line * 100, 192 * MIB, client, gateway) < BOUND


def growth_by_trailers(
    target: str, trailers: bytes, most: int, client: Client, gateway: GatewayProcess
) -> int:
    path, headers = target, [("Transfer-Encoding", "chunked")]
    if target == "an upload":
        path, headers = client.target("a.txt"), client.head(*headers)
    with growth(gateway.pid) as grown, Wire(client.address) as wire:
        wire.send_head("POST", path, headers)
        wire.send(b"1\r\na\r\n0\r\n")
        with suppress(ConnectionError):  # the gateway may well end it
            send_until_blocked(wire, trailers, most)
    return grown.bytes


def test_endless_pipelining(client: Client, gateway: GatewayProcess) -> None:
    """Requests that nobody has begun to answer are not read either."""
    request = b"GET /x HTTP/1.1\r\nHost: chat.example\r\n\r\n"
    with growth(gateway.pid) as grown, Wire(client.address) as wire:
        wire.socket.setblocking(False)
        answers = 0
        block = request * 20_000
        with suppress(ConnectionError):
            while answers < 40:
                with suppress(BlockingIOError):
                    wire.socket.send(block)
                with suppress(BlockingIOError):
                    answers += wire.socket.recv(MIB).count(b"HTTP/1.1 200")
    assert grown.bytes < BOUND


@pytest.mark.parametrize(
    "opening",
    [
        b"a",
        b"\r\n",
        f"--{BOUNDARY}\r\nX-Header: ".encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\n'.encode(),
    ],
    ids=["preamble", "empty lines", "a header", "a value"],
)
def test_forms_that_go_on_for_ever(
    opening: bytes, client: Client, gateway: GatewayProcess, mattermost: StandInProcess
) -> None:
    before = stored(mattermost)
    with growth(gateway.pid) as grown, Wire(client.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(client, GIB))
        wire.send(opening)
        for _ in range(64):
            wire.send(opening[-1:] * MIB)
        assert wire.response().status == 400
    assert grown.bytes < BOUND
    assert stored(mattermost) == before


def test_an_endless_trailer(client: Client, gateway: GatewayProcess) -> None:
    """Here from somebody who has not even logged in."""
    trailer = b"x-trailer: " + b"a" * MIB
    target = "/api/v4/users/login"
    assert growth_by_trailers(target, trailer, 48 * MIB, client, gateway) < BOUND


@pytest.fixture(scope="module")
def looking(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway with rules that want whole files."""
    folder = tmp_path_factory.mktemp("looking")
    rules = folder / "policy.toml"
    rules.write_text(
        '[[rule]]\nname = "all"\narchives = true\nimages = true\nstrip_metadata = "require"\n'
    )
    settings = {"max_file_size": "2GiB", "policy_file": str(rules)}
    with GatewayProcess(stand_in.url, folder / "gateway", **settings) as running:
        client = Client(running.address, stand_in.user_token, stand_in.channel_id)
        assert client.raw("first.zip", zip_of(MIB).read_bytes()).status == 201
        yield running


def zip_of(size: int) -> Path:
    """An archive of a file of this size that is stored as it is; to be deleted."""
    with tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as file:
        with zipfile.ZipFile(file, "w") as archive, archive.open("zeros", "w") as entry:
            for _ in range(size // MIB):
                entry.write(BLOCK)
        return Path(file.name)


def test_an_archive_that_is_looked_into(
    looking: GatewayProcess, mattermost: StandInProcess
) -> None:
    client = Client(looking.address, mattermost.user_token, mattermost.channel_id)
    path = zip_of(128 * MIB)
    try:
        with growth(looking.pid) as grown, Wire(client.address, timeout=60) as wire:
            length = ("Content-Length", str(path.stat().st_size))
            wire.send_head("POST", client.target("a.zip"), client.head(length))
            with path.open("rb") as file:
                wire.socket.sendfile(file)
            assert wire.response().status == 201
    finally:
        path.unlink()
    assert grown.bytes < BOUND


def test_a_picture_whose_metadata_is_removed(
    looking: GatewayProcess, mattermost: StandInProcess
) -> None:
    client = Client(looking.address, mattermost.user_token, mattermost.channel_id)
    picture = io.BytesIO()
    Image.new("RGB", (10, 10)).save(picture, "JPEG")
    content, size = picture.getvalue(), 128 * MIB
    with growth(looking.pid) as grown, Wire(client.address, timeout=60) as wire:
        length = ("Content-Length", str(len(content) + size))
        wire.send_head("POST", client.target("a.jpg"), client.head(length))
        wire.send(content)
        send_blocks(wire, size)  # what lies behind the picture is none of it
        response = wire.response()
    assert response.status == 201
    assert response.json()["file_infos"][0]["size"] <= len(content)
    assert grown.bytes < BOUND
