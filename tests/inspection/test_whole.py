"""Documents as a whole: what lies behind the head, or anywhere."""

import io
import random
import re
import struct
from collections.abc import Sequence

import pytest

from gateway.inspection.detector import HEAD_SIZE, Detector
from gateway.inspection.whole import detect_whole, looks_at_whole
from tests.inspection.archives import made

from . import files

OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX = OFFICE + "wordprocessingml.document", OFFICE + "spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
WORD, EXCEL = "application/msword", "application/vnd.ms-excel"
POWERPOINT, OLE = "application/vnd.ms-powerpoint", "application/x-ole-storage"
_NOISE = random.Random(1).randbytes(2 * HEAD_SIZE)
FILLING = ("media/a.bin", _NOISE)
_PARTS = ("[Content_Types].xml", files.content_types(files.DOCX_PART))
_DOCM = ("[Content_Types].xml", files.content_types(files.DOCM_PART))
_MIMETYPE = ("mimetype", ODT.encode())
_VBA = ("word/vbaProject.bin", b"x")
detect = Detector().detect


def whole(content: bytes) -> str:
    return detect_whole(io.BytesIO(content), detect(content[:HEAD_SIZE]))


# ZIP


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (files.zipped(FILLING, ("a.txt", b"a")), "application/zip"),
        (files.zipped(FILLING, _PARTS), DOCX),
        (files.zipped(_PARTS, FILLING), DOCX),
        (files.zipped(FILLING, _DOCM), "application/vnd.ms-word.document.macroEnabled.12"),
        (files.zipped(_PARTS, FILLING, _VBA), f"{DOCX}; with=macros"),
        (files.zipped(_PARTS, FILLING, ("word/VBAPROJECT.BIN", b"x")), f"{DOCX}; with=macros"),
        (files.zipped(FILLING, _MIMETYPE), ODT),
        (files.zipped(_MIMETYPE, FILLING, ("Basic/script-lc.xml", b"x")), f"{ODT}; with=macros"),
        (files.zipped(_MIMETYPE, FILLING, ("Scripts/python/a.py", b"x")), f"{ODT}; with=macros"),
        (files.zipped(_MIMETYPE, FILLING, ("META-INF/manifest.xml", b"<encryption-data>")),
         f"{ODT}; with=encryption"),
        (files.zipped(_MIMETYPE, FILLING, ("META-INF/manifest.xml", b"<file-entry>")), ODT),
        (files.zipped(("xl/workbook.xml", b"x"), FILLING, ("xl/macrosheets/sheet1.xml", b"x")),
         f"{XLSX}; with=macros"),
        (files.zipped(FILLING, ("META-INF/MANIFEST.MF", b"x")), "application/java-archive"),
        (files.zipped(FILLING, ("AndroidManifest.xml", b"x")),
         "application/vnd.android.package-archive"),
        (made.zip_of(made.stored("a", _NOISE), made.stored("b", flags=1)),
         "application/zip; with=encryption"),
    ],
)  # fmt: skip
def test_zips(content: bytes, found: str) -> None:
    assert whole(content) == found


def test_compressed_parts() -> None:
    parts = (made.packed(*part) for part in (FILLING, _DOCM))
    assert whole(made.zip_of(*parts)) == "application/vnd.ms-word.document.macroEnabled.12"


_EVIL = made.zip_of(*(made.stored(*part) for part in (_PARTS, FILLING, _VBA)))


@pytest.mark.parametrize(
    "content",
    [
        _EVIL[:-1],
        _EVIL + made.zip_of(made.stored("a")),
        made.zip_of(*(made.stored(*part) for part in (_PARTS, FILLING, _VBA)), entries=2),
        made.zip_of(*(made.stored(*part) for part in (_PARTS, FILLING)),
                    *(made.stored(f"{n}", b"") for n in range(20_001)), made.stored(*_VBA)),
        made.zip_of(*(made.stored(*part) for part in (_PARTS, FILLING)),
                    made.packed("[Content_Types].xml", _DOCM[1]), behind=b"more"),
    ],
)  # fmt: skip
def test_where_the_directory_is_not_to_be_trusted(content: bytes) -> None:
    """Macros are found all the same."""
    assert detect(content[:HEAD_SIZE]) == DOCX
    assert whole(content) == f"{DOCX}; with=macros"


def test_each_of_several_lists_of_parts_counts() -> None:
    content = made.zip_of(*(made.stored(*part) for part in (_PARTS, FILLING, _DOCM)))
    assert whole(content) == f"{DOCX}; with=macros"


