"""What tells about people is gone from their pictures, and the pictures are the same."""

import io
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gateway.metadata.removal import Remover, Unparsable, check, needs_whole, strips
from tests.metadata import pictures
from tests.metadata.pictures import ICC, JPEG, NAMES, PNG, SECRET, WEBP, chunk, segment

ORIENTATION, GPS = 0x0112, 0x8825


def removed(
    content: bytes,
    content_type: str,
    splits: Iterable[int] = (),
    *,
    leaves: bool = False,
    pad_to: int | None = None,
) -> bytes:
    whole = io.BytesIO(content) if needs_whole(content_type) else None
    remover = Remover(content_type, leaves=leaves, pad_to=pad_to, whole=whole)
    places = [0, *sorted(splits), len(content)]
    pieces = [remover.feed(content[begin:end]) for begin, end in pairwise(places)]
    return b"".join([*pieces, *remover.finish()])


def test_types() -> None:
    assert all(strips(name) for name in (JPEG, PNG, WEBP, f"{JPEG}; with=script"))
    assert not any(strips(name) for name in ("image/gif", "image/heic", "application/pdf"))
    assert [needs_whole(name) for name in (JPEG, PNG, WEBP)] == [False, False, True]
    with pytest.raises(ValueError, match="image/gif"):
        Remover("image/gif", leaves=True)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_gone_and_the_picture_is_the_same(name: str) -> None:
    content_type, content = pictures.named(name)
    assert SECRET in content
    result = removed(content, content_type)
    assert SECRET not in result
    for word in (b"xmp", b"Photoshop", b"GPS", b"ftyp", b"MPF", b"Ducky"):
        assert word not in result
    assert pictures.frames(result) == pictures.frames(content)[: len(pictures.frames(result))]
    with Image.open(io.BytesIO(content)) as before, Image.open(io.BytesIO(result)) as after:
        exif = after.getexif()
        assert dict(exif) == {ORIENTATION: 6}
        assert exif.get_ifd(GPS) == {}
        assert after.info.get("icc_profile") == before.info.get("icc_profile")
        for kept in ("dpi", "jfif_density", "adobe_transform", "transparency", "duration", "loop"):
            assert after.info.get(kept) == before.info.get(kept)
        assert not {"comment", "xmp", "photoshop", "Comment", "Packed"} & set(after.info)
        assert after.size == before.size
        frames = getattr(after, "n_frames", 1)
        assert frames == (4 if "animated" in name or "frame" in name else 1)


@pytest.mark.parametrize("name", NAMES)
def test_once_is_enough(name: str) -> None:
    content_type, content = pictures.named(name)
    result = removed(content, content_type)
    assert removed(result, content_type) == result
    assert check(io.BytesIO(result), content_type) == len(result)


@pytest.mark.parametrize("name", NAMES)
def test_padding_behind_the_picture(name: str) -> None:
    content_type, content = pictures.named(name)
    result = removed(content, content_type)
    padded = removed(content, content_type, pad_to=len(content))
    assert len(padded) == len(content)
    assert padded.startswith(result)
    assert pictures.frames(padded) == pictures.frames(result)
    assert removed(padded, content_type) == result


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_however_it_is_split(data: st.DataObject) -> None:
    content_type, content = pictures.named(data.draw(st.sampled_from(NAMES)))
    places = st.integers(0, len(content))
    splits = data.draw(st.lists(places, max_size=20))
    assert removed(content, content_type, splits) == removed(content, content_type)


def test_byte_by_byte() -> None:
    for content_type, content in pictures.of_each_type():
        assert removed(content, content_type, range(len(content))) == removed(content, content_type)


@pytest.mark.parametrize("content_type", [JPEG, PNG, WEBP])
def test_a_picture_as_stored_gets_no_exif(content_type: str) -> None:
    kind = content_type.removeprefix("image/").upper()
    buffer = io.BytesIO()
    pictures.picture("RGB").save(buffer, kind, exif=pictures.exif(1))
    result = removed(buffer.getvalue(), content_type)
    assert SECRET in buffer.getvalue()
    with Image.open(io.BytesIO(result)) as opened:
        assert not opened.getexif()
    assert b"xif" not in result.lower()


def test_the_first_exif_counts() -> None:
    """Decoders do not look at a second one."""
    upright, turned = pictures.exif(1), pictures.exif(3)
    begin, rest = b"\xff\xd8" + segment(0xE1, upright), pictures.named("JPEG RGB")[1][2:]
    assert b"Exif" not in removed(begin + segment(0xE1, turned) + rest, JPEG)
    upright, turned = (chunk(b"eXIf", exif[6:]) for exif in (upright, turned))
    assert b"eXIf" not in removed(_PNG_BEGINS + upright + turned + _PNG_ENDS, PNG)
    content = pictures.named("WebP RGB")[1]
    exif = content.index(b"EXIF")
    first = pictures.riff(b"EXIF", pictures.exif(1)[6:])
    size = int.from_bytes(content[4:8], "little") + 8
    both = pictures.with_riff_size(content[:exif] + first + content[exif:size])
    assert b"EXIF" not in removed(both, WEBP)


