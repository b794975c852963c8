"""What a scan's outcome means for a file, under all settings."""

from collections.abc import AsyncIterator

import pytest

from gateway.refusals import malware_found, scan_failed, too_large_to_scan
from gateway.scanner.clamd import Failure
from gateway.scanner.scanner import Result, Scanner, ScanResult
from tests.scanner.support import Visitor, chunks_of, client, daemon

LARGEST = 10
NAME = "a.txt"
ANSWERS = {
    Result.CLEAN: b"stream: OK\0",
    Result.INFECTED: b"stream: Win.Test FOUND\0",
    Result.LIMITS_EXCEEDED: b"stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND\0",
    Result.TOO_LARGE: b"INSTREAM size limit exceeded. ERROR\0",
    Result.NO_VERDICT: b"",
    Result.GARBAGE: b"stream: OK",
    Result.ERROR: b"stream: Can't allocate memory ERROR\0",
}
"""Of those that a daemon gives by what it says."""


def refusal_id(result: ScanResult) -> str | None:
    return result.refusal.id if result.refusal else None


@pytest.mark.parametrize("too_large", [False, True])
@pytest.mark.parametrize("unscanned", [False, True])
async def test_results(*, too_large: bool, unscanned: bool) -> None:
    answers = iter(ANSWERS.values())

    async def serve(visitor: Visitor) -> None:
        await visitor.read()
        await visitor.send(next(answers))

    results: dict[Result, ScanResult] = {}
    async with daemon(serve) as server:
        clamav = client(server.url, largest=LARGEST)
        scanner = Scanner(clamav, pass_too_large=too_large, pass_unscanned=unscanned)
        for expected in ANSWERS:
            result = await scanner.verdict(NAME, 5, lambda: chunks_of(b"hello"))
            assert result.result is expected
            assert result.seconds > 0
            results[expected] = result

    assert results[Result.CLEAN].refusal is None
    assert results[Result.CLEAN].detail is None
    assert results[Result.INFECTED].refusal == malware_found(NAME, "Win.Test")
    assert results[Result.INFECTED].detail == "Win.Test"
    limits = results[Result.LIMITS_EXCEEDED]
    assert limits.refusal == too_large_to_scan(NAME, None)
    assert limits.detail == "Heuristics.Limits.Exceeded.MaxScanSize"
    expected_refusal = None if too_large else too_large_to_scan(NAME, None)
    assert results[Result.TOO_LARGE].refusal == expected_refusal
    for failed in (Result.NO_VERDICT, Result.GARBAGE, Result.ERROR):
        assert refusal_id(results[failed]) == (None if unscanned else "gateway.scan_failed")
        assert results[failed].detail


@pytest.mark.parametrize("passes", [False, True])
async def test_a_file_that_is_larger_is_not_even_read(*, passes: bool) -> None:
    def chunks() -> AsyncIterator[bytes]:
        raise AssertionError

    async def serve(_: Visitor) -> None:
        raise AssertionError

    async with daemon(serve) as server:
        clamav = client(server.url, largest=LARGEST)
        scanner = Scanner(clamav, pass_too_large=passes, pass_unscanned=not passes)
        result = await scanner.verdict(NAME, LARGEST + 1, chunks)
    assert not server.visitors
    assert result.result is Result.TOO_LARGE
    assert result.detail == "11 bytes, and at most 10 are sent"
    assert result.refusal == (None if passes else too_large_to_scan(NAME, LARGEST))


async def test_one_of_the_largest_size_is_scanned() -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.read()
        await visitor.send(b"stream: OK\0")

    async with daemon(serve) as server:
        clamav = client(server.url, largest=LARGEST)
        scanner = Scanner(clamav, pass_too_large=False, pass_unscanned=False)
        result = await scanner.verdict(NAME, LARGEST, lambda: chunks_of(bytes(LARGEST)))
    assert result.result is Result.CLEAN


@pytest.mark.parametrize("passes", [False, True])
async def test_no_scanner(*, passes: bool) -> None:
    async def serve(visitor: Visitor) -> None:
        await visitor.until_closed()

    async with daemon(serve) as server:
        hasty = client(server.url, timeout=0.1)
        slow = Scanner(hasty, pass_too_large=not passes, pass_unscanned=passes)
        timeout = await slow.verdict(NAME, 5, lambda: chunks_of(b"hello"))
    gone = Scanner(client(server.url), pass_too_large=not passes, pass_unscanned=passes)
    unreachable = await gone.verdict(NAME, 5, lambda: chunks_of(b"hello"))
    assert (timeout.result, unreachable.result) == (Result.TIMEOUT, Result.UNREACHABLE)
    for result in (timeout, unreachable):
        assert refusal_id(result) == (None if passes else "gateway.scan_failed")
        assert server.url in str(result.detail)


async def test_trouble_with_the_file_passes_through() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"
        raise OSError(5, "the disk")

    async def serve(visitor: Visitor) -> None:
        await visitor.read()

    async with daemon(serve) as server:
        scanner = Scanner(client(server.url), pass_too_large=True, pass_unscanned=True)
        with pytest.raises(OSError, match="the disk"):
            await scanner.verdict(NAME, 5, chunks)


def test_a_verdict_decides() -> None:
    """Neither does an infected file pass, nor is a clean one refused."""
    with pytest.raises(ValueError, match="clean"):
        ScanResult(Result.CLEAN, scan_failed(1))
    for result in (Result.INFECTED, Result.LIMITS_EXCEEDED):
        with pytest.raises(ValueError, match=result):
            ScanResult(result, None, "x")


def test_every_failure_is_a_result() -> None:
    assert {str(failure) for failure in Failure} == set(Result) - {
        "clean",
        "infected",
        "limits_exceeded",
    }
