"""Tar archives, read forwards: POSIX' ustar and pax, GNU's and older ones.

Where tars of different makers skip different numbers of bytes, and so see different entries, the
archive is ambiguous.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.contents import Kind, Trouble
from gateway.inspection.archives.reading import MOST_TARGET, Item, Stream, Unfit

BLOCK = 512
_MOST_EXTENDED = 2**20
"""Bytes of an extended header. macOS keeps attributes of files there."""
_MOST_RECORDS, _MOST_HEADERS = 1000, 8
"""Records of an extended header, and such headers before an entry."""
_KINDS = {
    b"0": Kind.REGULAR,
    b"\0": Kind.REGULAR,
    b"7": Kind.REGULAR,
    b"1": Kind.HARD_LINK,
    b"2": Kind.SYMBOLIC_LINK,
    b"3": Kind.DEVICE,
    b"4": Kind.DEVICE,
    b"5": Kind.DIRECTORY,
    b"6": Kind.DEVICE,
}
_PAX, _GLOBAL, _GNU_NAME, _GNU_LINK, _SPARSE, _LABEL = b"x", b"g", b"L", b"K", b"S", b"V"
_OF_ONE = frozenset({"path", "linkpath", "size"})
"""Fields of one entry; for all entries of an archive they make no sense."""
_SPARSE_FIELDS = "GNU.sparse."
_SPARSE_NAME = "GNU.sparse.name"
_SPARSE_SIZES = ("GNU.sparse.realsize", "GNU.sparse.size")
_RECORD = re.compile(rb"(\d{1,10}) ([^=]+)=")
_NUMBER = re.compile(rb"[ \0]*([0-7]*)[ \0]*")
_SPARSE_MORE, _SPARSE_SIZE, _SPARSE_MORE_HERE = 482, slice(483, 495), 504


@dataclass(slots=True)
class _Extended:
    """What stands before an entry's own header."""

    fields: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    link: str | None = None
    headers: int = 0


def is_header(block: bytes) -> bool:
    """Whether its checksum is right: the sum of bytes, its own taken as blanks.

    Some old tars took bytes for signed.
    """
    if len(block) < BLOCK or not block[0]:
        return False
    told = _NUMBER.fullmatch(block[148:156])
    if told is None or not told[1]:
        return False
    others = block[:148] + b" " * 8 + block[156:BLOCK]
    differs = sum(others) - int(told[1], 8)
    return not differs or differs == 256 * sum(byte >= 0x80 for byte in others)


def read_tar(stream: Stream) -> Iterator[Item]:
    """Raises Unfit."""
    extended = _Extended()
    while True:
        header = _header(stream)
        if header is None:
            break
        flag, size = header[156:157], _number(header[124:136])
        if flag in (_PAX, _GLOBAL, _GNU_NAME, _GNU_LINK):
            _extend(extended, flag, _padded(stream, size))
        else:
            yield from _entry(stream, header, size, extended)
            extended = _Extended()
    for piece in stream.rest():
        if piece.strip(b"\0"):
            raise Unfit(Trouble.AMBIGUOUS)


def _header(stream: Stream) -> bytes | None:
    """None at the end, that is a block of zeros or no block at all. Raises Unfit."""
    start = stream.some(BLOCK)
    if not start:
        return None
    block = start + stream.read(BLOCK - len(start))
    if not block.strip(b"\0"):
        return None
    if not is_header(block):
        raise Unfit(Trouble.UNREADABLE)
    return block


def _entry(stream: Stream, header: bytes, size: int, extended: _Extended) -> Iterator[Item]:
    flag = header[156:157]
    name, link = _names(header, extended)
    size = _size(size, extended)
    kind = _KINDS.get(flag, Kind.REGULAR)
    if flag in (b"\0", b"0") and name.endswith("/"):
        kind = Kind.DIRECTORY
    sparse = flag == _SPARSE or any(key.startswith(_SPARSE_FIELDS) for key in extended.fields)
    if flag == _SPARSE:
        _skip_map(stream, header)
    if sparse:
        yield Item(name, size=_sparse_size(header, extended), trouble=Trouble.UNSUPPORTED)
        _skip(stream, size)
    elif kind is not Kind.REGULAR or flag == _LABEL:
        if size:
            raise Unfit(Trouble.AMBIGUOUS)
        is_link = kind in (Kind.SYMBOLIC_LINK, Kind.HARD_LINK)
        yield Item(name, size=0, kind=kind, link=link if is_link else None)
    else:
        content = stream.content(size)
        yield Item(name, content, size)
        for _ in content:
            pass
    _skip(stream, -size % BLOCK)


