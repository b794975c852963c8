"""Pictures made with Pillow that tell SECRET in every place where a picture can tell something."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial

from PIL import Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
SECRET = b"SECRET"
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
_SIZE = (61, 47)
_GPS, _MAKER_NOTE, _EXIF_DIRECTORY = 0x8825, 0x927C, 0x8769


def exif(orientation: int = 6) -> bytes:
    """With a place, a maker's note, a description and a thumbnail."""
    made = Image.Exif()
    made[0x0112] = orientation
    made[0x010E] = "SECRET description"
    made.get_ifd(_GPS).update({1: "N", 2: (50.9, 56.0, 29.0), 29: "SECRET"})
    made.get_ifd(_EXIF_DIRECTORY)[_MAKER_NOTE] = b"SECRET maker note"
    return made.tobytes()


def picture(mode: str) -> Image.Image:
    width, height = _SIZE
    drawn = Image.radial_gradient("L").resize(_SIZE)
    colored = Image.merge("RGB", (drawn, Image.linear_gradient("L").resize(_SIZE), drawn))
    if mode == "I;16":
        values = struct.pack(f"<{width * height}H", *range(width * height))
        return Image.frombytes("I;16", _SIZE, values)
    return colored.convert(mode)


def frames(content: bytes) -> list[tuple[str, bytes]]:
    """The mode and pixels of each, as Pillow decodes them."""
    with Image.open(io.BytesIO(content)) as opened:
        return [(frame.mode, frame.tobytes()) for frame in ImageSequence.Iterator(opened)]


def _saved(kind: str, mode: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def segment(marker: int, data: bytes) -> bytes:
    """Of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    """With each kind of segment that tells something, and with what stands behind the picture."""
    made = _saved("JPEG", mode, exif=exif(), icc_profile=ICC, xmp=XMP, comment=SECRET, **options)
    told = (
        segment(0xE0, b"JFXX\0\x10" + SECRET),
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + SECRET),
        segment(0xE1, exif(3)),
        segment(0xE2, b"FPXR\0" + SECRET),
        segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + SECRET),
        segment(0xEB, b"JP" + SECRET),
        segment(0xEC, b"Ducky" + SECRET),
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x06" + SECRET),
        b"\xff\xff\xff" + segment(0xFE, SECRET),
        SECRET,
    )
    tables = made.index(b"\xff\xdb")
    made = made[:tables] + b"".join(told) + made[tables:]
    scan = made.rfind(b"\xff\xda")
    made = made[:scan] + segment(0xFE, SECRET) + segment(0xE5, SECRET) + made[scan:]
    return made + b"\0\0\0\x18ftypmp42" + SECRET + made


def two_jpegs() -> bytes:
    """As telephones write them: the second is behind the first, which tells where (CIPA DC-007)."""
    second = picture("RGB").rotate(180)
    second.info["comment"] = SECRET
    return _saved("MPO", "RGB", save_all=True, append_images=[second], exif=exif())


def chunk(name: bytes, data: bytes) -> bytes:
    """Of a PNG."""
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def png(mode: str = "RGB", **options: object) -> bytes:
    told = PngInfo()
    told.add_text("Comment", "SECRET")
    told.add_text("Packed", "SECRET", zip=True)
    told.add_itxt("XML:com.adobe.xmp", XMP.decode())
    made = _saved("PNG", mode, exif=exif(), icc_profile=ICC, pnginfo=told, **options)
    return _with_chunks(made)


def _with_chunks(made: bytes) -> bytes:
    """Told before the picture, behind it, and behind its end."""
    more = (
        chunk(b"tIME", b"SECRET!"),
        chunk(b"gAMA", SECRET),
        chunk(b"sPLT", SECRET),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(exif().hex().encode())),
        chunk(b"prVt", SECRET),
        chunk(b"iDOT", SECRET),
    )
    before, end = made.index(b"IDAT") - 4, made.rindex(b"IEND") - 4
    return b"".join(
        (made[:before], *more, made[before:end], chunk(b"tEXt", b"C\0SECRET"), made[end:], SECRET)
    )


def interlaced_png() -> bytes:
    """Which Pillow reads but does not write."""
    width, height = _SIZE
    pixels = picture("L").tobytes()
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
    rows = b"".join(
        b"\0" + pixels[y * width + left : (y + 1) * width : across]
        for left, top, across, down in (*passes, (0, 1, 1, 2))
        for y in range(top, height, down)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    told = chunk(b"IHDR", head) + chunk(b"eXIf", exif().removeprefix(b"Exif\0\0"))
    shown = chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)) + chunk(b"IDAT", zlib.compress(rows))
    return _with_chunks(b"\x89PNG\r\n\x1a\n" + told + shown + chunk(b"IEND", b""))


def _animation() -> dict[str, object]:
    shown = [picture("RGBA").rotate(turn) for turn in (30, 60, 90)]
    return {"save_all": True, "append_images": shown, "duration": 100}


def riff(name: bytes, data: bytes) -> bytes:
    """A chunk of a WebP."""
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp(mode: str = "RGB", **options: object) -> bytes:
    made = _saved("WEBP", mode, exif=exif(), icc_profile=ICC, xmp=XMP, **options)
    return with_riff_size(made + riff(b"UNKN", SECRET)) + SECRET


def with_riff_size(made: bytes) -> bytes:
    return made[:4] + struct.pack("<I", len(made) - 8) + made[8:]


def _webp_told_in_frame() -> bytes:
    """An unknown chunk within a frame, as RFC 9649 allows."""
    made = _saved("WEBP", "RGBA", **_animation(), lossless=True, exif=exif())
    at = made.index(b"ANMF")
    size = struct.unpack("<I", made[at + 4 : at + 8])[0]
    told = riff(b"UNKN", SECRET)
    frame = struct.pack("<I", size + len(told)) + made[at + 8 : at + 8 + size] + told
    return with_riff_size(made[: at + 4] + frame + made[at + 8 + size :])


_MAKERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    **{f"JPEG {mode}": (JPEG, partial(jpeg, mode)) for mode in ("L", "RGB", "CMYK")},
    "JPEG progressive": (JPEG, partial(jpeg, progressive=True)),
    "JPEG with restarts": (JPEG, partial(jpeg, restart_marker_blocks=1)),
    "JPEG with one table": (JPEG, partial(jpeg, optimize=True, subsampling=0, quality=99)),
    "JPEG of two pictures": (JPEG, two_jpegs),
    **{
        f"PNG {mode}": (PNG, partial(png, mode))
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    },
    "PNG with transparency": (PNG, partial(png, "P", transparency=3)),
    "PNG interlaced": (PNG, interlaced_png),
    "PNG animated": (PNG, partial(png, "RGBA", **_animation())),
    **{f"WebP {mode}": (WEBP, partial(webp, mode)) for mode in ("RGB", "RGBA")},
    "WebP lossless": (WEBP, partial(webp, "RGBA", lossless=True)),
    "WebP animated": (WEBP, partial(webp, "RGBA", **_animation())),
    "WebP told in a frame": (WEBP, _webp_told_in_frame),
}
NAMES = list(_MAKERS)


@cache
def named(name: str) -> tuple[str, bytes]:
    """The type and content of one of NAMES."""
    content_type, make = _MAKERS[name]
    return content_type, make()


def of_each_type() -> Iterator[tuple[str, bytes]]:
    for name in ("JPEG progressive", "PNG animated", "WebP animated"):
        yield named(name)
