"""What removing metadata takes, in MB/s: ``python -m bench.metadata``.

Everybody else waits meanwhile. The pictures are made here, of noise, which compresses as little as
photographs do; ``copied`` is what passing on the same pieces takes without looking at them.
"""

import argparse
import io
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from PIL import Image

from gateway.metadata.removal import Remover, needs_whole
from tests.metadata.pictures import ICC, XMP, exif

_PIECE = 256 * 1024
_SIDE = 3000


def _samples() -> dict[str, tuple[str, bytes]]:
    noise = Image.frombytes("RGB", (_SIDE, _SIDE), random.Random(1).randbytes(3 * _SIDE**2))
    made = {}
    kinds: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 92},
        "JPEG, progressive": {"quality": 92, "progressive": True},
        "PNG": {"compress_level": 1},
        "WebP": {"quality": 92, "method": 0},
    }
    for kind, options in kinds.items():
        name, buffer = kind.partition(",")[0], io.BytesIO()
        told = {"exif": exif(), "icc_profile": ICC, "xmp": XMP}
        noise.save(buffer, name.upper(), **told, **options)
        made[kind] = (f"image/{name.lower()}", buffer.getvalue())
    return made


def _pieces(content: bytes) -> list[bytes]:
    return [content[at : at + _PIECE] for at in range(0, len(content), _PIECE)]


def _removed(content_type: str, content: bytes, pieces: Iterable[bytes]) -> None:
    whole = io.BytesIO(content) if needs_whole(content_type) else None
    remover = Remover(content_type, leaves=False, whole=whole)
    for piece in pieces:
        remover.feed(piece)
    for _ in remover.finish():
        pass


def _copied(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        bytearray(piece)


def _speed(work: Callable[[], None], size: int, seconds: float) -> float:
    """MB/s of the best round."""
    best = float("inf")
    ends = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < ends:
        work()
        best = min(best, time.perf_counter() - begun)
    return size / best / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each number (default 0.5)")
    seconds = parser.parse_args().seconds
    print("| picture | MB | removed, MB/s | copied, MB/s |")
    print("| --- | --- | --- | --- |")
    for kind, (content_type, content) in _samples().items():
        pieces, size = _pieces(content), len(content)
        removed = _speed(partial(_removed, content_type, content, pieces), size, seconds)
        copied = _speed(partial(_copied, pieces), size, seconds)
        print(f"| {kind} | {size / 1e6:.1f} | {removed:,.0f} | {copied:,.0f} |")


if __name__ == "__main__":
    main()
