"""MP4 and its relatives (ISO 14496-12), and Matroska: one container each, many names."""

import re

_BRANDS = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"F4A ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic-sequence",
    b"hevx": "image/heic-sequence",
    b"mif1": "image/heif",
    b"msf1": "image/heif-sequence",
    b"crx ": "image/x-canon-cr3",
    b"jp2 ": "image/jp2",
    b"jpx ": "image/jpx",
    b"jpm ": "image/jpm",
    b"mjp2": "video/mj2",
    b"aax ": "audio/vnd.audible.aax",
}
"""Registered at mp4ra.org. All others are films."""
_GENERAL = (b"mif1", b"msf1")
"""Say nothing of the codec; the compatible brands do."""
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"pnot")
"""Boxes that QuickTime files begin with from before there was ``ftyp``."""
_EBML = b"\x1a\x45\xdf\xa3"
_DOC_TYPE = re.compile(rb"\x42\x82[\x80-\x9f]([a-z0-9]+)")


def media(head: bytes) -> str | None:
    """The type of a file in the MP4 or Matroska container."""
    box = head[4:8]
    if box == b"ftyp":
        return _by_brand(head) if len(head) >= 12 else None
    if box in _OLD_QUICKTIME and head[:1] == b"\0":
        return "video/quicktime"
    if head.startswith(_EBML):
        found = _DOC_TYPE.search(head, 4, 128)
        return "video/webm" if found and found[1] == b"webm" else "video/x-matroska"
    return None


def _by_brand(head: bytes) -> str:
    major = head[8:12]
    size = min(int.from_bytes(head[:4], "big"), 256)
    if major in _GENERAL:
        for start in range(16, size - 3, 4):
            brand = head[start : start + 4]
            if brand in _BRANDS and brand not in _GENERAL:
                return _BRANDS[brand]
    if major[:3] in (b"3gp", b"3gr", b"3gs", b"3ge", b"3gg"):
        return "video/3gpp"
    if major[:3] == b"3g2":
        return "video/3gpp2"
    return _BRANDS.get(major, "video/mp4")
