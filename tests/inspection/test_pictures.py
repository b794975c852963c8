"""The size of a picture is the largest that any decoder would make of it."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.dimensions import Dimensions
from gateway.inspection.detector import HEAD_SIZE
from gateway.inspection.pictures import is_measured, measure, measured_in_head

from . import files

SIZE = (83, 37)


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(SIZE, 50).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def several(count: int) -> dict[str, Any]:
    turned = Image.effect_noise(SIZE, 50)
    shown = [turned.rotate(90 * turn) for turn in range(count - 1)]
    return {"save_all": True, "append_images": shown}


MADE = {
    "JPEG": (saved("JPEG"), 1),
    "JPEG, progressive": (saved("JPEG", "CMYK", progressive=True), 1),
    "PNG": (saved("PNG"), 1),
    "PNG, animated": (saved("PNG", **several(4)), 4),
    "GIF": (saved("GIF", "P"), 1),
    "GIF, animated": (saved("GIF", "L", **several(5)), 5),
    "WebP": (saved("WEBP"), 1),
    "WebP, lossless": (saved("WEBP", lossless=True), 1),
    "WebP, extended": (saved("WEBP", "RGBA", exif=b"Exif\0\0II*\0"), 1),
    "WebP, animated": (saved("WEBP", **several(3)), 3),
    "BMP": (saved("BMP"), 1),
    "BMP, upside down": (saved("BMP")[:22] + struct.pack("<i", -SIZE[1]) + saved("BMP")[26:], 1),
    "BMP for OS/2": (b"BM" + bytes(12) + struct.pack("<IHHHH", 12, *SIZE, 1, 24), 1),
    "TIFF": (saved("TIFF"), 1),
    "TIFF, compressed": (saved("TIFF", compression="tiff_lzw"), 1),
    "TIFF of pages": (saved("TIFF", "L", **several(3)), 3),
    "TIFF, big": (saved("TIFF", big_tiff=True, **several(2)), 2),
    "PSD": (b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, SIZE[1], SIZE[0], 8, 3), 1),
}


@pytest.mark.parametrize("name", MADE)
def test_it_is_measured(name: str) -> None:
    content, frames = MADE[name]
    expected = Dimensions(*SIZE, frames)
    assert is_measured(content[:HEAD_SIZE])
    assert measure(io.BytesIO(content)) == expected
    assert measured_in_head(content) == expected
    assert expected.pixels == 83 * 37


@pytest.mark.parametrize("name", MADE)
def test_a_head_tells_all_or_nothing(name: str) -> None:
    content, frames = MADE[name]
    for size in range(0, len(content), 5):
        assert measured_in_head(content[:size]) in (None, Dimensions(*SIZE, frames))


@pytest.mark.parametrize(
    "head", [files.pdf(), files.webp()[:8] + b"WAVE", b"BM is not a picture", b"", b"GIF", b"<svg>"]
)
def test_what_is_no_picture(head: bytes) -> None:
    assert not is_measured(head)
    assert measured_in_head(head) is None
    assert measure(io.BytesIO(head)) is None


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def frame(width: int, height: int, marker: int = 0xC0) -> bytes:
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0")


SCAN = segment(0xDA, b"\x01\x01\0\0\0\0") + b"\0\xff\0\xff\xd9"
THUMBNAIL = b"Exif\0\0" + b"\xff\xd8" + frame(9000, 9000) + SCAN
JPEGS = {
    "behind megabytes": segment(0xE2, bytes(65_000)) * 40 + frame(70, 50) + SCAN,
    "behind a thumbnail": segment(0xE1, THUMBNAIL) + frame(70, 50) + SCAN,
    "behind fill bytes": b"\xff" * 70_000 + frame(70, 50)[1:] + SCAN,
    "behind garbage": bytes(100_000) + b"\xff\0" + frame(70, 50) + SCAN,
    "behind restarts": b"\xff\xd0\xff\x01" + frame(70, 50) + SCAN,
    "before a thumbnail": frame(70, 50) + segment(0xE1, THUMBNAIL) + SCAN,
    "before another picture": frame(70, 50) + SCAN + b"\xff\xd8" + frame(9000, 9000) + SCAN,
    "the largest of several": frame(10, 50) + frame(70, 10, 0xC9) + frame(7, 7, 0xDE) + SCAN,
    "not of tables": segment(0xC4, bytes(20)) + segment(0xCC, bytes(20)) + frame(70, 50) + SCAN,
    "of one that breaks off": frame(70, 50) + b"\xff",
}


@pytest.mark.parametrize("name", JPEGS)
def test_the_frame_of_a_jpeg(name: str) -> None:
    content = b"\xff\xd8" + JPEGS[name]
    assert measure(io.BytesIO(content)) == Dimensions(70, 50)
    in_head = measured_in_head(content[:HEAD_SIZE])
    assert in_head == (Dimensions(70, 50) if "before" in name or "largest" in name else in_head)


def test_a_frame_of_a_gif_beyond_its_canvas() -> None:
    image = b"," + struct.pack("<4HB", 100, 200, 50, 60, 0x81) + bytes(12) + b"\x02\x02D\x01\0"
    start = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0)
    comment = b"!\xfe" + (b"\xff" + b"," * 255) * 400 + b"\0"
    content = start + image + comment + b"\0\0" + image + b";" + image
    assert measure(io.BytesIO(content)) == Dimensions(150, 260, 2)
    assert measured_in_head(content[:HEAD_SIZE]) is None
    assert measure(io.BytesIO(content[:-40])) == Dimensions(150, 260, 2)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_frames_of_a_png() -> None:
    """Told twice, by the count and by the frames; the larger counts. Behind a picture that is not
    said to be animated nobody looks for any."""
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 8, 8, 0, 0, 0, 0))
    count, end = chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"IEND", b"")
    one = chunk(b"fcTL", struct.pack(">III", 0, 20, 5) + bytes(14)) + chunk(b"IDAT", bytes(9))
    assert measure(io.BytesIO(start + count + one * 3 + end)) == Dimensions(20, 8, 3)
    assert measure(io.BytesIO(start + count + one + end)) == Dimensions(20, 8, 2)
    assert measure(io.BytesIO(start + chunk(b"IDAT", b"") + count + one)) == Dimensions(9, 8, 1)
    long = start + count + one + chunk(b"IDAT", bytes(HEAD_SIZE))
    assert measured_in_head(long[:HEAD_SIZE]) is None
    assert measured_in_head((start + chunk(b"IDAT", bytes(HEAD_SIZE)))[:HEAD_SIZE]) is not None


def test_a_bomb() -> None:
    """50,000 by 50,000 pixels in a few bytes."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10**6)))
    dimensions = measured_in_head(bomb)
    assert dimensions is not None
    assert dimensions.pixels == 2_500_000_000