def test_lists_of_parts_that_are_too_long_or_too_many_hide_something() -> None:
    long = (_PARTS[0], _PARTS[1] + b" " * 3 * 2**20)
    parts = [made.packed(*long), made.stored(*FILLING)]
    assert whole(made.zip_of(*parts)) == f"{DOCX}; with=macros"
    many = made.zip_of(*[made.stored(*_PARTS)] * 3, made.stored(*FILLING), made.packed(*_DOCM))
    assert whole(many) == f"{DOCX}; with=macros"


def test_nothing_hides_in_what_is_no_document() -> None:
    """A document in a damaged archive does not make that a document."""
    content = made.zip_of(made.stored("a.docx", files.docm()), made.stored("b", _NOISE))[:-1]
    assert whole(content) == "application/zip; with=macros"


# OLE2


def compound(
    *entries: tuple[str, bytes], root: bytes = bytes(16), gap: int = 200, under: str = ""
) -> bytes:
    """Streams of these contents, each in every second sector from behind; the directory lies
    behind the head. With ``under`` all but the first entry lie in that storage.
    """
    sectors: dict[int, bytes] = {}
    table: dict[int, int] = {}
    starts = []
    free = gap
    for _, content in entries:
        content = content.ljust(max(4096, -(-len(content) // 512) * 512), b"\0")
        pieces = [content[at : at + 512] for at in range(0, len(content), 512)]
        places = [free + 2 * n for n in reversed(range(len(pieces)))]
        free += 2 * len(pieces)
        starts.append(places[0])
        sectors |= dict(zip(places, pieces, strict=True))
        table |= dict(zip(places, [*places[1:], 0xFFFFFFFE], strict=True))
    directory = directory_of(entries, starts, root, under)
    first = free + 1
    for n in range(0, len(directory), 512):
        sectors[first + n // 512] = directory[n : n + 512]
        last = n + 512 >= len(directory)
        table[first + n // 512] = 0xFFFFFFFE if last else first + n // 512 + 1
    return laid_out(sectors, table, first)


def directory_of(
    entries: Sequence[tuple[str, bytes]], starts: list[int], root: bytes, under: str
) -> bytes:
    """The names of a storage are a list to the right."""
    none = 0xFFFFFFFF
    names = [name for name, _ in entries]
    records = [record("Root Entry", 5, (none, none, 1), root)]
    for n, name in enumerate(names, 1):
        right = n + 1 if n < len(names) and not under else none
        if under and n == 1:
            right = len(names) + 1
        if under and 1 < n < len(names):
            right = n + 1
        records.append(
            record(
                name,
                2,
                (none, right, none),
                start=starts[n - 1],
                size=max(4096, len(entries[n - 1][1])),
            )
        )
    if under:
        records.append(record(under, 1, (none, none, 2)))
    content = b"".join(records)
    return content.ljust(-(-len(content) // 512) * 512, b"\0")


def record(
    name: str,
    kind: int,
    links: tuple[int, int, int],
    class_id: bytes = bytes(16),
    start: int = 0,
    size: int = 0,
) -> bytes:
    text = (name + "\0").encode("utf-16-le")
    head = text.ljust(64, b"\0") + struct.pack("<HBB3I", len(text), kind, 1, *links)
    return (head + class_id).ljust(116, b"\0") + struct.pack("<3I", start, size, 0)


def laid_out(sectors: dict[int, bytes], table: dict[int, int], directory: int) -> bytes:
    """The allocation table comes last, behind it the places that the header has no room for."""
    last = max(sectors) + 1
    count = -(-(last + 8) // 127)
    numbers = [table.get(n, 0xFFFFFFFF) for n in range(128 * count)]
    fat = struct.pack(f"<{len(numbers)}I", *numbers)
    places = struct.pack(f"<{count}I", *range(last, last + count)).ljust(436, b"\xff")
    more, places = places[436:], places[:436]
    more_at, more_count = (last + count, 1) if more else (0xFFFFFFFE, 0)
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    header[24:34] = struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    numbers = [count, directory, 0, 4096, 0xFFFFFFFE, 0, more_at, more_count]
    header[44:76] = struct.pack("<8I", *numbers)
    header[76:512] = places
    body = b"".join(sectors.get(n, bytes(512)) for n in range(last))
    end = more.ljust(508, b"\xff") + b"\xfe\xff\xff\xff" if more else b""
    return bytes(header) + body + fat + end


_FIB, _LOCKED_FIB = b"\xec\xa5\xc1\0" + bytes(8), b"\xec\xa5\xc1\0" + bytes(7) + b"\x01"
_BOF = b"\x09\x08\x10\0\0\x06\x05\0" + bytes(12)
_EOF = b"\x0a\0\0\0"
_VBA_INFO = b"\x02\0\0\x04\x0c\0\0\0" + b"\x07\0\0\0" + b"%s\0\0\0" + b"\x02\0\0\0"
_CURRENT_USER = b"\0\0\xf6\x0f\x20\0\0\0\x14\0\0\0"


def sheet(kind: int) -> bytes:
    return struct.pack("<HHIBBBB", 0x85, 9, 0, 0, kind, 1, 0) + b"A"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (compound(("WordDocument", _FIB)), WORD),
        (compound(("WordDocument", _FIB), ("Macros", b"")), f"{WORD}; with=macros"),
        (compound(("WordDocument", _FIB), ("VBA", b""), under="Macros"), f"{WORD}; with=macros"),
        (compound(("a", b""), ("WordDocument", _LOCKED_FIB)), f"{WORD}; with=encryption"),
        (compound(("Workbook", _BOF + sheet(0) + _EOF)), EXCEL),
        (compound(("Workbook", _BOF + sheet(0) + sheet(1) + _EOF)), f"{EXCEL}; with=macros"),
        (compound(("Workbook", _BOF + sheet(0) + _EOF + sheet(1))), EXCEL),
        (compound(("Workbook", _BOF + b"\x42\0\x02\0\0\0" + b"\x2f\0\x02\0\0\0" + sheet(1))),
         f"{EXCEL}; with=encryption"),
        (compound(("Workbook", _BOF + sheet(0) * 900 + sheet(1))), f"{EXCEL}; with=macros"),
        (compound(("Workbook", _BOF), ("WordDocument", _FIB), under="MBD0001"), EXCEL),
        (compound(("PowerPoint Document", _VBA_INFO % b"\x01")), f"{POWERPOINT}; with=macros"),
        (compound(("PowerPoint Document", _VBA_INFO % b"\x00")), POWERPOINT),
        (compound(("PowerPoint Document", b""),
                  ("Current User", _CURRENT_USER + b"\xdf\xc4\xd1\xf3")),
         f"{POWERPOINT}; with=encryption"),
        (compound(("PowerPoint Document", b""),
                  ("Current User", _CURRENT_USER + b"\x5f\xc0\x91\xe3")), POWERPOINT),
        (compound(("EncryptionInfo", b""), ("EncryptedPackage", b"")), "application/encrypted"),
        (compound(("a", b""), root=files.MSI_CLASS), "application/x-msi"),
        (compound(("a", b"")), OLE),
    ],
)  # fmt: skip
def test_compound_files(content: bytes, found: str) -> None:
    assert detect(content[:HEAD_SIZE]) == OLE
    assert whole(content) == found


def test_a_large_allocation_table() -> None:
    """Of which the header does not list all places."""
    content = compound(("WordDocument", _FIB), ("Macros", b""), gap=15_000)
    assert whole(content) == f"{WORD}; with=macros"


@pytest.mark.timeout(20)
def test_circles() -> None:
    content = bytearray(compound(("WordDocument", _FIB), ("Macros", b"")))
    (first,) = struct.unpack_from("<I", content, 48)
    (table,) = struct.unpack_from("<I", content, 76 + 4 * (first // 128))
    struct.pack_into("<I", content, (table + 1) * 512 + 4 * (first % 128), first)
    assert whole(bytes(content)) == f"{WORD}; with=macros"
    at = (first + 1) * 512
    struct.pack_into("<3I", content, at + 128 + 68, 1, 1, 1)
    assert whole(bytes(content)).startswith(WORD)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "content",
    [_EVIL, compound(("Workbook", _BOF + sheet(1)), ("Macros", b""))],
    ids=["zip", "compound"],
)
def test_damage(content: bytes) -> None:
    dice = random.Random(1)
    head_type = detect(content[:HEAD_SIZE])
    for _ in range(200):
        damaged = bytearray(content[: dice.randint(1, len(content))])
        for _ in range(dice.randint(0, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        for at in (44, 48, 68, 72, 76):
            if dice.random() < 0.2:
                damaged[at : at + 4] = dice.randbytes(4)
        assert re.match(r"[a-z]+/", detect_whole(io.BytesIO(bytes(damaged)), head_type))


def test_others_are_as_the_head_tells() -> None:
    for content in (files.pdf(), files.png(), b"hello"):
        assert not looks_at_whole(detect(content))
        assert whole(content) == detect(content)
    for content in (files.docx(), files.odt(), files.zipped(("a", b"a")), files.ole("a")):
        assert looks_at_whole(detect(content))
