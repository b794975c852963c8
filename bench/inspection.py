"""What telling a file's type takes, in microseconds: ``python -m bench.inspection``.

Everybody else waits meanwhile. The files are made here, and as large as the head that is looked at;
``libmagic alone`` is what its answer to the first 16 KiB would take.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from functools import partial

from gateway.inspection.detector import HEAD_SIZE, Detector
from gateway.inspection.libmagic import LibMagic
from tests.inspection import files

_ASKED = 16 * 1024
_NOISE = random.Random(1).randbytes(HEAD_SIZE)
_PROSE = b"All work and no play makes Jack a dull boy.\n"
_OBJECT = json.dumps({"id": 12345, "name": "gateway", "ports": [8066, 8067]}).encode()


def _samples() -> dict[str, bytes]:
    return {
        "PNG": files.png() + _NOISE,
        "JPEG": files.jpeg() + _NOISE,
        "WebP": files.webp() + _NOISE,
        "GIF": files.gif() + _NOISE,
        "PDF": files.pdf() + _NOISE,
        "ZIP": files.zipped(("a.bin", _NOISE)),
        "ZIP, 400 entries": files.zipped(*((f"{i}.txt", _PROSE * 4) for i in range(400))),
        "DOCX": files.docx() + _NOISE,
        "MP4": files.mp4() + _NOISE,
        "MP3": files.mp3() + _NOISE,
        "gzip": files.tar_gz() + _NOISE,
        "Windows program": files.pe() + _NOISE,
        "prose": _PROSE * (HEAD_SIZE // len(_PROSE)),
        "prose, 16 KiB": _PROSE * (_ASKED // len(_PROSE)),
        "CSV": b"id,name,size\n" + b"1,gateway,8066\n" * 5000,
        "JSON": b"[" + _OBJECT + (b",\n" + _OBJECT) * 1000 + b"]",
        "UTF-16": ("Grüße aus Köln\n" * 2500).encode("utf-16"),
        "line feeds": b"\n" * HEAD_SIZE,
        "HTML": b"<!DOCTYPE html>" + b"<p>hello</p>\n" * 5000,
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<path d='M0 0'/>" * 3000,
        "shell script": b"#!/bin/sh\n" + b"echo hello\n" * 5000,
        "zeros": bytes(HEAD_SIZE),
        "noise": _NOISE,
    }


def _microseconds(work: Callable[[bytes], object], content: bytes, seconds: float) -> float:
    """The best of some rounds, each with as many calls as fit."""
    work(content)
    best = float("inf")
    ends = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < ends:
        for _ in range(10):
            work(content)
        best = min(best, (time.perf_counter() - begun) / 10)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each number (default 0.5)")
    seconds = parser.parse_args().seconds
    detector, libmagic = Detector(), LibMagic()
    closely = partial(detector.detect, closely=True)
    print("| file | type | µs | looking closely | libmagic alone |")
    print("| --- | --- | --- | --- | --- |")
    for name, content in _samples().items():
        head = content[:HEAD_SIZE]
        spent = (
            _microseconds(detector.detect, head, seconds),
            _microseconds(closely, head, seconds),
            _microseconds(libmagic.ask, head[:_ASKED], seconds),
        )
        numbers = " | ".join(f"{number:,.1f}" for number in spent)
        print(f"| {name} | `{detector.detect(head)}` | {numbers} |")


if __name__ == "__main__":
    main()
