"""Files that are made to cost much, as they would be uploaded."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.policy.promises import promised
from tests.inspection import bombs, files
from tests.inspection.archives import made
from tests.inspection.archives.bombs import BOMBS as ARCHIVES

_MIB = 2**20
_ENDINGS = ("zip", "tar", "gz", "bz2", "xz", "lzma", "zst", "7z", "rar")


class Bomb(NamedTuple):
    name: str
    make: Callable[[], bytes]


def _ending_of(content_type: str) -> str:
    bare = content_type.replace("x-rar", "vnd.rar")
    return next(ending for ending in _ENDINGS if bare in promised(ending))


def _long_list_of_parts() -> bytes:
    parts = files.content_types(files.DOCX_PART)
    return made.zip_of(
        made.packed("[Content_Types].xml", parts + b" " * 40 * _MIB),
        made.packed("word/document.xml", b"<document/>"),
    )


PICTURES = {
    "PNG of 50,000 by 50,000 pixels": Bomb("a.png", bombs.png),
    "PNG, 50,000 frames": Bomb("a.png", bombs.apng),
    "PNG, two million chunks": Bomb("a.png", bombs.png_of_chunks),
    "PNG, comment of 40 MiB": Bomb("a.png", bombs.png_with_long_text),
    "JPEG of 65,500 by 65,500 pixels": Bomb("a.jpg", bombs.jpeg),
    "JPEG, a million segments": Bomb("a.jpg", bombs.jpeg_of_segments),
    "GIF of 50,000 by 50,000 pixels": Bomb("a.gif", bombs.gif),
    "GIF, 50,000 frames": Bomb("a.gif", bombs.gif_of_frames),
    "GIF, 20 million blocks": Bomb("a.gif", bombs.gif_of_blocks),
    "TIFF of 50,000 by 50,000 pixels": Bomb("a.tif", bombs.tiff),
    "TIFF, 50,000 pages": Bomb("a.tif", bombs.tiff_of_pages),
    "WebP of 16,384 by 16,384 pixels": Bomb("a.webp", bombs.webp),
}
DOCUMENTS = {
    "SVG, entities for a billion words": Bomb("a.svg", bombs.svg_of_entities),
    "SVG, 1.3 million elements": Bomb("a.svg", bombs.svg_of_uses),
    "DOCX, list of parts of 40 MiB": Bomb("a.docx", _long_list_of_parts),
}
BOMBS = {
    **{name: Bomb(f"a.{_ending_of(it.content_type)}", it.make) for name, it in ARCHIVES.items()},
    **PICTURES,
    **DOCUMENTS,
}
