"""What is measured, once, of one running target."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path

from bench import load, sink
from bench.peers import Target
from bench.processes import Address, BenchError, cpu_seconds, get, resident_bytes
from bench.report import Column, Reading

MIB = 1 << 20
GIB = 1 << 30

UPLOADS_PER_SECOND = Column("uploads/s")
CPU_PER_UPLOAD = Column("CPU µs per upload")
SLOWEST_PERCENT = Column("p99 ms", 1)
MB_PER_SECOND = Column("MB/s")
CPU_PER_GIB = Column("CPU s per GiB", 2)
PEAK = Column("peak MiB", 1)
BEFORE = Column("before MiB", 1)
GROWTH = Column("growth per upload KiB")


def small_uploads(target: Target, file: Path, seconds: float) -> Reading:
    before = _cpu(target)
    done = load.send_small(target.address, file, seconds)
    return {
        UPLOADS_PER_SECOND.heading: done.uploads / done.seconds,
        CPU_PER_UPLOAD.heading: (_cpu(target) - before) / done.uploads * 1e6,
        SLOWEST_PERCENT.heading: done.slowest_percent_ms,
    }


def large_upload(target: Target, upload: load.Upload, counting: Address) -> Reading:
    """``counting`` is the sink, which must have got the file and at most its form besides."""
    received = _received(counting)
    reading = timed_upload(target, upload)
    arrived = _received(counting) - received
    if not upload.file_size <= arrived <= upload.length:
        raise BenchError(
            f"{target.name} was sent {upload.file_size} bytes and said 201, "
            f"but {arrived} bytes arrived"
        )
    return reading


def timed_upload(target: Target, upload: load.Upload) -> Reading:
    before = _cpu(target)
    seconds = load.send_large(target.address, upload)
    return {
        MB_PER_SECOND.heading: upload.file_size / seconds / 1e6,
        CPU_PER_GIB.heading: (_cpu(target) - before) / upload.file_size * GIB,
    }


def slow_uploads(target: Target, upload: load.Upload, count: int, seconds: float) -> Reading:
    """Resident memory while ``count`` uploads arrive side by side for ``seconds``."""
    # The first upload pays for what every process loads once.
    load.send_large(target.address, load.raw_upload(MIB))
    before = _resident(target)
    peak = max(before, asyncio.run(_peak_while_sending(target, upload, count, seconds)))
    return {
        PEAK.heading: peak / MIB,
        BEFORE.heading: before / MIB,
        GROWTH.heading: (peak - before) / count / 1024,
    }


async def _peak_while_sending(
    target: Target, upload: load.Upload, count: int, seconds: float
) -> int:
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, _resident(target))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    sending = (load.send_slowly(target.address, upload, seconds) for _ in range(count))
    await asyncio.gather(*sending)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return peak


def _cpu(target: Target) -> float:
    return 0.0 if target.pid is None else cpu_seconds(target.pid)


def _resident(target: Target) -> int:
    return 0 if target.pid is None else resident_bytes(target.pid)


def _received(counting: Address) -> int:
    """Bytes of all uploads that the sink has seen to their end."""
    return int(json.loads(get(counting, sink.RECEIVED_PATH)[1])["bytes"])
