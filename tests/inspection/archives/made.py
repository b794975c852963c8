"""Archives made by hand, where no library would make them so."""

import lzma
import struct
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


@dataclass(frozen=True)
class ZipPart:
    """An entry, and what its two headers say of it."""

    name: bytes
    data: bytes = b""
    """As packed."""
    size: int = 0
    method: int = 0
    flags: int = 0
    attributes: int = 0
    extra: bytes = b""
    local_name: bytes | None = None
    local_size: int | None = None
    local_method: int | None = None
    start: int | None = None
    """Of its local header, where that is not where it belongs."""
    packed_size: int | None = None

    def local(self) -> bytes:
        name = self.name if self.local_name is None else self.local_name
        method = self.method if self.local_method is None else self.local_method
        size = self.size if self.local_size is None else self.local_size
        packed = len(self.data) if self.packed_size is None else self.packed_size
        fields = (20, self.flags, method, 0, 0, 0, packed, size, len(name), len(self.extra))
        return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields) + name + self.extra + self.data

    def central(self, start: int) -> bytes:
        at = start if self.start is None else self.start
        packed = len(self.data) if self.packed_size is None else self.packed_size
        fields = (20, 20, self.flags, self.method, 0, 0, 0, packed, self.size)
        more = (len(self.name), len(self.extra), 0, 0, 0, self.attributes, at)
        header = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields, *more)
        return header + self.name + self.extra


def stored(name: str, content: bytes = b"hello\n", **more: int | bytes | None) -> ZipPart:
    return replace(ZipPart(name.encode(), content, len(content)), **more)  # type: ignore[arg-type]


def packed(name: str, content: bytes) -> ZipPart:
    return ZipPart(name.encode(), deflated(content), len(content), method=8)


def zip_of(
    *parts: ZipPart,
    before: bytes = b"",
    between: bytes = b"",
    behind: bytes = b"",
    comment: bytes = b"",
    entries: int | None = None,
) -> bytes:
    """``before`` stands before the first entry, ``between`` before the directory, ``behind`` after
    it; ``entries`` is what the end says that there are.
    """
    body, directory = bytearray(before), bytearray()
    for part in parts:
        directory += part.central(len(body))
        if part.start is None:
            body += part.local()
    body += between
    count = len(parts) if entries is None else entries
    fields = (0, 0, count, count, len(directory), len(body), len(comment))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", *fields)
    return bytes(body + directory) + behind + end + comment


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes], end: bytes = bytes(1024)) -> bytes:
    """Members without content, or names with theirs."""
    made = b""
    for member in members:
        if isinstance(member, tarfile.TarInfo):
            made += member.tobuf(tarfile.GNU_FORMAT)
        else:
            made += tar_header(member[0], len(member[1])) + padded(member[1])
    return made + end


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def tar_header(name: str, size: int, kind: bytes = b"0", link: str = "") -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, link
    return member.tobuf(tarfile.GNU_FORMAT)


def with_checksum(header: bytes) -> bytes:
    total = sum(header[:148]) + 256 + sum(header[156:512])
    return header[:148] + b"%06o\0 " % total + header[156:]


def pax(kind: bytes = b"x", **fields: str) -> bytes:
    """An extended header."""
    content = b""
    for key, value in fields.items():
        record = f" {key.replace('__', '.')}={value}\n".encode()
        size = len(record) + len(str(len(record) + 2))
        content += f"{size}".encode() + record
    return tar_header("PaxHeader", len(content), kind) + padded(content)


# 7-Zip


def number(value: int) -> bytes:
    """As 7-Zip writes them, in nine bytes where one does not do."""
    return bytes([value]) if value < 0x80 else b"\xff" + value.to_bytes(8, "little")


LZMA2 = b"\x21\x21\x01\x18"
"""A coder: attributes and length of its id, the id, one byte of properties: a window of 16 MiB."""
COPY = b"\x01\0"
PPMD = b"\x23\x03\x04\x01\x05" + b"\x06" + bytes(4)
AES = b"\x24\x06\xf1\x07\x01" + b"\x02\0\0"


def lzma2(content: bytes) -> bytes:
    return lzma.compress(
        content,
        lzma.FORMAT_RAW,
        filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 24}],
    )


