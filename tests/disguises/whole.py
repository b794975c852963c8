"""Disguises that only the whole file gives away, and pictures that are too large to show."""

import struct

from tests.disguises.disguise import Disguise
from tests.inspection import files
from tests.inspection.archives import made
from tests.inspection.bombs import apng, gif, gif_of_frames, jpeg, png, tiff, tiff_of_pages, webp
from tests.inspection.test_whole import compound

_FILLING = ("word/media/a.bin", bytes(range(256)) * 400)
"""Larger than a head."""
_PARTS = ("[Content_Types].xml", files.content_types(files.DOCX_PART))
_DOCM = ("[Content_Types].xml", files.content_types(files.DOCM_PART))
_ODT = ("mimetype", b"application/vnd.oasis.opendocument.text")
_VBA = ("word/vbaProject.bin", files.ole("VBA"))
_FIB, _LOCKED_FIB = b"\xec\xa5\xc1\0" + bytes(8), b"\xec\xa5\xc1\0" + bytes(7) + b"\x01"
_BOF = b"\x09\x08\x10\0\0\x06\x05\0" + bytes(12)
_MACRO_SHEET = struct.pack("<HHIBBBB", 0x85, 9, 0, 0, 1, 1, 0) + b"A"
_DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<path/>" * 10_000
_HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
_DATA = b"<?xml version='1.0'?><data>" + b"<row/>" * 10_000


def _wide(text: bytes) -> bytes:
    return text.decode().encode("utf-16")


WHOLE = {
    # Documents.
    "macros behind the head of a Word document": Disguise(
        "report.docx", files.zipped(_PARTS, ("word/document.xml", b"<a/>"), _FILLING, _VBA)
    ),
    "type behind the head of a Word document": Disguise(
        "report.docm", files.zipped(_FILLING, _DOCM)
    ),
    "second list of parts, with macros": Disguise(
        "report.docx", made.zip_of(*(made.stored(*part) for part in (_PARTS, _FILLING, _DOCM)))
    ),
    "macros in a Word document that is cut off": Disguise(
        "report.docx", files.zipped(_PARTS, _FILLING, _VBA)[:-1]
    ),
    "macros behind the head of an OpenDocument": Disguise(
        "report.odt", files.zipped(_ODT, _FILLING, ("Basic/Standard/Module1.xml", b"<a/>"))
    ),
    "script behind the head of an OpenDocument": Disguise(
        "report.odt", files.zipped(_ODT, _FILLING, ("Scripts/python/a.py", b"import os"))
    ),
    "password behind the head of an OpenDocument": Disguise(
        "report.odt", files.zipped(_ODT, _FILLING, ("META-INF/manifest.xml", b"<encryption-data>"))
    ),
    "macro sheet behind the head of a workbook": Disguise(
        "table.xlsx",
        files.zipped(("xl/workbook.xml", b"<a/>"), _FILLING, ("xl/macrosheets/sheet1.xml", b"x")),
    ),
    "macros behind the head of a letter of 1997": Disguise(
        "letter.doc", compound(("WordDocument", _FIB), ("VBA", b""), under="Macros")
    ),
    "password behind the head of a letter of 1997": Disguise(
        "letter.doc", compound(("a", b""), ("WordDocument", _LOCKED_FIB))
    ),
    "macro sheet behind the head of a workbook of 1997": Disguise(
        "table.xls", compound(("Workbook", _BOF + _MACRO_SHEET))
    ),
    "password behind the head of a Word document": Disguise(
        "report.docx", compound(("EncryptionInfo", b""), ("EncryptedPackage", b""))
    ),
    "Windows installer, told behind its head": Disguise(
        "letter.doc", compound(("a", b""), root=files.MSI_CLASS)
    ),
    "Java archive, told behind its head": Disguise(
        "backup.zip", files.zipped(_FILLING, ("META-INF/MANIFEST.MF", b"Main-Class: A"))
    ),
    "Android app, told behind its head": Disguise(
        "backup.zip", files.zipped(_FILLING, ("AndroidManifest.xml", b"x"))
    ),
    # What acts in a browser.
    "SVG with a script at its end": Disguise("a.svg", _DRAWING + b"<script>x()</script></svg>"),
    "SVG with a handler at its end": Disguise("a.svg", _DRAWING + b"<g onclick='x()'/></svg>"),
    "SVG in UTF-16 with a script at its end": Disguise(
        "a.svg", _wide(_DRAWING + b"<script>x()</script></svg>")
    ),
    "SVG whose link runs, in numbers": Disguise(
        "a.svg", _DRAWING + b"<a href='&#x6a;ava&#115;cript&#58;x()'>x</a></svg>"
    ),
    "HTML behind a flood of blanks, longer than a head": Disguise(
        "notes.txt", b" \n" * 50_000 + _HTML
    ),
    "HTML at the end of XML": Disguise(
        "data.xml", _DATA + b"<b xmlns='http://www.w3.org/1999/xhtml'><script/></b></data>"
    ),
    "archive behind a long text, as an archive": Disguise(
        "backup.zip", b"hello\n" * 20_000 + files.zipped(("a.txt", b"a"))
    ),
    # Pictures.
    "archive at the end of a damaged JPEG": Disguise(
        "photo.jpg", files.jpeg() + bytes(range(256)) * 400 + files.zipped(("a.exe", b"MZ"))
    ),
    "PNG of 50,000 by 50,000 pixels": Disguise("a.png", png()),
    "animated PNG of 5,000 frames": Disguise("a.png", apng(5_000)),
    "JPEG of 65,500 by 65,500 pixels": Disguise("a.jpg", jpeg()),
    "GIF of 50,000 by 50,000 pixels": Disguise("a.gif", gif()),
    "GIF of 5,000 frames": Disguise("a.gif", gif_of_frames(5_000)),
    "TIFF of 50,000 by 50,000 pixels": Disguise("a.tif", tiff()),
    "TIFF of 5,000 pages": Disguise("a.tif", tiff_of_pages(5_000)),
    "WebP of 16,384 by 16,384 pixels": Disguise("a.webp", webp()),
    "PNG that is cut off in its header": Disguise("a.png", png()[:20]),
}
