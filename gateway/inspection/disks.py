"""Images of disks, which systems open like a folder."""

ISO = "application/x-iso9660-image"
VIRTUAL_DISK = "application/x-virtualbox-vhd"

_STARTS = (
    (b"vhdxfile", VIRTUAL_DISK),
    (b"conectix", VIRTUAL_DISK),
    (b"KDMV", "application/x-vmdk-disk"),
    (b"COWD", "application/x-vmdk-disk"),
    (b"# Disk DescriptorFile", "application/x-vmdk-disk"),
    (b"QFI\xfb", "application/x-qemu-disk"),
    (b"encrcdsa", "application/x-apple-diskimage"),
    (b"koly", "application/x-apple-diskimage"),
)
_VOLUMES = (b"CD001", b"BEA01", b"NSR02", b"NSR03")
"""ISO 9660 and UDF (ECMA-119 8.1.2, ECMA-167 2/9.1)."""
_VOLUME_AT = (0x8001, 0x8801, 0x9001)

DISK_BYTES = _VOLUME_AT[-1] + 5
"""How much of a file has to be seen to know an optical disk."""


def disk(head: bytes) -> str | None:
    """The type of a disk image; those with their mark at the end are not seen here."""
    for start, content_type in _STARTS:
        if head.startswith(start):
            return content_type
    if any(head[at : at + 5] in _VOLUMES for at in _VOLUME_AT):
        return ISO
    return None
