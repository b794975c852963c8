"""A real clamd's verdicts, and its ways not to give any."""

import asyncio
import gzip
import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.scanner.clamd import ClamAV, Failure
from tests.scanner.support import MIB, chunks_of, client, failure
from tests.support.clamd import EICAR, SIGNATURE, STREAM_LIMIT, Clamd

LIMITS = "Heuristics.Limits.Exceeded"
SHORT = 0.3
"""Seconds for a clamd that never answers."""


@pytest.fixture(params=["unix", "tcp"])
def clamav(request: pytest.FixtureRequest, clamd: Clamd) -> ClamAV:
    return client(clamd.url if request.param == "unix" else clamd.tcp_url)


def zipped(*contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}", content)
    return file.getvalue()


async def test_verdicts(clamav: ClamAV) -> None:
    assert await clamav.scan(chunks_of(b"hello")) is None
    assert await clamav.scan(chunks_of()) is None
    assert await clamav.scan(chunks_of(EICAR)) == SIGNATURE
    assert await clamav.scan(chunks_of(EICAR[:40], b"", EICAR[40:])) == SIGNATURE
    assert await clamav.scan(chunks_of(*(EICAR[i : i + 1] for i in range(len(EICAR))))) == SIGNATURE
    assert await clamav.scan(chunks_of(zipped(b"hello", EICAR))) == SIGNATURE
    assert await clamav.scan(chunks_of(zipped(zipped(EICAR)))) == SIGNATURE
    assert await clamav.scan(chunks_of(zipped(b"hello"))) is None


