"""What is sent: many small uploads (wrk), one large one as fast as it goes, many slow ones."""

import asyncio
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench import sink
from bench.processes import Address, BenchError

CHANNEL_ID = "d6bwkqhdsbyizkrmq9xs8dn8gh"
TOKEN = "u1rafcxfqtdsbpyhtdjqjzexkc"  # noqa: S105 - the sink takes any
CONNECTIONS = 16
_BOUNDARY = "67cd78398a56e487e6447d7e0c6611e6"
_WRK_SCRIPT = Path(__file__).with_name("upload.lua")
_TIMEOUT = 60.0


def picture(size: int = 16 * 1024) -> bytes:
    """A valid PNG of noise, exactly ``size`` bytes long."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    side = 64
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + os.urandom(3 * side) for _ in range(side))
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    comment = b"Comment\0"
    comment += b"x" * (size - len(start) - len(end) - len(chunk(b"tEXt", comment)))
    return start + chunk(b"tEXt", comment) + end


def film_head() -> bytes:
    """The beginning of an MP4 film, so that a large upload is what its name says."""
    brands = b"isom" + struct.pack(">I", 512) + b"isomiso2avc1mp41"
    return struct.pack(">I4s", len(brands) + 8, b"ftyp") + brands


@dataclass(frozen=True, slots=True)
class Upload:
    """A request whose body is ``before``, then filler, then ``after``."""

    target: str
    content_type: str
    before: bytes
    filler: int
    after: bytes
    file_size: int
    token: str = TOKEN
    filler_file: Path | None = None
    """Where the filler comes from; None for a buffer in memory."""

    @property
    def length(self) -> int:
        return len(self.before) + self.filler + len(self.after)

    def head(self) -> bytes:
        return (
            f"POST {self.target} HTTP/1.1\r\nHost: chat.example.test\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {self.length}\r\n\r\n"
        ).encode()


@contextmanager
def filler_file(size: int) -> Iterator[Path]:
    """A file of ``size`` bytes in memory, where the system has a place for such."""
    shared = Path("/dev/shm")  # noqa: S108 - the name is made by tempfile
    folder = shared if os.access(shared, os.W_OK) else None
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for written in range(0, size, len(_FILLER)):
            file.write(_FILLER[: size - written])
        file.flush()
        yield Path(file.name)


def raw_upload(size: int, filler_file: Path | None = None) -> Upload:
    head = film_head()
    target = f"{sink.FILES_PATH}?channel_id={CHANNEL_ID}&filename=film.mp4"
    filler = size - len(head)
    return Upload(target, "video/mp4", head, filler, b"", size, filler_file=filler_file)


def form_upload(
    size: int,
    channel_id: str = CHANNEL_ID,
    token: str = TOKEN,
    filler_file: Path | None = None,
) -> Upload:
    """``channel_id`` first, then the one file, as Mattermost's own clients send it."""
    head = film_head()
    before = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\n'
        f"{channel_id}\r\n"
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="film.mp4"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    ).encode() + head
    after = f"\r\n--{_BOUNDARY}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={_BOUNDARY}"
    filler = size - len(head)
    return Upload(sink.FILES_PATH, content_type, before, filler, after, size, token, filler_file)


# One buffer sent again and again stays in the processor's cache, as no real file does.
_FILLER = memoryview(os.urandom(1 << 20))


def send_large(address: Address, upload: Upload) -> float:
    """Seconds from the connection to the end of a 201. Raises BenchError for all else."""
    started = time.perf_counter()
    with socket.create_connection((address.host, address.port), _TIMEOUT) as connection:
        # An answer before the end of the body closes the connection; the answer says why.
        with suppress(OSError):
            connection.sendall(upload.head() + upload.before)
            _send_filler(connection, upload)
            connection.sendall(upload.after)
        response = http.client.HTTPResponse(connection, method="POST")
        try:
            response.begin()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{address} gave no answer to an upload: {error!r}") from error
    if response.status != 201:
        raise BenchError(f"{address} answered an upload with {response.status}: {body[:500]!r}")
    return time.perf_counter() - started


def _send_filler(connection: socket.socket, upload: Upload) -> None:
    if upload.filler_file is not None:
        with upload.filler_file.open("rb") as file:
            connection.sendfile(file, 0, upload.filler)
        return
    for sent in range(0, upload.filler, len(_FILLER)):
        connection.sendall(_FILLER[: upload.filler - sent])


@dataclass(frozen=True, slots=True)
class SmallLoad:
    uploads: int
    seconds: float
    slowest_percent_ms: float
    """Latency that 99 of 100 uploads kept."""


def wrk_version() -> str:
    """Raises BenchError when wrk is not installed."""
    if shutil.which("wrk") is None:
        raise BenchError(
            "small uploads are sent by wrk, which is not installed: "
            "“apt-get install wrk” on Debian and Ubuntu; or name the other measurements in --only"
        )
    run = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)
    return " ".join(run.stdout.split()[:2])


def send_small(address: Address, file: Path, seconds: float) -> SmallLoad:
    """Uploads of ``file`` over sixteen connections. Raises BenchError unless all are stored."""
    url = f"{address.url}{sink.FILES_PATH}?channel_id={CHANNEL_ID}&filename=picture.png"
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS)]
    command += ["--duration", f"{seconds:.0f}s", "--script", str(_WRK_SCRIPT), url, "--"]
    run = subprocess.run([*command, str(file), TOKEN], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise BenchError(f"wrk failed: {run.stderr or run.stdout}")
    summary = json.loads(run.stdout.splitlines()[-1])
    failures = sum(summary[kind] for kind in ("refused", "connect", "read", "write", "timeout"))
    if failures or not summary["uploads"]:
        raise BenchError(f"{address} did not take every small upload: {summary}")
    return SmallLoad(summary["uploads"], summary["seconds"], summary["p99_ms"])


async def send_slowly(address: Address, upload: Upload, seconds: float) -> None:
    """One upload, spread evenly over ``seconds``. Raises BenchError unless it is stored."""
    loop = asyncio.get_running_loop()
    chunk = b"\0" * (256 * 1024)
    started = loop.time()
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(upload.head() + upload.before)
        sent = 0
        while sent < upload.filler:
            count = min(len(chunk), upload.filler - sent)
            writer.write(chunk[:count])
            await writer.drain()
            sent += count
            await asyncio.sleep(max(0, started + seconds * sent / upload.filler - loop.time()))
        writer.write(upload.after)
        status_line = await reader.readline()
        if status_line.split()[1:2] != [b"201"]:
            raise BenchError(f"{address} answered a slow upload with {status_line!r}")
    finally:
        writer.close()
