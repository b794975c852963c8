"""Small real files of many formats, each made from its specification."""

import gzip
import io
import json
import struct
import sys
import tarfile
import wave
import zipfile
import zlib
from pathlib import Path


def png(pixels: int = 4) -> bytes:
    """A grey square."""
    rows = b"".join(b"\0" + bytes(range(pixels)) for _ in range(pixels))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", struct.pack(">IIBBBBB", pixels, pixels, 8, 0, 0, 0, 0))
        + _png_chunk(b"IDAT", zlib.compress(rows))
        + _png_chunk(b"IEND", b"")
    )


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(second: bytes = b"\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0") -> bytes:
    """``second`` is the segment after SOI, without its 0xff."""
    frame = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
    table = b"\xff\xdb\x00\x43\x00" + bytes([1]) * 64
    return b"\xff\xd8\xff" + second + table + frame + b"\xff\xd9"


def gif(version: bytes = b"89a") -> bytes:
    screen = struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return b"GIF" + version + screen + b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"


def webp(kind: bytes = b"VP8L") -> bytes:
    chunk = kind + struct.pack("<I", 6) + b"\x2f\0\0\0\0\x07"
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def pdf() -> bytes:
    return (
        b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n"
        b"trailer\n<< /Root 1 0 R >>\n%%EOF\n"
    )


def zipped(*entries: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def docx() -> bytes:
    return zipped(
        ("[Content_Types].xml", b"<?xml version='1.0'?><Types/>"),
        ("_rels/.rels", b"<?xml version='1.0'?><Relationships/>"),
        ("word/document.xml", b"<?xml version='1.0'?><document/>"),
    )


def odt() -> bytes:
    return zipped(
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", b"<?xml version='1.0'?><document-content/>"),
    )


def jar() -> bytes:
    """Marked as the ``jar`` tool does, by the extra field 0xCAFE of the first entry."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        first = zipfile.ZipInfo("META-INF/MANIFEST.MF")
        first.extra = struct.pack("<HH", 0xCAFE, 0)
        archive.writestr(first, b"Main-Class: A\n")
        archive.writestr("A.class", java_class())
    return buffer.getvalue()


def tar(name: str = "notes.txt", content: bytes = b"notes\n") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def tar_gz() -> bytes:
    return gzip.compress(tar(), mtime=0)


def mp4() -> bytes:
    return b"\0\0\0\x18ftypisom\0\0\x02\0isommp41" + b"\0\0\0\x08free" + b"\0\0\0\x08mdat"


def mp3() -> bytes:
    return b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xfb\x90\x00" + bytes(413)


def wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(160))
    return buffer.getvalue()


def ogg() -> bytes:
    packet = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 1, 44100, 0, 128000, 0, 0xB8, 1)
    return b"OggS\0\x02" + bytes(20) + bytes([1, len(packet)]) + packet


def matroska() -> bytes:
    return b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska\x18\x53\x80\x67"


def elf() -> bytes:
    """The head of the interpreter that runs the tests, where that is an ELF file."""
    head = Path(sys.executable).read_bytes()[:4096]
    return head if head.startswith(b"\x7fELF") else elf_header(2)


def elf_header(e_type: int, order: str = "<") -> bytes:
    data = 2 if order == ">" else 1
    identity = b"\x7fELF" + bytes([2, data, 1]) + bytes(9)
    return identity + struct.pack(f"{order}HHI", e_type, 62, 1) + bytes(40)


def pe(header_at: int = 0x80) -> bytes:
    """A Windows program: MZ header, PE header, one section."""
    image = bytearray(header_at + 0x200)
    image[:2] = b"MZ"
    image[0x3C:0x40] = struct.pack("<I", header_at)
    image[header_at : header_at + 4] = b"PE\0\0"
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 0xF0, 0x22)
    image[header_at + 4 : header_at + 24] = coff
    image[header_at + 24 : header_at + 26] = b"\x0b\x02"
    return bytes(image)


def pe_that_is_a_tar() -> bytes:
    """A Windows program whose first 512 bytes are a valid tar header too."""
    image = bytearray(pe(header_at=0x200))
    image[257:265] = b"ustar\00000"
    image[148:156] = b" " * 8
    image[148:156] = b"%06o\0 " % sum(image[:512])
    return bytes(image)


def mach_o() -> bytes:
    return struct.pack("<IIIIIIII", 0xFEEDFACF, 0x01000007, 3, 2, 0, 0, 0, 0) + bytes(64)


def fat_mach_o() -> bytes:
    """For two processors."""
    table = struct.pack(">II", 0xCAFEBABE, 2)
    table += struct.pack(">IIIII", 0x01000007, 3, 0x100, 96, 12)
    table += struct.pack(">IIIII", 0x0100000C, 0, 0x200, 96, 12)
    return (table.ljust(0x100, b"\0") + mach_o()).ljust(0x200, b"\0") + mach_o()


def ole(*names: str, root_class: bytes = bytes(16), first: bytes = b"") -> bytes:
    """An OLE2 file: header, ``first`` as its first sector, the directory, the allocation table."""
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    header[24:34] = struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    header[44:80] = struct.pack("<9I", 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 3)
    header[80:512] = b"\xff" * 432
    entries = [("Root Entry", 5, root_class), *((name, 2, bytes(16)) for name in names)]
    directory = b"".join(_ole_entry(*entry) for entry in entries).ljust(1024, b"\0")
    table = struct.pack("<4I", 0xFFFFFFFE, 2, 0xFFFFFFFE, 0xFFFFFFFD).ljust(512, b"\xff")
    return bytes(header) + first.ljust(512, b"\0") + directory + table


def _ole_entry(name: str, kind: int, class_id: bytes) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    head = text.ljust(64, b"\0") + struct.pack("<HBB", len(text), kind, 1)
    return (head + b"\xff" * 12 + class_id).ljust(128, b"\0")


def msi() -> bytes:
    return ole("SummaryInformation", root_class=MSI_CLASS)


MSI_CLASS = bytes.fromhex("84100c0000000000c000000000000046")


def content_types(*main: str) -> bytes:
    """[Content_Types].xml of an Office document with these parts."""
    parts = "".join(f'<Override PartName="/a" ContentType="{name}"/>' for name in main)
    return f'<?xml version="1.0"?><Types>{parts}</Types>'.encode()


DOCX_PART = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
DOCM_PART = "application/vnd.ms-word.document.macroEnabled.main+xml"


def docm() -> bytes:
    return zipped(
        ("[Content_Types].xml", content_types(DOCM_PART)),
        ("word/document.xml", b"<document/>"),
        ("word/vbaProject.bin", ole("VBA")),
    )


def encrypted_zip() -> bytes:
    """With the flag of an encrypted entry."""
    archive = bytearray(zipped(("secret.txt", b"secret")))
    archive[6] |= 1
    archive[archive.find(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def iso() -> bytes:
    return bytes(0x8000) + b"\x01CD001\x01" + bytes(2048)


def java_class(major: int = 52) -> bytes:
    return struct.pack(">IHHH", 0xCAFEBABE, 0, major, 1) + bytes(32)


def json_text() -> bytes:
    return json.dumps({"name": "gateway", "ports": [8066, 8067]}).encode()
