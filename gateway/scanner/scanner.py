"""What a scan means for a file: whether it may pass, and what is counted and logged."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter

from gateway.refusals import Refusal, malware_found, scan_failed, too_large_to_scan
from gateway.scanner.clamd import LIMITS_EXCEEDED, ClamAV, Failure, ScanFailed

_RETRY_AFTER = 10
"""Seconds."""


class Result(StrEnum):
    """What a scan came to; those that are no verdict have the names of ``Failure``."""

    CLEAN = "clean"
    INFECTED = "infected"
    LIMITS_EXCEEDED = "limits_exceeded"
    """clamd says itself that it has not looked at all of the file."""
    TOO_LARGE = Failure.TOO_LARGE
    UNREACHABLE = Failure.UNREACHABLE
    TIMEOUT = Failure.TIMEOUT
    NO_VERDICT = Failure.NO_VERDICT
    GARBAGE = Failure.GARBAGE
    ERROR = Failure.ERROR


@dataclass(frozen=True, slots=True)
class ScanResult:
    """One file's scan."""

    result: Result
    refusal: Refusal | None = None
    """None if the file may pass: it is clean, or the settings let it pass without a verdict."""
    detail: str | None = None
    """For the log: the signature, or why there is no verdict."""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        verdict = self.result in (Result.CLEAN, Result.INFECTED, Result.LIMITS_EXCEEDED)
        if verdict and (self.refusal is None) is not (self.result is Result.CLEAN):
            raise ValueError(f"{self.result} decides whether a file may pass")


class Scanner:
    """ClamAV, and what the settings say of files without a verdict."""

    def __init__(self, clamav: ClamAV, *, pass_too_large: bool, pass_unscanned: bool) -> None:
        """Files larger than ClamAV takes, and those of which it gives no verdict."""
        self.clamav = clamav
        self._pass_too_large = pass_too_large
        self._pass_unscanned = pass_unscanned

    async def verdict(
        self, name: str, size: int, chunks: Callable[[], AsyncIterator[bytes]]
    ) -> ScanResult:
        """On a file of ``size`` bytes. Raises what ``chunks`` raises.

        Larger ones than ClamAV may be sent are not read at all.
        """
        if size > self.clamav.largest:
            detail = f"{size} bytes, and at most {self.clamav.largest} are sent"
            return self._too_large(name, self.clamav.largest, detail, 0.0)
        begun = perf_counter()
        try:
            signature = await self.clamav.scan(chunks())
        except ScanFailed as error:
            seconds = perf_counter() - begun
            if error.reason is Failure.TOO_LARGE:
                return self._too_large(name, None, error.detail, seconds)
            refusal = None if self._pass_unscanned else scan_failed(_RETRY_AFTER)
            return ScanResult(Result(error.reason), refusal, error.detail, seconds)
        return _judged(name, signature, perf_counter() - begun)

    def _too_large(self, name: str, largest: int | None, detail: str, seconds: float) -> ScanResult:
        refusal = None if self._pass_too_large else too_large_to_scan(name, largest)
        return ScanResult(Result.TOO_LARGE, refusal, detail, seconds)


def _judged(name: str, signature: str | None, seconds: float) -> ScanResult:
    if signature is None:
        return ScanResult(Result.CLEAN, seconds=seconds)
    if signature.startswith(LIMITS_EXCEEDED):
        refusal = too_large_to_scan(name, None)
        return ScanResult(Result.LIMITS_EXCEEDED, refusal, signature, seconds)
    return ScanResult(Result.INFECTED, malware_found(name, signature), signature, seconds)
