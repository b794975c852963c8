"""One container, many names."""

import struct

import pytest

from gateway.inspection.isomedia import media


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = b"".join(compatible)
    return struct.pack(">I", 16 + len(brands)) + b"ftyp" + major + bytes(4) + brands + bytes(64)


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (ftyp(b"isom", b"isom", b"avc1"), "video/mp4"),
        (ftyp(b"mp42"), "video/mp4"),
        (ftyp(b"M4V "), "video/mp4"),
        (ftyp(b"dash"), "video/mp4"),
        (ftyp(b"M4A ", b"isom"), "audio/mp4"),
        (ftyp(b"M4B "), "audio/mp4"),
        (ftyp(b"qt  "), "video/quicktime"),
        (b"\0\0\0\x08wide\0\0\1\0mdat", "video/quicktime"),
        (b"\0\0\1\0moov", "video/quicktime"),
        (ftyp(b"3gp5"), "video/3gpp"),
        (ftyp(b"3g2a"), "video/3gpp2"),
        (ftyp(b"heic", b"mif1"), "image/heic"),
        (ftyp(b"heix"), "image/heic"),
        (ftyp(b"hevc"), "image/heic-sequence"),
        (ftyp(b"avif", b"mif1"), "image/avif"),
        (ftyp(b"mif1", b"mif1", b"heic"), "image/heic"),
        (ftyp(b"mif1", b"mif1", b"avif"), "image/avif"),
        (ftyp(b"mif1", b"miaf"), "image/heif"),
        (ftyp(b"crx "), "image/x-canon-cr3"),
        (ftyp(b"jp2 "), "image/jp2"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm\x42\x87", "video/webm"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "video/x-matroska"),
        (b"\x1a\x45\xdf\xa3", "video/x-matroska"),
        (b"\0\0\0\x18ftyp", None),
        (b"moremoov", None),
        (b"", None),
    ],
)
def test_media(head: bytes, content_type: str | None) -> None:
    assert media(head) == content_type