@pytest.mark.parametrize("content_type", [JPEG, PNG, WEBP])
def test_nothing_to_remove(content_type: str) -> None:
    kind = content_type.removeprefix("image/").upper()
    buffer = io.BytesIO()
    pictures.picture("RGB").save(buffer, kind, icc_profile=ICC)
    assert removed(buffer.getvalue(), content_type) == buffer.getvalue()


def test_a_thumbnail_in_jfif() -> None:
    content = b"\xff\xd8" + segment(0xE0, b"JFIF\0\x01\x02\x01\0\x48\0\x48\x01\x02" + SECRET)
    content += pictures.named("JPEG RGB")[1][20:]
    result = removed(content, JPEG)
    assert SECRET not in result
    assert result.startswith(b"\xff\xd8" + segment(0xE0, b"JFIF\0\x01\x02\x01\0\x48\0\x48\0\0"))


def test_a_jpeg_in_arithmetic_coding() -> None:
    """No decoder here reads it, and none is needed."""
    frame = segment(0xCA, bytes.fromhex("08000100010101") + b"\x11\0")
    conditioning = segment(0xCC, b"\0\x10")
    scan = segment(0xDA, b"\x01\x01\0\0\0\0") + b"\xff\0\x12\xff\xd3\x34" * 9
    lines = segment(0xDC, b"\0\x01")
    kept = (frame, conditioning, scan, lines, scan, b"\xff\xd9")
    told = segment(0xFE, SECRET)
    assert removed(b"\xff\xd8" + told + told.join(kept), JPEG) == b"\xff\xd8" + b"".join(kept)


def test_the_end_of_a_jpeg_may_be_missing() -> None:
    content = pictures.named("JPEG RGB")[1]
    scan = content.index(b"\xff\xda")
    cut = content[: scan + 200]
    assert SECRET in cut
    result = removed(cut, JPEG)
    assert result.endswith(content[scan : scan + 200])
    assert SECRET not in result
    assert check(io.BytesIO(cut), JPEG) == len(result)
    assert removed(cut, JPEG, pad_to=len(cut)) == result.ljust(len(cut), b"\xff")


_PNG_BEGINS = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(12) + b"\0")
_PNG_ENDS = chunk(b"IDAT", b"") + chunk(b"IEND", b"")
_WEBP_BEGINS = b"RIFF....WEBP"
_JPEG_ENDS = segment(0xDA, b"\0") + b"\xff\xd9"
UNPARSABLE = {
    "nothing": (JPEG, b""),
    "no JPEG": (JPEG, b"\xff\xd9\xff\xd8"),
    "JPEG without a scan": (JPEG, b"\xff\xd8\xff\xd9"),
    "JPEG of garbage": (JPEG, b"\xff\xd8" + bytes(70_000) + _JPEG_ENDS),
    "JPEG in a JPEG": (JPEG, b"\xff\xd8\xff\xd8" + _JPEG_ENDS),
    "JPEG with a segment of no size": (JPEG, b"\xff\xd8\xff\xe1\0\1" + _JPEG_ENDS),
    "JPEG with a reserved marker": (JPEG, b"\xff\xd8\xff\x02" + _JPEG_ENDS),
    "JPEG with an extension's marker": (JPEG, b"\xff\xd8" + segment(0xF8, b"x") + _JPEG_ENDS),
    "JPEG with a reserved marker in its scan": (JPEG, b"\xff\xd8" + _JPEG_ENDS[:-1] + b"\x02"),
    "no PNG": (PNG, b"\x89PNG\r\n\x1a\r" + _PNG_ENDS),
    "PNG without a head": (PNG, b"\x89PNG\r\n\x1a\n" + _PNG_ENDS),
    "PNG with two heads": (PNG, _PNG_BEGINS + _PNG_BEGINS[8:] + _PNG_ENDS),
    "PNG without an end": (PNG, _PNG_BEGINS + chunk(b"IDAT", b"")),
    "PNG cut in its end": (PNG, (_PNG_BEGINS + _PNG_ENDS)[:-1]),
    "PNG with an unknown critical chunk": (PNG, _PNG_BEGINS + chunk(b"CgBI", b"") + _PNG_ENDS),
    "PNG with a palette too large": (PNG, _PNG_BEGINS + chunk(b"PLTE", bytes(999)) + _PNG_ENDS),
    "PNG with a chunk's name of digits": (PNG, _PNG_BEGINS + chunk(b"tEX1", b"") + _PNG_ENDS),
    "PNG with a chunk larger than allowed": (PNG, _PNG_BEGINS + b"\x80\0\0\0tEXt" + _PNG_ENDS),
    "PNG with something in its end": (PNG, _PNG_BEGINS + chunk(b"IEND", b"x")),
    "no WebP": (WEBP, b"RIFF\4\0\0\0WAVE"),
    "WebP of nothing": (WEBP, b"RIFF\4\0\0\0WEBP"),
    "WebP that breaks off": (WEBP, pictures.named("WebP RGB")[1][:300]),
    "WebP that begins with metadata": (
        WEBP,
        pictures.with_riff_size(_WEBP_BEGINS + b"EXIF\0\0\0\0"),
    ),
    "WebP without a picture": (
        WEBP,
        pictures.with_riff_size(_WEBP_BEGINS + b"VP8X\x0a\0\0\0" + bytes(10)),
    ),
    "WebP with a chunk beyond its end": (
        WEBP,
        pictures.with_riff_size(_WEBP_BEGINS + b"VP8L\2\0\0\0x"),
    ),
    "WebP with a strange head": (
        WEBP,
        pictures.with_riff_size(_WEBP_BEGINS + b"VP8X\x0c\0\0\0" + bytes(12) + b"VP8L\0\0\0\0"),
    ),
}


