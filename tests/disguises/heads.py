"""Disguises that a file's name and its first bytes give away."""

import struct
import zlib

from tests.disguises.disguise import Disguise
from tests.inspection import files

_PNG, _JPEG, _GIF, _PDF = files.png(), files.jpeg(), files.gif(), files.pdf()
_ZIP = files.zipped(("a.txt", b"a"))
_PE, _ELF = files.pe(), files.elf_header(3)
_SH = b"#!/bin/sh\nrm -rf /\n"
_HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
_TEXT = b"Dear all,\nsee you.\n"
_BACKWARDS = "photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe"
_BATCH = b"rem hello\r\n\r\n@ECHO OFF\r\ndel *\r\n"
_LINK = b"; x\r\n[InternetShortcut]\r\nURL=file:///x\r\n"
_DEB = b"!<arch>\ndebian-binary   " + b"0 ".ljust(43) + b"\n2.0\n"
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
_SVG = b"<svg xmlns='http://www.w3.org/2000/svg'>%s</svg>"
_PHP = b"<?php system($_GET['c']); ?>"
_REG = "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_CURRENT_USER\\Run]\r\n"
_BASIC = ("Basic/Standard/Module1.xml", b"<module/>")
_ODT = ("mimetype", b"application/vnd.oasis.opendocument.text")


def _mz_of_text() -> bytes:
    """A program for DOS whose head has no NUL in it."""
    return b"MZ" + bytes(1 + n % 255 for n in range(4094))


def _png_with(text: bytes) -> bytes:
    chunk = b"tEXt" + b"Comment\0" + text
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return _PNG[:33] + packed + _PNG[33:]


def _jpeg_with(text: bytes) -> bytes:
    return _JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + _JPEG[2:]


def _jpeg_that_is_javascript() -> bytes:
    return b"\xff\xd8\xff\xe0/*" + bytes(200) + b"*/=1;alert(1)/*" + _JPEG[2:]


def _pdf_that_is_a_zip() -> bytes:
    return b"%PDF-1.4\n1 0 obj\n<<>>\nstream\n" + _ZIP + b"\nendstream\nendobj\n" + _PDF[9:]


def _docm(parts: bytes) -> bytes:
    """The telling entry comes last, and the project has another name."""
    return files.zipped(
        ("docProps/app.xml", b"<Properties/>"),
        ("word/document.xml", b"<document/>"),
        ("word/project.bin", files.ole("VBA")),
        ("[Content_Types].xml", parts),
    )


_ESCAPED_PARTS = files.content_types(files.DOCM_PART).replace(b".ms-word", b".ms&#45;word")
_VBA_PART = files.content_types(files.DOCX_PART, "application/vnd.ms-office.vbaProject")
_WORD_LOCKED = b"\xec\xa5\xc1\0" + bytes(7) + b"\x01"
_EXCEL_LOCKED = b"\x09\x08\x10\0\0\x06\x05\0" + bytes(12) + b"\x2f\0\x36\0"

NAMES = {
    "two endings": Disguise("photo.jpg.exe", _TEXT),
    "two endings, far apart": Disguise(f"photo.jpg{' ' * 60}.scr", _TEXT),
    "nothing but an ending": Disguise(".exe", _TEXT),
    "an ending in capital letters": Disguise("photo.ExE", _TEXT),
    "a dot behind the ending": Disguise("photo.exe.", _TEXT),
    "dots and blanks behind the ending": Disguise("photo.exe. . .", _TEXT),
    "a no-break space behind the ending": Disguise("photo.exe\N{NO-BREAK SPACE}", _TEXT),
    "an invisible letter in the ending": Disguise("photo.e\N{ZERO WIDTH SPACE}xe", _TEXT),
    "full-width letters": Disguise("photo.ｅｘｅ", _TEXT),
    "letters in circles": Disguise("photo.ⓔⓧⓔ", _TEXT),
    "a full-width dot": Disguise("photo．exe", _TEXT),
    "a name that is read backwards": Disguise(_BACKWARDS, _TEXT),
    "the file's own stream, on NTFS": Disguise("photo.exe::$DATA", _TEXT),
    "another stream of a program, on NTFS": Disguise("photo.exe:a.txt", _TEXT),
    "a folder of Windows before it": Disguise("..\\Startup\\photo.lnk", _TEXT),
    "a folder before it": Disguise("../../photo.exe", _TEXT),
    "a folder behind it": Disguise("photo.exe/", _TEXT),
    "no name but a folder": Disguise("..", _TEXT),
    "no name at all": Disguise("", _TEXT),
    "a shortcut": Disguise("photo.lnk", _TEXT),
    "a script of Windows": Disguise("photo.vbe", _TEXT),
    "a source that a double click runs": Disguise("invoice.pdf.js", _TEXT),
    "an image of a disk": Disguise("photo.img", _TEXT),
}
"""What is in them does not matter."""

