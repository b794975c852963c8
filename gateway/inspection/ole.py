"""OLE2 files ([MS-CFB]): what Office wrote until 2003, Outlook's messages, Windows installers.

Their directory may lie anywhere. Where the head does not reach it, the first sector tells some,
and the rest are told from each other by nobody who has only the head.
"""

import struct

from gateway.content import Finding, with_findings

OLE = "application/x-ole-storage"
ENCRYPTED = "application/encrypted"
MSI = "application/x-msi"
_SETTLED = (ENCRYPTED, MSI)

MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENTRY = 128
_MOST_SECTORS = 64
END = 0xFFFFFFFA
"""Sector numbers from here on mean something else."""
_MSI_CLASS = bytes.fromhex("8410 0c00 0000 0000 c000 0000 0000 0046")
_MSI_CLASSES = frozenset(bytes([kind]) + _MSI_CLASS[1:] for kind in (0x84, 0x86, 0x82))
"""{000C1084-…}: installer, patch (86), transform (82)."""
STREAMS = {
    "WordDocument": "application/msword",
    "Workbook": "application/vnd.ms-excel",
    "Book": "application/vnd.ms-excel",
    "PowerPoint Document": "application/vnd.ms-powerpoint",
    "__properties_version1.0": "application/vnd.ms-outlook",
    "VisioDocument": "application/vnd.visio",
    "Quill": "application/vnd.ms-publisher",
}
_ENCRYPTION = frozenset({"EncryptedPackage", "EncryptionInfo", "EncryptedSummary"})
_MACROS = frozenset({"Macros", "_VBA_PROJECT_CUR", "VBA", "_VBA_PROJECT"})
_WORD, _EXCEL = b"\xec\xa5", b"\x09\x08"
_WORD_ENCRYPTED = 0x01
"""In the twelfth byte of the FIB ([MS-DOC] 2.5.2, fEncrypted)."""
_FILEPASS = b"\x2f\x00"
_BOF_SIZE = 20


def compound(head: bytes) -> str | None:
    """The type of an OLE2 file."""
    if not head.startswith(MARK) or len(head) < 512:
        return None
    names, root_class = _directory(head)
    by_names, findings = type_by_names(names, root_class)
    if by_names in _SETTLED:
        return by_names
    by_sector = type_by_sector(head[sector_size(head) :], findings)
    return with_findings(by_names or by_sector or OLE, findings)


def type_by_names(names: set[str], root_class: bytes) -> tuple[str | None, set[Finding]]:
    """What the names in the directory tell, and the class of its root."""
    findings = {Finding.MACROS} if names & _MACROS else set()
    if names & _ENCRYPTION:
        return ENCRYPTED, findings
    if root_class in _MSI_CLASSES:
        return MSI, findings
    return next((kind for name, kind in STREAMS.items() if name in names), None), findings


def sector_size(head: bytes) -> int:
    """In bytes."""
    shift = int.from_bytes(head[30:32], "little")
    return 1 << shift if shift in (9, 12) else 512


def _directory(head: bytes) -> tuple[set[str], bytes]:
    """The names in as much of the directory as the head shows, and the root's class."""
    size = sector_size(head)
    sector = int.from_bytes(head[48:52], "little")
    names: set[str] = set()
    root_class = b""
    for _ in range(_MOST_SECTORS):
        start = (sector + 1) * size
        if sector >= END or start + size > len(head):
            break
        for at in range(start, start + size, ENTRY):
            name_size = int.from_bytes(head[at + 64 : at + 66], "little")
            names.add(head[at : at + max(0, min(name_size, 64) - 2)].decode("utf-16-le", "replace"))
            if head[at + 66] == 5:
                root_class = head[at + 80 : at + 96]
        sector = _next_sector(head, sector, size)
    return names, root_class


def _next_sector(head: bytes, sector: int, size: int) -> int:
    """By the first sectors of the allocation table, whose places the header lists."""
    table, place = divmod(sector, size // 4)
    if table >= 109:
        return END
    (fat,) = struct.unpack_from("<I", head, 76 + 4 * table)
    at = (fat + 1) * size + 4 * place
    return int.from_bytes(head[at : at + 4], "little") if at + 4 <= len(head) else END


def type_by_sector(sector: bytes, findings: set[Finding]) -> str | None:
    """What the beginning of the document's own stream tells; usually it is the first sector."""
    if sector.startswith(_WORD):
        if len(sector) > 11 and sector[11] & _WORD_ENCRYPTED:
            findings.add(Finding.ENCRYPTION)
        return "application/msword"
    if sector.startswith(_EXCEL) and sector[2:4] == b"\x10\x00":
        if sector[_BOF_SIZE : _BOF_SIZE + 2] == _FILEPASS:
            findings.add(Finding.ENCRYPTION)
        return "application/vnd.ms-excel"
    return None