@pytest.mark.parametrize("name", UNPARSABLE)
def test_what_cannot_be_parsed(name: str) -> None:
    content_type, content = UNPARSABLE[name]
    with pytest.raises(Unparsable):
        removed(content, content_type)
    with pytest.raises(Unparsable):
        check(io.BytesIO(content), content_type)


@pytest.mark.parametrize("name", UNPARSABLE)
def test_what_cannot_be_parsed_is_left_as_it_is(name: str) -> None:
    content_type, content = UNPARSABLE[name]
    assert removed(content, content_type, range(0, len(content), 7), leaves=True) == content
    assert removed(content, content_type, leaves=True, pad_to=len(content)) == content


def test_what_was_removed_before_it_stays_removed() -> None:
    told, rest = segment(0xFE, SECRET), b"\xff\x02and SO on" + segment(0xFE, b"left")
    content = b"\xff\xd8" + told + rest
    assert removed(content, JPEG, leaves=True) == b"\xff\xd8" + rest
    assert removed(content, JPEG, [5, 15], leaves=True, pad_to=len(content)) == (
        b"\xff\xd8" + rest + b"\xff" * len(told)
    )
    content = _PNG_BEGINS + chunk(b"tEXt", SECRET) + chunk(b"CgBI", b"") + chunk(b"tEXt", b"left")
    assert removed(content, PNG, leaves=True) == content.replace(chunk(b"tEXt", SECRET), b"")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage(data: st.DataObject) -> None:
    """Whatever comes is Unparsable or has a result: the same one for all, and not longer."""
    content_type, content = pictures.named(data.draw(st.sampled_from(NAMES)))
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for at in data.draw(st.lists(st.integers(0, max(0, len(damaged) - 1)), max_size=6)):
        damaged[at : at + 1] = data.draw(st.binary(max_size=2))
    given_in = bytes(damaged)
    left = removed(given_in, content_type, leaves=True)
    assert len(left) <= len(given_in)
    try:
        size = check(io.BytesIO(given_in), content_type)
    except Unparsable:
        with pytest.raises(Unparsable):
            removed(given_in, content_type)
    else:
        assert removed(given_in, content_type) == left
        assert size == len(left)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("content_type", "begin", "unit"),
    [
        (JPEG, b"\xff\xd8", b"\xff\xfe\0\2"),
        (JPEG, b"\xff\xd8", b"\xff\xe2\0\2"),
        (JPEG, b"\xff\xd8\xff\xda\0\2", b"\0\xff\xda\0\2"),
        (PNG, _PNG_BEGINS, chunk(b"IDAT", b"")),
        (PNG, _PNG_BEGINS, chunk(b"tEXt", b"")),
        (WEBP, b"RIFF\xf8\xff\x0f\0WEBPVP8L\0\0\0\0", b"VP8L\0\0\0\0"),
        (WEBP, b"RIFF\xf8\xff\x0f\0WEBPVP8L\0\0\0\0", b"EXIF\0\0\0\0"),
    ],
)
def test_many_tiny_parts_keep_nobody_waiting(content_type: str, begin: bytes, unit: bytes) -> None:
    content = begin + unit * (2**20 // len(unit))
    with pytest.raises(Unparsable):
        check(io.BytesIO(content), content_type)
    assert len(removed(content, content_type, leaves=True)) <= len(content)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("content_type", "begin", "piece"),
    [
        (JPEG, b"\xff\xd8", b"\xff" * 2**18),
        (JPEG, b"\xff\xd8", bytes(2**18)),
        (JPEG, b"\xff\xd8", segment(0xE1, bytes(65_000)) * 4),
        (JPEG, b"\xff\xd8\xff\xda\0\2", b"\xff" * 2**18),
        (JPEG, b"\xff\xd8\xff\xda\0\2\xff\xd9", bytes(2**18)),
        (PNG, _PNG_BEGINS + b"\x7f\0\0\0eXIf", bytes(2**18)),
        (PNG, _PNG_BEGINS + _PNG_ENDS, bytes(2**18)),
    ],
)
def test_memory_is_bounded(content_type: str, begin: bytes, piece: bytes) -> None:
    """Of 32 MiB that are nothing but trouble, less than one is ever held."""
    remover = Remover(content_type, leaves=True, pad_to=2**26)
    remover.feed(begin)
    tracemalloc.start()
    try:
        for data in repeat(piece, 128):
            remover.feed(data)
        assert all(len(data) <= 2**18 for data in remover.finish())
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