def test_a_frame_of_a_webp_beyond_its_canvas() -> None:
    def small(*sizes: int) -> bytes:
        return b"".join(size.to_bytes(3, "little") for size in sizes)

    content = bytearray(MADE["WebP, animated"][0])
    at = content.index(b"ANMF") + 8
    content[at : at + 12] = small(50, 60, 399, 299)
    assert measure(io.BytesIO(content)) == Dimensions(500, 420, 3)


def test_a_tiff_that_goes_round_in_circles() -> None:
    entries = b"".join(struct.pack("<HHIHH", tag, 3, 1, 9, 0) for tag in (256, 257))
    page = struct.pack("<H", 2) + entries
    assert measure(io.BytesIO(b"II*\0\x08\0\0\0" + page + bytes(4))) == Dimensions(9, 9)
    assert measure(io.BytesIO(b"II*\0\x08\0\0\0" + page + b"\x08\0\0\0")) is None


def test_the_largest_page_of_a_tiff_wherever_it_lies() -> None:
    def page(order: str, width: int, height: int, behind: int) -> bytes:
        sizes = struct.pack(f"{order}HHII", 256, 4, 1, width)
        sizes += struct.pack(f"{order}HHII", 257, 4, 1, height)
        return struct.pack(f"{order}H", 2) + sizes + struct.pack(f"{order}I", behind)

    content = b"MM\0*" + struct.pack(">I", 500_000) + page(">", 300, 200, 0)
    content = content.ljust(500_000, b"\0") + page(">", 20, 400, 8)
    assert measure(io.BytesIO(content)) == Dimensions(300, 400, 2)
    assert measured_in_head(content[:HEAD_SIZE]) is None