HEADS = {
    # Programs.
    "Windows program, as a PDF": Disguise("invoice.pdf", _PE),
    "Windows program, as a picture": Disguise("photo.jpg", _PE),
    "Windows program, without an ending": Disguise("invoice", _PE),
    "Windows program, with an ending nobody knows": Disguise("invoice.qqq", _PE),
    "Windows program without a NUL": Disguise("readme.txt", _mz_of_text()),
    "Windows program marked ZM": Disguise("readme.txt", b"ZM" + _PE[2:]),
    "Windows program that is a tar archive": Disguise("a.tar", files.pe_that_is_a_tar()),
    "Windows program with an archive behind it": Disguise("backup.zip", _PE + _ZIP),
    "Linux program, as a table": Disguise("table.csv", _ELF),
    "Linux program, declared as a picture": Disguise("tool", _ELF, "image/png"),
    "macOS program, as a sound": Disguise("song.mp3", files.mach_o()),
    "macOS program for two processors": Disguise("film.mp4", files.fat_mach_o()),
    "Java class": Disguise("data.bin", files.java_class()),
    "Java archive, as a document": Disguise("report.docx", files.jar()),
    "Java archive, as an archive": Disguise("backup.zip", files.jar()),
    "Java archive, its manifest last and in lower case": Disguise(
        "backup.zip", files.zipped(("A.class", b"x"), ("meta-inf/manifest.mf", b"Main-Class: A"))
    ),
    "Android app": Disguise(
        "backup.zip", files.zipped(("res/a", b"a"), ("AndroidManifest.xml", b"x"))
    ),
    "Windows installer, as a Word document": Disguise("letter.doc", files.msi()),
    "WebAssembly": Disguise("data.bin", b"\0asm\1\0\0\0" + bytes(64)),
    "compiled Python": Disguise("data.bin", struct.pack("<HH", 3495, 0x0A0D) + bytes(64)),
    "Debian package": Disguise("a.zip", _DEB),
    # Scripts.
    "shell script, as notes": Disguise("notes.txt", _SH),
    "shell script behind a mark": Disguise("notes.txt", b"\xef\xbb\xbf" + _SH),
    "shell script behind blank lines": Disguise("notes.txt", b"\n\n" + _SH),
    "shell script that unpacks itself": Disguise("backup.zip", _SH + bytes(range(256)) * 8),
    "PHP, as a picture": Disguise("photo.jpg", _PHP),
    "PHP in short": Disguise("photo.png", b"<?=`id`?>"),
    "Windows batch file behind remarks": Disguise("readme.txt", _BATCH),
    "Windows registry file": Disguise("settings.txt", _REG.encode("utf-16")),
    "Windows shortcut to a page": Disguise("link.txt", _LINK),
    "Windows Explorer command": Disguise("a.txt", b"[Shell]\r\nCommand=2\r\nIconFile=\\\\x\\y\r\n"),
    "desktop entry behind a remark": Disguise("a.txt", b"# x\n[Desktop Entry]\nExec=sh -c id\n"),
    "encoded VBScript": Disguise("a.txt", b"#@~^EAAAAA==sLDKX,EtnVV}E\x7f@#@&"),
    # What acts in a browser.
    "HTML, as a PDF": Disguise("invoice.pdf", _HTML),
    "HTML behind a long comment": Disguise("photo.png", b"<!--" + b"x" * 9000 + b"-->" + _HTML),
    "HTML behind a flood of blanks": Disguise("notes.txt", b" " * 40_000 + _HTML),
    "HTML in UTF-16": Disguise("notes.txt", (_BOM + _HTML.decode()).encode("utf-16-le")),
    "HTML in UTF-16 without a mark": Disguise("notes.txt", _HTML.decode().encode("utf-16-be")),
    "HTML in UTF-32": Disguise("notes.txt", (_BOM + _HTML.decode()).encode("utf-32-le")),
    "HTML before a PDF": Disguise("invoice.pdf", _HTML + _PDF),
    "XHTML, as a picture": Disguise("a.jpg", b"<?xml version='1.0'?><html xmlns='x'/>"),
    "SVG with a script": Disguise("a.svg", _SVG % b"<script>alert(1)</script>"),
    "SVG with a handler": Disguise("a.svg", _SVG.replace(b"<svg", b"<svg onload='x()'") % b""),
    "SVG with a link that runs": Disguise("a.svg", _SVG % b"<a href='JavaScript:x()'>x</a>"),
    "SVG with HTML in it": Disguise("a.svg", _SVG % b"<foreignObject><p/></foreignObject>"),
    "SVG, as a bitmap": Disguise("a.png", _SVG % b""),
    "XML with a style sheet": Disguise(
        "data.xml", b"<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='x'?><a/>"
    ),
    # Two things at once.
    "GIF that is JavaScript": Disguise("a.gif", b"GIF89a/*" + _GIF[8:] + b"*/=1;alert(1);"),
    "JPEG that is JavaScript": Disguise("a.jpg", _jpeg_that_is_javascript()),
    "PHP in a PNG's comment": Disguise("a.png", _png_with(_PHP)),
    "PHP in a JPEG's comment": Disguise("a.jpg", _jpeg_with(_PHP)),
    "script in a film": Disguise("a.mp4", files.mp4() + b"<script>alert(1)</script>"),
    "archive in a PNG": Disguise("a.png", _png_with(_ZIP)),
    "archive in a JPEG": Disguise("a.jpg", _jpeg_with(_ZIP)),
    "PDF in a GIF": Disguise("a.gif", _GIF + _PDF),
    "PDF that is an archive": Disguise("invoice.pdf", _pdf_that_is_a_zip()),
    "PDF that is an archive, as an archive": Disguise("backup.zip", _pdf_that_is_a_zip()),
    "PDF behind a film's first box": Disguise("a.mp4", files.mp4() + _PDF),
    # Documents.
    "plain archive, as a Word document": Disguise("report.docx", _ZIP),
    "Word document with macros": Disguise("report.docm", files.docm()),
    "Word document with macros, as one without": Disguise("report.docx", files.docm()),
    "macros, told last": Disguise("report.docm", _docm(files.content_types(files.DOCM_PART))),
    "macros, told in escaped letters": Disguise("report.docm", _docm(_ESCAPED_PARTS)),
    "macros, told in UTF-16": Disguise(
        "report.docm", _docm(files.content_types(files.DOCM_PART).decode().encode("utf-16"))
    ),
    "macros in a document without them": Disguise("report.docx", _docm(_VBA_PART)),
    "OpenDocument with macros, its type last": Disguise(
        "report.odt", files.zipped(("content.xml", b"<x/>"), _BASIC, _ODT)
    ),
    "workbook of 1997 with macros": Disguise(
        "table.xls", files.ole("Workbook", "_VBA_PROJECT_CUR")
    ),
    "Word document with a password": Disguise(
        "report.docx", files.ole("EncryptionInfo", "EncryptedPackage")
    ),
    "Word document of 1997 with a password": Disguise(
        "report.doc", files.ole("WordDocument", first=_WORD_LOCKED)
    ),
    "workbook of 1997 with a password": Disguise(
        "table.xls", files.ole("Workbook", first=_EXCEL_LOCKED)
    ),
    "archive with a password": Disguise("backup.zip", files.encrypted_zip()),
    "archive with a password behind other data": Disguise(
        "backup.zip", b"\0\1\2\3" * 100 + files.encrypted_zip()
    ),
    # Something else than the name or the sender says.
    "PNG, as a JPEG": Disguise("photo.jpg", _PNG),
    "picture, declared as a PDF": Disguise("photo.png", _PNG, "application/pdf"),
    "text, as a PDF": Disguise("invoice.pdf", b"Dear all,\nsee you.\n"),
    "Matroska, as MP4": Disguise("film.mp4", files.matroska()),
    "RTF, as a picture": Disguise("photo.png", b"{\\rtf1\\ansi Hello}"),
    "noise, as a ZIP": Disguise("backup.zip", bytes((n * n + n // 7) % 256 for n in range(4096))),
    "disk image, as an archive": Disguise("backup.zip", files.iso()),
    "disk image": Disguise("backup.iso", files.iso()),
    "virtual disk, as a document": Disguise("report.doc", b"vhdxfile" + bytes(4096)),
}
