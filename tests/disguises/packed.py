"""Disguises that only the inside of an archive gives away."""

import bz2
import gzip
import lzma
import struct
import sys
import tarfile
import zlib

from tests.disguises.disguise import Disguise
from tests.inspection import files
from tests.inspection.archives import made

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_TEXT = b"All work and no play makes Jack a dull boy.\n"
_LONG = ("notes.txt", _TEXT * 2000)
"""Longer than a head."""
_PROGRAM, _DISGUISED = ("setup.exe", files.pe()), ("photo.jpg", files.pe())
_SCRIPT = ("notes.txt", b"#!/bin/sh\nrm -rf /\n")
_HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
_DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg'>" + b"<path/>" * 10_000
_SYMLINK, _DEVICE = 0o120777 << 16, 0o020644 << 16


def _zip(*entries: tuple[str, bytes]) -> bytes:
    """Packed, with a long text before them."""
    return made.zip_of(*(made.packed(*entry) for entry in (_LONG, *entries)))


def _tar(*entries: tuple[str, bytes]) -> bytes:
    return made.tar_of(_LONG, *entries)


def _tar_with(name: str, kind: bytes, link: str = "") -> bytes:
    return made.tar_header(name, 0, kind, link) + made.tar_of(("a.txt", _TEXT))


def _link_and_more() -> bytes:
    link = tarfile.TarInfo("docs")
    link.type, link.linkname = tarfile.SYMTYPE, "images"
    return made.tar_of(link, ("docs/a.txt", _TEXT))


def _within(depth: int) -> bytes:
    content = made.zip_of(made.stored("a.txt", _TEXT))
    for level in range(depth - 1):
        content = made.zip_of(made.packed(f"{level}.zip", content))
    return content


def _unicode_path(name: bytes, told: str) -> made.ZipPart:
    """With another name for those who read extra fields (APPNOTE.TXT 4.6.9)."""
    other = struct.pack("<BI", 1, zlib.crc32(name)) + told.encode()
    extra = struct.pack("<HH", 0x7075, len(other)) + other
    return made.ZipPart(name, _TEXT, len(_TEXT), extra=extra)


def _gzip_of(name: bytes, content: bytes) -> bytes:
    """With the name of what it was made of."""
    packed = gzip.compress(content)
    return packed[:3] + b"\x08" + packed[4:10] + name + b"\0" + packed[10:]


_RAR_ENTRY = made.rar5_file("a.txt", extra=made.vint(3) + b"\x01\0\0")
"""With a record about its encryption."""
_LOCKED_HEADER = made.signed(b"packed", b"\x17" + made.streams(b"packed", [100], made.AES))
_TWO_SIZES = made.stored("a.txt", _TEXT, local_size=1)
_TWO_NAMES = made.stored("a.txt", files.pe(), local_name=b"a.exe")
_TWO_METHODS = made.stored("a.txt", _TEXT, local_method=8)

