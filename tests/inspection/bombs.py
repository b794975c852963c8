"""Small files that are large pictures, or that ask for much otherwise."""

import io
import struct
import zlib

from PIL import Image

from tests.inspection import files

SIDE = 50_000
"""Pixels."""
FRAMES = 50_000
_AT_ONCE = 400
"""Rows."""


def png() -> bytes:
    """A whole one, of one bit for a pixel: 313 MB once its data are unpacked, 2.5 GB decoded."""
    rows = (b"\0" + bytes(SIDE // 8)) * _AT_ONCE
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 1
    for _ in range(SIDE // _AT_ONCE):
        checksum = zlib.adler32(rows, checksum)
    data = b"\x78\xda" + packed * (SIDE // _AT_ONCE) + b"\x03\0" + struct.pack(">I", checksum)
    return _png(chunk(b"IDAT", data), bits=1)


def _png(*chunks: bytes, side: int = SIDE, bits: int = 8) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def apng(count: int = FRAMES) -> bytes:
    """Frames of a pixel each."""
    image = zlib.compress(b"\0\0")
    frame = chunk(b"fcTL", bytes(4) + struct.pack(">IIIIHHBB", 1, 1, 0, 0, 1, 10, 0, 0))
    frame += chunk(b"fdAT", bytes(4) + image)
    animation = chunk(b"acTL", struct.pack(">II", count, 0))
    return _png(animation, chunk(b"IDAT", image), frame * count, side=1)


def png_of_chunks() -> bytes:
    """Two million, of nothing, in what says to be an animation."""
    animation = chunk(b"acTL", struct.pack(">II", 2, 0))
    return _png(animation, chunk(b"teSt", b"") * 2_000_000, side=1)


def png_with_long_text() -> bytes:
    """A comment that unpacks to 40 MiB."""
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(40 * 2**20), 9))
    return _png(text, chunk(b"IDAT", zlib.compress(b"\0\0")), side=1)


def jpeg() -> bytes:
    """A whole one, of 8 by 8, that says to be larger."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "JPEG")
    content = bytearray(buffer.getvalue())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", 65_500, 65_500)
    return bytes(content)


def jpeg_of_segments() -> bytes:
    """A million comments of nothing."""
    content = jpeg()
    return content[:2] + b"\xff\xfe\0\x02" * 1_000_000 + content[2:]


def gif() -> bytes:
    """Whose only frame is as large as it is."""
    screen = struct.pack("<HHBBB", SIDE, SIDE, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<HHHHB", 0, 0, SIDE, SIDE, 0) + b"\x02\x02D\x01\0"
    return b"GIF89a" + screen + frame + b";"


def gif_of_frames(count: int = FRAMES) -> bytes:
    frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    return files.gif()[:19] + frame * count + b";"


def gif_of_blocks() -> bytes:
    """Twenty million, of a byte each."""
    return files.gif()[:19] + b"!\xfe" + b"\x01a" * 20_000_000 + b"\0;"


def tiff(side: int = SIDE, pages: int = 1) -> bytes:
    """Of nothing but sizes."""
    content, at = bytearray(b"II*\0\x08\0\0\0"), 8
    for page in range(pages):
        at += 2 + 3 * 12 + 4
        entries = struct.pack("<HHHII", 3, 256, 4, 1, side) + struct.pack("<HHII", 257, 4, 1, side)
        entries += struct.pack("<HHII", 258, 3, 1, 8)
        content += entries + struct.pack("<I", at if page + 1 < pages else 0)
    return bytes(content)


def tiff_of_pages(count: int = FRAMES) -> bytes:
    return tiff(1, count)


def webp() -> bytes:
    bits = 16_383 | 16_383 << 14
    data = b"\x2f" + struct.pack("<I", bits) + b"\x07"
    body = b"VP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def svg_of_entities() -> bytes:
    """A billion words, once its entities are put in (“billion laughs”)."""
    lines = [f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)]
    head = "<!DOCTYPE svg [<!ENTITY a0 'ha'>" + "".join(lines) + "]>"
    return f"{head}<svg xmlns='http://www.w3.org/2000/svg'>&a9;</svg>".encode()


def svg_of_uses() -> bytes:
    """20 MB of what has to be looked at."""
    return b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<use href='#a'/>" * 1_300_000 + b"</svg>"