UNREADABLE = {
    "JPEG without a frame": b"\xff\xd8" + SCAN,
    "JPEG of no height": b"\xff\xd8" + frame(70, 0) + SCAN,
    "JPEG of fill bytes": b"\xff\xd8" + b"\xff" * 2_000_000,
    "PNG of no width": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + chunk(b"IDAT", b""),
    "GIF of nothing": b"GIF89a",
    "TIFF of nothing": b"II*\0\0\0\0\0",
    "TIFF with too many entries": b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\0\0\1\0\0\0\0\0",
    "TIFF beyond all ends": b"II+\0\x08\0\0\0" + b"\xff" * 8,
    "BMP that breaks off": b"BM" + bytes(12) + b"\x28\0\0\0",
    "WebP of no picture": b"RIFF\x40\0\0\0WEBPVP8L\5\0\0\0" + bytes(5),
    "WebP of no size": b"RIFF\4\0\0\0WEBPVP8L\5\0\0\0\x2f" + bytes(5),
    "WebP of another": b"RIFF\x40\0\0\0WEBPVP8 \xff\0\0\0" + bytes(50),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_measured(name: str) -> None:
    """Somebody else might."""
    assert is_measured(UNREADABLE[name])
    assert measure(io.BytesIO(UNREADABLE[name])) is None
    assert measured_in_head(UNREADABLE[name]) is None


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("begin", "unit"),
    [
        (b"\xff\xd8", b"\xff\xfe\0\2"),
        (b"\xff\xd8", b"\0\xff\xfe\0\2"),
        (b"GIF89a\1\0\1\0\0\0\0!\xfe", b"\1x"),
        (b"GIF89a\1\0\1\0\0\0\0", b"!\xfe\0"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\1" * 2 + bytes(5)), chunk(b"tEXt", b"")),
        (b"RIFF\xff\xff\xff\xffWEBP", b"JUNK\0\0\0\0"),
    ],
)
def test_many_tiny_parts_keep_nobody_waiting(begin: bytes, unit: bytes, tmp_path: Path) -> None:
    """No honest file is made of so many."""
    path = tmp_path / "picture"
    path.write_bytes(begin + unit * (2**24 // len(unit)))
    with path.open("rb") as file:
        assert measure(file) is None


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage(data: st.DataObject) -> None:
    """There always is an answer; and a picture that Pillow opens is not smaller."""
    content, _ = MADE[data.draw(st.sampled_from(sorted(MADE)))]
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=4)):
        damaged[at : at + 1] = data.draw(st.binary(max_size=2))
    measured = measure(io.BytesIO(damaged))
    assert measured_in_head(bytes(damaged)) in (None, measured)
    if measured is not None:
        size = _as_pillow_sees_it(bytes(damaged))
        assert measured.width >= size[0]
        assert measured.height >= size[1]


def _as_pillow_sees_it(content: bytes) -> tuple[int, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as opened:
                return opened.size
        except Exception:
            return (0, 0)


def test_dimensions_are_those_of_a_picture() -> None:
    for wrong in ((0, 1, 1), (1, -1, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="no picture"):
            Dimensions(*wrong)