PACKED = {
    # Programs and scripts.
    "program in a ZIP, behind a long text": Disguise("a.zip", _zip(_PROGRAM)),
    "program in a ZIP, as a picture": Disguise("a.zip", _zip(_DISGUISED)),
    "program in a ZIP, without an ending": Disguise("a.zip", _zip(("tool", files.elf_header(3)))),
    "program in a ZIP, packed as LZMA": Disguise(
        "a.zip",
        made.zip_of(made.ZipPart(b"a.jpg", lzma.compress(files.pe()), len(files.pe()), method=95)),
    ),
    "program in a ZIP in a ZIP": Disguise("a.zip", _zip(("b.zip", _zip(_DISGUISED)))),
    "program in a 7z in a tar.gz in a ZIP": Disguise(
        "a.zip", _zip(("b.tgz", gzip.compress(_tar(("c.7z", made.seven_zip(_DISGUISED))))))
    ),
    "program in a ZIP that is called a text": Disguise("a.zip", _zip(("b.txt", _zip(_PROGRAM)))),
    "program in a tar": Disguise("a.tar", _tar(_DISGUISED)),
    "program in a tar.gz": Disguise("a.tar.gz", gzip.compress(_tar(_DISGUISED))),
    "program in a tar.xz": Disguise("a.tar.xz", lzma.compress(_tar(_DISGUISED))),
    "program in a tar.bz2": Disguise("a.tar.bz2", bz2.compress(_tar(_DISGUISED))),
    "program in a tar.zst": Disguise("a.tar.zst", zstd.compress(_tar(_DISGUISED))),
    "program in a 7z": Disguise("a.7z", made.seven_zip(_LONG, _DISGUISED)),
    "program in a 7z with a packed header": Disguise(
        "a.7z", made.seven_zip(_LONG, _DISGUISED, encoded=True)
    ),
    "program in a RAR": Disguise("a.rar", made.rar5(made.rar5_file(_PROGRAM[0]))),
    "program in a RAR of the fourth version": Disguise(
        "a.rar", made.rar4(made.rar4_file(b"docs\\setup.exe"))
    ),
    "program in a gzip, as a picture": Disguise("photo.jpg.gz", gzip.compress(files.pe())),
    "program in a gzip, named by its header": Disguise("photo.gz", _gzip_of(b"setup.exe", _TEXT)),
    "program in a gzip that is a tar as well": Disguise(
        "a.tar.gz", gzip.compress(files.pe_that_is_a_tar() + bytes(1024))
    ),
    "program in a bzip2, without an ending": Disguise("photo.bz2", bz2.compress(files.pe())),
    "script in a ZIP, as a text": Disguise("a.zip", _zip(_SCRIPT)),
    "script in a tar.xz, as a text": Disguise("a.tar.xz", lzma.compress(_tar(_SCRIPT))),
    "Java archive in a ZIP, as a document": Disguise("a.zip", _zip(("a.docx", files.jar()))),
    "Windows installer in a ZIP, as a letter": Disguise("a.zip", _zip(("a.doc", files.msi()))),
    # Names.
    "shortcut in a ZIP": Disguise("a.zip", _zip(("photo.jpg.lnk", _TEXT))),
    "name in a ZIP that is read backwards": Disguise(
        "a.zip", made.zip_of(made.stored("photo\N{RIGHT-TO-LEFT OVERRIDE}gpj.sh", flags=0x800))
    ),
    "name in a ZIP with dots behind": Disguise("a.zip", _zip(("photo.exe..", _TEXT))),
    "name in a ZIP with a stream": Disguise("a.zip", _zip(("photo.exe::$DATA", _TEXT))),
    "name in a ZIP in full-width letters": Disguise(
        "a.zip", made.zip_of(made.stored("photo.ｅｘｅ", flags=0x800))
    ),
    "name in a ZIP in full-width letters, not said to be UTF-8": Disguise(
        "a.zip", _zip(("photo.ｅｘｅ", _TEXT))
    ),
    "source in a ZIP that a double click runs": Disguise("a.zip", _zip(("a.pdf.js", _TEXT))),
    "second name in a ZIP": Disguise("a.zip", made.zip_of(_unicode_path(b"a.txt", "a.exe"))),
    "second name in a tar": Disguise("a.tar", made.pax(path="a.exe") + made.tar_of(("a", _TEXT))),
    # What acts, macros, passwords.
    "HTML in a ZIP, as a PDF": Disguise("a.zip", _zip(("invoice.pdf", _HTML))),
    "HTML in a ZIP": Disguise("a.zip", _zip(("invoice.html", _HTML))),
    "HTML in a ZIP, behind a flood of blanks": Disguise(
        "a.zip", _zip(("a.txt", b" " * 100_000 + _HTML))
    ),
    "SVG in a ZIP with a script at its end": Disguise(
        "a.zip", _zip(("a.svg", _DRAWING + b"<script>alert(1)</script></svg>"))
    ),
    "packed SVG with a script at its end": Disguise(
        "a.svgz", gzip.compress(_DRAWING + b"<script>alert(1)</script></svg>")
    ),
    "Word document with macros in a ZIP": Disguise("a.zip", _zip(("a.docm", files.docm()))),
    "Word document of 1997 with macros in a tar": Disguise(
        "a.tar", _tar(("a.doc", files.ole("WordDocument", "Macros")))
    ),
    "Word document with a password in a ZIP": Disguise(
        "a.zip", _zip(("a.docx", files.ole("EncryptionInfo", "EncryptedPackage")))
    ),
    "ZIP with a password in a tar.gz": Disguise(
        "a.tar.gz", gzip.compress(_tar(("a.zip", files.encrypted_zip())))
    ),
    "ZIP whose last entry has a password": Disguise(
        "a.zip", made.zip_of(made.stored(*_LONG), made.stored("a.txt", flags=1))
    ),
    "ZIP with a password (AES)": Disguise("a.zip", made.zip_of(made.stored("a.txt", method=99))),
    "7z with a password": Disguise("a.7z", made.seven_zip(("a", _TEXT), coders=made.AES)),
    "7z with a password for its names": Disguise("a.7z", _LOCKED_HEADER),
    "RAR with a password": Disguise("a.rar", made.rar5(_RAR_ENTRY)),
    "RAR with a password for its names": Disguise(
        "a.rar", made.rar5(made.rar5_block(4, bytes(20)))
    ),
    "PNG in a ZIP, as a JPEG": Disguise("a.zip", _zip(("photo.jpg", files.png()))),
    "picture in a ZIP with an archive in it": Disguise(
        "a.zip", _zip(("a.gif", files.gif() + files.zipped(_PROGRAM)))
    ),
    # Two ways to unpack it.
    "ZIP, another name before the entry": Disguise("a.zip", made.zip_of(_TWO_NAMES)),
    "ZIP, another size before the entry": Disguise("a.zip", made.zip_of(_TWO_SIZES)),
    "ZIP, another method before the entry": Disguise("a.zip", made.zip_of(_TWO_METHODS)),
    "ZIP, an entry that its directory does not have": Disguise(
        "a.zip", made.zip_of(made.stored("a.txt", _TEXT), between=made.stored(*_PROGRAM).local())
    ),
    "ZIP, fewer entries than it has": Disguise(
        "a.zip", made.zip_of(made.stored("a.txt", _TEXT), made.stored(*_PROGRAM), entries=1)
    ),
    "ZIP behind a ZIP": Disguise(
        "a.zip", made.zip_of(made.stored("a.txt", _TEXT)) + files.zipped(_PROGRAM)
    ),
    "ZIP in the comment of a ZIP": Disguise(
        "a.zip", made.zip_of(made.stored("a.txt", _TEXT), comment=files.zipped(_PROGRAM))
    ),
    "ZIP that is cut off": Disguise("a.zip", _zip(("a.txt", _TEXT))[:-30]),
    "tar behind a tar": Disguise("a.tar", _tar() + made.tar_of(_PROGRAM)),
    "tar with two names of an entry": Disguise(
        "a.tar", made.pax(path="a.txt", GNU__sparse__name="a.exe") + made.tar_of(("a", _TEXT))
    ),
    # Ways out of the folder.
    "ZIP, a folder further up": Disguise("a.zip", _zip(("../../.profile", _TEXT))),
    "ZIP, a folder further up, for Windows": Disguise("a.zip", _zip(("docs\\..\\..\\a", _TEXT))),
    "ZIP, from the root": Disguise("a.zip", _zip(("/etc/cron.d/a", _TEXT))),
    "ZIP, another drive": Disguise("a.zip", _zip(("C:\\Windows\\a.txt", _TEXT))),
    "ZIP, a link that leads out": Disguise(
        "a.zip", made.zip_of(made.stored("a", b"/etc/passwd", attributes=_SYMLINK))
    ),
    "tar, a folder further up": Disguise("a.tar", _tar(("docs/../../a", _TEXT))),
    "tar, a link that leads out": Disguise("a.tar", _tar_with("a", b"2", "../../etc/passwd")),
    "tar, a second name that leads out": Disguise("a.tar", _tar_with("a", b"1", "/etc/passwd")),
    "tar, a file that goes through a link": Disguise("a.tar", _link_and_more()),
    "tar, a device": Disguise("a.tar", _tar_with("sda", b"4")),
    "ZIP, a device": Disguise("a.zip", made.zip_of(made.stored("a", b"", attributes=_DEVICE))),
    # What cannot be looked into.
    "archives five deep": Disguise("a.zip", _within(5)),
    "disk image, without an ending": Disguise("backup", files.iso()),
    "disk image in a ZIP, without an ending": Disguise("a.zip", _zip(("backup", files.iso()))),
    "archive in a RAR": Disguise("a.rar", made.rar5(made.rar5_file("b.zip"))),
    "ZIP packed in a way that is not known": Disguise(
        "a.zip", made.zip_of(made.stored("b.zip", _TEXT, method=97))
    ),
    "old archive of Unix": Disguise("a.cpio", b"070701" + b"0" * 104 + _TEXT),
    "attachments of Outlook": Disguise("winmail.dat", b"\x78\x9f\x3e\x22" + bytes(100)),
}
