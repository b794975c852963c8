"""OLE2 files are told by their directory, or by their first sector."""

import pytest

from gateway.inspection.ole import OLE, compound

from . import files

_WORD = b"\xec\xa5\xc1\0" + bytes(8)
_EXCEL = b"\x09\x08\x10\0\0\x06\x05\0" + bytes(12)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (files.ole("WordDocument"), "application/msword"),
        (files.ole("Workbook"), "application/vnd.ms-excel"),
        (files.ole("Book"), "application/vnd.ms-excel"),
        (files.ole("PowerPoint Document"), "application/vnd.ms-powerpoint"),
        (files.ole("__properties_version1.0"), "application/vnd.ms-outlook"),
        (files.ole("a", "b", "c", "d", "e", "VisioDocument"), "application/vnd.visio"),
        (files.ole("SomethingElse"), OLE),
        (files.msi(), "application/x-msi"),
        (files.ole("EncryptionInfo", "EncryptedPackage"), "application/encrypted"),
        (files.ole("WordDocument", "Macros"), "application/msword; with=macros"),
        (files.ole("Workbook", "_VBA_PROJECT_CUR"), "application/vnd.ms-excel; with=macros"),
        (files.ole("WordDocument", first=_WORD[:11] + b"\x01"),
         "application/msword; with=encryption"),
        (files.ole("WordDocument", first=_WORD), "application/msword"),
        (files.ole("Workbook", first=_EXCEL + b"\x2f\0"),
         "application/vnd.ms-excel; with=encryption"),
        (files.ole("Workbook", first=_EXCEL), "application/vnd.ms-excel"),
        # The directory lies behind the head.
        (files.ole("WordDocument", first=_WORD)[:1024], "application/msword"),
        (files.ole("Workbook", first=_EXCEL)[:1024], "application/vnd.ms-excel"),
        (files.ole("PowerPoint Document")[:1024], OLE),
        (files.ole("WordDocument")[:500], None),
        (b"", None),
        (bytes(2048), None),
    ],
)  # fmt: skip
def test_compound_files(content: bytes, found: str | None) -> None:
    assert compound(content) == found


def test_a_directory_that_goes_in_circles_ends() -> None:
    looped = bytearray(files.ole("WordDocument"))
    table = len(looped) - 512
    looped[table + 4 : table + 8] = (1).to_bytes(4, "little")
    assert compound(bytes(looped)) == "application/msword"