async def test_large_files(clamav: ClamAV) -> None:
    """What it takes at most, and what it does not, of which it tells while it is still sent."""
    half = bytes(STREAM_LIMIT // 2)
    assert await clamav.scan(chunks_of(half, half)) is None
    infected = chunks_of(half, half[len(EICAR) :], EICAR)
    assert await clamav.scan(infected) == SIGNATURE
    for chunks in [half, half, b"x"], [bytes(64 * MIB)], *([[bytes(MIB)] * 64] * 5):
        assert await failure(clamav.scan(chunks_of(*chunks))) is Failure.TOO_LARGE


async def test_several_at_once(clamav: ClamAV) -> None:
    files = [b"hello", EICAR, zipped(EICAR), bytes(MIB)] * 10
    verdicts = await asyncio.gather(*(clamav.scan(chunks_of(file)) for file in files))
    assert verdicts == [None, SIGNATURE, SIGNATURE, None] * 10


async def test_its_version(clamav: ClamAV) -> None:
    assert (await clamav.ping()).startswith("ClamAV ")


async def test_signatures_are_reloaded(clamd: Clamd, clamav: ClamAV) -> None:
    for _ in range(5):
        assert await asyncio.to_thread(clamd.command, "RELOAD") == b"RELOADING\0"
        assert await clamav.scan(chunks_of(EICAR)) == SIGNATURE
        assert await clamav.scan(chunks_of(os.urandom(100))) is None


@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_it_goes_away_and_comes_back(way: str, tmp_path: Path) -> None:
    with Clamd(tmp_path / "clamd") as clamd:
        address = clamd.url if way == "unix" else clamd.tcp_url
        clamav, hasty = client(address), client(address, timeout=SHORT, connect_timeout=SHORT)

        async def while_sending(action: Callable[[], None]) -> AsyncIterator[bytes]:
            yield EICAR
            action()
            for _ in range(64):
                yield bytes(MIB // 64)

        async def before_the_answer(action: Callable[[], None]) -> AsyncIterator[bytes]:
            clamd.pause()
            yield EICAR
            asyncio.get_running_loop().call_later(0, action)

        clamd.pause()
        assert await failure(hasty.scan(chunks_of(b"hello"))) is Failure.TIMEOUT
        assert await failure(hasty.ping()) in (Failure.TIMEOUT, Failure.UNREACHABLE)
        clamd.resume()
        assert await failure(hasty.scan(while_sending(clamd.pause))) is Failure.TIMEOUT
        clamd.resume()
        assert await clamav.scan(before_the_answer(clamd.resume)) == SIGNATURE

        # On SIGTERM it sometimes says two errors, one after the other.
        none = {clamd.stop: [Failure.NO_VERDICT, Failure.GARBAGE], clamd.kill: [Failure.NO_VERDICT]}
        for ending, expected in none.items():
            assert await failure(clamav.scan(while_sending(ending))) in expected
            assert await failure(clamav.scan(chunks_of(b"hello"))) is Failure.UNREACHABLE
            assert await failure(clamav.ping()) is Failure.UNREACHABLE
            clamd.start()
            assert await clamav.scan(chunks_of(b"hello")) is None
            assert await clamav.scan(chunks_of(EICAR)) == SIGNATURE
        assert await failure(clamav.scan(before_the_answer(clamd.kill))) is Failure.NO_VERDICT
        clamd.start()
        assert await clamav.scan(chunks_of(EICAR)) == SIGNATURE


async def test_it_cannot_store_what_it_is_sent(tmp_path: Path) -> None:
    """It closes without a word."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    with Clamd(tmp_path / "clamd", TemporaryDirectory=str(folder)) as clamd:
        folder.rmdir()
        clamav = client(clamd.url)
        assert await failure(clamav.scan(chunks_of(b"hello"))) is Failure.NO_VERDICT
        assert await failure(clamav.scan(chunks_of(bytes(MIB)))) is Failure.NO_VERDICT
        folder.mkdir()
        assert await clamav.scan(chunks_of(b"hello")) is None


@pytest.mark.parametrize(
    ("config", "passes"),
    [
        ({}, True),
        ({"MaxRecursion": "100"}, True),
        ({"AlertExceedsMax": "yes"}, False),
        ({"AlertExceedsMax": "yes", "MaxRecursion": "100"}, False),
        ({"AlertExceedsMax": "yes", "MaxFiles": "5"}, False),
        ({"AlertExceedsMax": "yes", "MaxScanTime": "1"}, False),
        # As it looks into none, it has said OK to one of which it saw nothing.
        ({"AlertExceedsMax": "yes", "ScanArchive": "no"}, True),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
async def test_whether_it_passes_what_exceeds_its_limits(
    config: dict[str, str], *, passes: bool, tmp_path: Path
) -> None:
    with Clamd(tmp_path / "clamd", **config) as clamd:
        clamav = client(clamd.url)
        # Again: it remembers what it found clean.
        assert [await clamav.passes_excess() for _ in range(3)] == [passes] * 3


def nested(content: bytes, levels: int) -> bytes:
    for _ in range(levels):
        content = zipped(content)
    return content


async def test_what_it_says_of_what_exceeds_its_limits(tmp_path: Path) -> None:
    """What docs/malware.md tells administrators."""
    scanned = bytes(STREAM_LIMIT)
    large = os.urandom(STREAM_LIMIT) + EICAR
    files = {
        "a file larger than MaxFileSize": large,
        "the same, packed with gzip": gzip.compress(large),
        "an archive with more than MaxScanSize": zipped(scanned, scanned + b"x", EICAR),
        "an archive deeper than MaxRecursion": nested(EICAR, 20),
        "an entry of a zip larger than MaxFileSize": zipped(scanned + EICAR),
    }
    limits = {"StreamMaxLength": "4M", "MaxScanSize": "3M"}

    async def verdicts(**config: str) -> list[str | None]:
        with Clamd(tmp_path / f"clamd{len(config)}", **limits, **config) as clamd:
            clamav = client(clamd.url)
            return [await clamav.scan(chunks_of(file)) for file in files.values()]

    assert await verdicts() == [None] * 5
    assert await verdicts(AlertExceedsMax="yes") == [
        f"{LIMITS}.MaxFileSize",
        f"{LIMITS}.MaxFileSize",
        f"{LIMITS}.MaxScanSize",
        f"{LIMITS}.MaxRecursion",
        None,
    ]


async def test_what_it_says_when_its_time_is_over(tmp_path: Path) -> None:
    file = zipped(*(os.urandom(MIB // 2) for _ in range(3)), EICAR)
    with Clamd(tmp_path / "clamd", MaxScanTime="1") as clamd:
        assert await client(clamd.url).scan(chunks_of(file)) is None
    with Clamd(tmp_path / "alerting", MaxScanTime="1", AlertExceedsMax="yes") as clamd:
        assert await client(clamd.url).scan(chunks_of(file)) == f"{LIMITS}.MaxScanTime"
