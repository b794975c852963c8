"""Sizes and durations as people write them: ``100MiB``, ``1.5GB``, ``30s``, ``5m``."""

import re

from gateway.phrases import Phrase, phrase, plural

_SIZE_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_DURATION_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NEXT = 1023.95
"""What is more than that of one unit is written in the next."""
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes in ``text``. Raises ValueError with a sentence for the administrator."""
    return round(_parse(text, _SIZE_UNITS, "a size such as 512KiB, 100MiB or 2GiB"))


def parse_duration(text: str) -> float:
    """Seconds in ``text``. Raises ValueError with a sentence for the administrator."""
    return _parse(text, _DURATION_UNITS, "a duration such as 500ms, 30s, 5m or 1h")


def _parse(text: str, units: dict[str, float] | dict[str, int], expected: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2].lower() not in units:
        raise ValueError(f"{text!r} is not {expected}")
    return float(match[1]) * units[match[2].lower()]


def told_size(size: int) -> Phrase:
    """``size`` bytes for people: ``104857600`` → ``100 MiB``."""
    if size < 1024:
        return plural("{amount} byte", "{amount} bytes", size, amount=str(size))
    amount = size / 1024
    if amount < _NEXT:
        return phrase("{amount} KiB", amount=round(amount, 1))
    amount /= 1024
    if amount < _NEXT:
        return phrase("{amount} MiB", amount=round(amount, 1))
    amount /= 1024
    if amount < _NEXT:
        return phrase("{amount} GiB", amount=round(amount, 1))
    return phrase("{amount} TiB", amount=round(amount / 1024, 1))


def format_size(size: int) -> str:
    """The same in English."""
    return str(told_size(size))
