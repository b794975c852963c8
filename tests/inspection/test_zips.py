"""Documents and programs that are ZIP archives, whatever the order of their entries."""

import io
import struct
import zipfile
import zlib
from typing import IO, cast

import pytest

from gateway.inspection.zips import archive, hidden_archive

from . import files

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ODT = "application/vnd.oasis.opendocument.text"
DOCM = "application/vnd.ms-word.document.macroEnabled.12"
_TYPES = ("[Content_Types].xml", files.content_types(files.DOCX_PART))
_MIMETYPE = ("mimetype", ODT.encode())
_FILLING = ("media/a.bin", bytes(range(256)) * 20)


def _part(name: str) -> tuple[str, bytes]:
    return "[Content_Types].xml", files.content_types(f"application/vnd.{name}")


def _compressed(*entries: tuple[str, bytes], seekable: bool = True) -> bytes:
    """With data descriptors unless ``seekable``."""
    buffer = io.BytesIO()
    target = buffer if seekable else cast("IO[bytes]", _Unseekable(buffer))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return buffer.getvalue()


class _Unseekable:
    """A pipe, as zipfile sees it."""

    def __init__(self, buffer: io.BytesIO) -> None:
        self.write = buffer.write
        self.flush = buffer.flush


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (files.zipped(("a.txt", b"a")), "application/zip"),
        (files.zipped(), None),
        (b"PK\x03\x04", None),
        (b"PK\x03\x04" + bytes(100), None),
        (files.docx(), DOCX),
        (files.zipped(_FILLING, _TYPES), DOCX),
        (files.zipped(_FILLING, ("word/document.xml", b"<x/>")), DOCX),
        (_compressed(_FILLING, _TYPES), DOCX),
        (_compressed(_FILLING, _TYPES, seekable=False), DOCX),
        (files.zipped(_part("ms-word.template.macroEnabledTemplate.main+xml")),
         "application/vnd.ms-word.template.macroEnabled.12"),
        (files.zipped(_part("openxmlformats-officedocument.spreadsheetml.sheet.main+xml")),
         "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (files.zipped(_part("openxmlformats-officedocument.presentationml.slideshow.main+xml")),
         "application/vnd.openxmlformats-officedocument.presentationml.slideshow"),
        (files.zipped(_part("ms-excel.sheet.binary.macroEnabled.main")),
         "application/vnd.ms-excel.sheet.binary.macroEnabled.12"),
        (files.zipped(_part("ms-visio.drawing.main+xml")),
         "application/vnd.ms-visio.drawing.main+xml"),
        (files.zipped(_part("ms-package.xps-fixeddocumentsequence+xml")),
         "application/vnd.ms-xpsdocument"),
        (files.docm(), f"{DOCM}; with=macros"),
        (files.odt(), ODT),
        (files.zipped(("content.xml", b"<x/>"), _MIMETYPE), ODT),
        (_compressed(_MIMETYPE, ("content.xml", b"<x/>")), ODT),
        (files.zipped(_MIMETYPE, ("Basic/script-lc.xml", b"<x/>")), f"{ODT}; with=macros"),
        (files.zipped(_MIMETYPE, ("META-INF/manifest.xml", b"<encryption-data>")),
         f"{ODT}; with=encryption"),
        (files.zipped(("mimetype", b"application/epub+zip\n")), "application/epub+zip"),
        (files.zipped(("mimetype", b"image/png")), "application/zip"),
        (files.encrypted_zip(), "application/zip; with=encryption"),
        (files.jar(), "application/java-archive"),
        (files.zipped(_FILLING, ("META-INF/MANIFEST.MF", b"x")), "application/java-archive"),
        # A program may be a document as well, and is a program.
        (files.zipped(_TYPES, ("META-INF/MANIFEST.MF", b"x")), "application/java-archive"),
        (files.zipped(("AndroidManifest.xml", b"x")), "application/vnd.android.package-archive"),
        (files.zipped(("AppxManifest.xml", b"x")), "application/vnd.ms-appx"),
        (files.zipped(("Payload/A.app/Info.plist", b"x")), "application/x-ios-app"),
        (files.zipped(("Index/Document.iwa", b"x")), "application/x-iwork"),
    ],
)  # fmt: skip
def test_archives(content: bytes, found: str | None) -> None:
    assert archive(content) == found


def test_what_lies_within_an_entry_is_not_an_entry() -> None:
    assert archive(files.zipped(("a.docx", files.docx()))) == "application/zip"
    nested = _compressed(("a.docx", files.docx()), seekable=False)
    assert archive(nested) == "application/zip"


def test_other_data_may_stand_before() -> None:
    assert hidden_archive(b"\x00\x01PK\x03\x04junk" + files.docx()) == DOCX
    assert hidden_archive(b"PK\x03\x04" * 100) is None


def test_an_archive_that_is_cut_off_is_one() -> None:
    for size in range(40, len(files.docx())):
        assert archive(files.docx()[:size]) in ("application/zip", DOCX)


def test_a_bomb_is_not_inflated() -> None:
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packed.compress(bytes(50_000_000)) + packed.flush()
    header = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 8, 8, 0, 0, 0, 0, 0, 8, 0)
    assert archive(header + b"mimetype" + bomb) == "application/zip"