def streams(
    packed_data: bytes, sizes: Sequence[int], coders: bytes, *, count: int = 1, at: int = 0
) -> bytes:
    """What is about streams, of one folder with ``count`` coders."""
    info = b"\x06" + number(at) + b"\x01\x09" + number(len(packed_data)) + b"\0"
    info += b"\x07\x0b\x01\0" + number(count) + coders
    info += b"\x0c" + number(sum(sizes)) * count + b"\0"
    others = b"".join(number(size) for size in sizes[:-1])
    return info + b"\x08\x0d" + number(len(sizes)) + b"\x09" + others + b"\0\0"


def seven_zip(
    *files: tuple[str, bytes],
    packed_data: bytes | None = None,
    coders: bytes = LZMA2,
    count: int = 1,
    attributes: Sequence[int] = (),
    folders: Sequence[str] = (),
    encoded: bool = False,
) -> bytes:
    """With ``encoded`` the header is packed, too."""
    content = b"".join(data for _, data in files)
    data = lzma2(content) if packed_data is None else packed_data
    header = b"\x01\x04" + streams(data, [len(data) for _, data in files], coders, count=count)
    names = b"\0" + b"".join(
        f"{name}\0".encode("utf-16-le") for name in (*(name for name, _ in files), *folders)
    )
    header += b"\x05" + number(len(files) + len(folders))
    if folders:
        bits = sum(0x80 >> n for n in range(len(files), len(files) + len(folders)))
        header += b"\x0e" + number(1) + bytes([bits])
    header += b"\x11" + number(len(names)) + names
    if attributes:
        values = b"\x01\0" + struct.pack(f"<{len(attributes)}I", *attributes)
        header += b"\x15" + number(len(values)) + values
    header += b"\0\0"
    if encoded:
        small = lzma2(header)
        packed_header = b"\x17" + streams(small, [len(header)], LZMA2, at=len(data))
        data, header = data + small, packed_header
    return signed(data, header)


def signed(data: bytes, header: bytes) -> bytes:
    start = struct.pack("<QQI", len(data), len(header), zlib.crc32(header))
    mark = b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<I", zlib.crc32(start))
    return mark + start + data + header


# RAR


def vint(value: int) -> bytes:
    made = b""
    while value >= 0x80:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def rar5_block(kind: int, fields: bytes, *, data: bytes = b"", extra: bytes = b"") -> bytes:
    flags = bool(extra) | 2 * bool(data)
    head = vint(kind) + vint(flags) + (vint(len(extra)) if extra else b"")
    head += (vint(len(data)) if data else b"") + fields + extra
    sized = vint(len(head)) + head
    return struct.pack("<I", zlib.crc32(sized)) + sized + data


def rar5_file(
    name: str, size: int = 6, *, flags: int = 0, mode: int = 0o100644, extra: bytes = b""
) -> bytes:
    encoded = name.encode()
    fields = vint(flags) + vint(size) + vint(mode) + vint(0) + vint(1)
    return rar5_block(2, fields + vint(len(encoded)) + encoded, data=b"packed", extra=extra)


def rar5(*blocks: bytes) -> bytes:
    return b"Rar!\x1a\x07\x01\0" + rar5_block(1, vint(0)) + b"".join(blocks) + rar5_block(5, b"\0")


def rar4_block(kind: int, flags: int, fields: bytes, data: bytes = b"") -> bytes:
    head = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data


def rar4_file(
    name: bytes,
    size: int = 6,
    *,
    flags: int = 0,
    system: int = 3,
    attributes: int = 0o100644,
    high: bytes = b"",
) -> bytes:
    """``high`` are the upper halves of both sizes."""
    data = b"packed"
    told = (len(data), size, system, 0, 0, 20, 0x33, len(name), attributes)
    fields = struct.pack("<IIBIIBBHI", *told)
    return rar4_block(0x74, flags | 0x8000, fields + high + name, data)


def rar4(*blocks: bytes, flags: int = 0) -> bytes:
    main = rar4_block(0x73, flags, bytes(6))
    return b"Rar!\x1a\x07\0" + main + b"".join(blocks) + rar4_block(0x7B, 0x4000, b"")