def _names(header: bytes, extended: _Extended) -> tuple[str, str]:
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
        name = f"{prefix}/{name}"
    fields = extended.fields
    name = fields.get(_SPARSE_NAME) or fields.get("path") or extended.name or name
    link = fields.get("linkpath") or extended.link or _text(header[157:257])
    if not name:
        raise Unfit(Trouble.UNREADABLE)
    return name, link


def _size(size: int, extended: _Extended) -> int:
    told = extended.fields.get("size")
    if told is None:
        return size
    if not re.fullmatch(r"\d{1,19}", told, re.ASCII) or size not in (0, int(told)):
        raise Unfit(Trouble.AMBIGUOUS)
    return int(told)


def _sparse_size(header: bytes, extended: _Extended) -> int:
    for key in _SPARSE_SIZES:
        told = extended.fields.get(key, "")
        if re.fullmatch(r"\d{1,19}", told, re.ASCII):
            return int(told)
    return _number(header[_SPARSE_SIZE])


def _skip_map(stream: Stream, header: bytes) -> None:
    more = header[_SPARSE_MORE]
    while more:
        more = stream.read(BLOCK)[_SPARSE_MORE_HERE]


def _padded(stream: Stream, size: int) -> bytes:
    if size > _MOST_EXTENDED:
        raise Unfit(Trouble.UNREADABLE)
    content = stream.read(size)
    _skip(stream, -size % BLOCK)
    return content


def _skip(stream: Stream, size: int) -> None:
    for _ in stream.content(size):
        pass


def _extend(extended: _Extended, flag: bytes, content: bytes) -> None:
    extended.headers += 1
    if extended.headers > _MOST_HEADERS:
        raise Unfit(Trouble.UNREADABLE)
    if flag == _GNU_NAME:
        extended.name = _text(content)
    elif flag == _GNU_LINK:
        extended.link = _text(content)
    else:
        fields = dict(_pax(content))
        if flag == _PAX:
            extended.fields |= fields
        elif not _OF_ONE.isdisjoint(fields):
            raise Unfit(Trouble.AMBIGUOUS)


def _pax(content: bytes) -> Iterator[tuple[str, str]]:
    """Those that matter of the records, which have the form ``length key=value\\n``."""
    at = 0
    for _ in range(_MOST_RECORDS):
        if at >= len(content) or not content[at]:
            return
        found = _RECORD.match(content, at)
        end = at + int(found[1]) if found else 0
        if found is None or end <= found.end() or content[end - 1 : end] != b"\n":
            raise Unfit(Trouble.UNREADABLE)
        key, value = found[2].decode("utf-8", "replace"), content[found.end() : end - 1]
        if key in _OF_ONE or key in (_SPARSE_NAME, *_SPARSE_SIZES):
            if len(value) > MOST_TARGET:
                raise Unfit(Trouble.UNREADABLE)
            yield key, value.decode("utf-8", "replace")
        elif key.startswith(_SPARSE_FIELDS):
            yield _SPARSE_FIELDS, ""
        at = end
    raise Unfit(Trouble.UNREADABLE)


def _text(field_: bytes) -> str:
    return field_.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field_: bytes) -> int:
    """Octal digits, or GNU's binary form. Raises Unfit."""
    if field_[0] == 0x80:
        return int.from_bytes(field_[1:], "big")
    found = _NUMBER.fullmatch(field_)
    if found is None:
        raise Unfit(Trouble.UNREADABLE)
    return int(found[1] or b"0", 8)
