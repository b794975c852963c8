"""The files of the demo, made on the spot: a picture, a document, a text, and worse; rules."""

import math
import random
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from gateway.demo.photograph import Colour, Place, photograph

PICTURE = "sunset.png"
DOCUMENT = "report.pdf"
TEXT = "notes.txt"
PROGRAM = "invoice.pdf"
FILM = "film.mp4"
PHOTOS = ("photo-1.png", "photo-2.png")
SCRIPT = "deploy.sh"
ARCHIVE = "papers.zip"
ENTRY = "papers/invoice.pdf"
"""What is wrong with it."""
SNAPSHOT = "beach.jpg"
BEACH = Place((54, 11, 20), (7, 52, 48))
RULES = "rules.toml"

_NOTES = """\
Shopping list for the release party

- lemonade
- a cake with as many candles as bugs were fixed
- fire extinguisher
"""

_SCRIPT = """\
#!/bin/sh
echo "Deployed."
"""
_RULES = """\
[[rule]]
name = "guests"
when.role = "guest"
enforce = false
allowed_types = ["images", "documents", "archives"]
archives = true
strip_metadata = true
message = "Guests share pictures and papers."
"""


def write_samples(folder: Path) -> None:
    """Put all files into ``folder``."""
    (folder / PICTURE).write_bytes(_sunset(320, 200))
    (folder / DOCUMENT).write_bytes(_document("Uploads of the quarter", "All is well."))
    (folder / TEXT).write_text(_NOTES, encoding="utf-8")
    (folder / PROGRAM).write_bytes(_windows_program())
    (folder / FILM).write_bytes(_film(3 * 2**20))
    for name in PHOTOS:
        (folder / name).write_bytes(_photo(640, 480, name))
    (folder / SCRIPT).write_text(_SCRIPT, encoding="utf-8")
    (folder / SNAPSHOT).write_bytes(photograph(40, 30, _beach, BEACH))
    (folder / RULES).write_text(_RULES, encoding="utf-8")
    with zipfile.ZipFile(folder / ARCHIVE, "w") as archive:
        archive.write(folder / DOCUMENT, "papers/report.pdf")
        archive.write(folder / PROGRAM, ENTRY)


def _png(width: int, height: int, rows: Iterable[bytes], compression: int) -> bytes:
    """A picture with eight bits for each of red, green and blue (PNG, ISO/IEC 15948)."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in rows)  # each row is stored as it is: filter type 0
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(pixels, compression)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _sunset(width: int, height: int) -> bytes:
    horizon = height * 2 // 3

    def pixel(x: int, y: int) -> tuple[int, int, int]:
        if y > horizon:
            glitter = 40 if abs(x - width / 2) < 30 and (x * 7 + y * 13) % 11 < 4 else 0
            return 40 + glitter * 4, 40 + glitter * 2, 90 + glitter
        if math.hypot(x - width / 2, y - horizon) < height / 5:
            return 255, 235, 160
        height_above = y / horizon
        return (
            90 + int(160 * height_above),
            70 + int(70 * height_above),
            130 - int(50 * height_above),
        )

    rows = (bytes(part for x in range(width) for part in pixel(x, y)) for y in range(height))
    return _png(width, height, rows, 9)


def _photo(width: int, height: int, seed: str) -> bytes:
    """Noise, which takes as much room as a real photo."""
    noise = random.Random(seed)  # noqa: S311 - no secret
    return _png(width, height, (noise.randbytes(3 * width) for _ in range(height)), 0)


def _document(title: str, text: str) -> bytes:
    """One page with two lines of text (PDF, ISO 32000)."""
    content = f"BT /F1 24 Tf 72 720 Td ({title}) Tj /F1 12 Tf 0 -36 Td ({text}) Tj ET"
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    pdf = "%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(pdf))
        pdf += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    start = len(pdf)
    pdf += f"xref\n0 {size}\n0000000000 65535 f \n{table}"
    pdf += f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return pdf.encode("ascii")


def _windows_program() -> bytes:
    """The head of a program for Windows (PE format), which holds no code at all."""
    start = 0x80
    dos = b"MZ" + bytes(58) + struct.pack("<I", start)
    stub = b"This program cannot be run in DOS mode.\r\r\n$".ljust(start - len(dos), b"\0")
    x86_64, executable = 0x8664, 0x22
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", x86_64, 0, 0, 0, 0, 240, executable)
    console, pe32_plus = 3, 0x20B
    optional = struct.pack("<H", pe32_plus).ljust(68, b"\0") + struct.pack("<H", console)
    return dos + stub + coff + optional.ljust(240, b"\0") + bytes(4096)


def _film(size: int) -> bytes:
    """A film of ``size`` bytes in which nothing can be seen (ISO base media file format)."""
    kind = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp41")
    return kind + struct.pack(">I4s", size - len(kind), b"mdat") + bytes(size - len(kind) - 8)


def _beach(column: int, row: int) -> Colour:
    """Of a block of the picture."""
    if row < 14:
        return 120 + 6 * row, 180 + 3 * row, 235
    if row < 20:
        return 30, 100 + 6 * (row - 14), 150
    return 225 - (column * 7 + row * 5) % 9, 205 - (column * 3 + row) % 7, 150
