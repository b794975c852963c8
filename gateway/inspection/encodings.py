"""Text of any Unicode encoding as UTF-8, so that the rules about text are written once."""

import codecs

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
"""UTF-32 first: its little-endian mark begins with that of UTF-16."""
_XML_BEGINS = ((b"<\0?\0x\0m\0l\0", "utf-16-le"), (b"\0<\0?\0x\0m\0l", "utf-16-be"))
"""Browsers go by these whatever follows (XML 1.0, appendix F)."""
_WITHOUT_MARK = (
    ("utf-32-le", 4, (1, 2, 3)),
    ("utf-32-be", 4, (0, 1, 2)),
    ("utf-16-le", 2, (1,)),
    ("utf-16-be", 2, (0,)),
)
"""Encoding, bytes of a unit, and which of them are mostly zero in text of few scripts."""
_LEAST_UNITS = 4
_SAMPLE = 1024
"""Bytes that a guess looks at."""


def as_utf8(head: bytes) -> bytes:
    """``head`` in UTF-8 without its mark, if it is UTF-16 or UTF-32; otherwise as it is."""
    encoding, start = encoding_of(head)
    return head[start:] if encoding is None else _decoded(head, start, encoding)


def encoding_of(head: bytes) -> tuple[str | None, int]:
    """None for UTF-8 and whatever else needs no decoding; and the length of the mark."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return (None if encoding == "utf-8" else encoding), len(mark)
    for begin, encoding in _XML_BEGINS:
        if head.startswith(begin):
            return encoding, 0
    return (_guessed(head) if b"\0" in head[:_SAMPLE] else None), 0


def _guessed(head: bytes) -> str | None:
    """The encoding of text without a mark: zeros where its units have them, none elsewhere."""
    sample = head[:_SAMPLE]
    for encoding, unit, zeros in _WITHOUT_MARK:
        units = len(sample) // unit
        lanes = [sample[lane : units * unit : unit] for lane in range(unit)]
        if units >= _LEAST_UNITS and all(
            lane.count(0) >= 0.8 * units if index in zeros else lane.count(0) == 0
            for index, lane in enumerate(lanes)
        ):
            return encoding
    return None


def _decoded(head: bytes, start: int, encoding: str) -> bytes:
    text, _ = codecs.lookup(encoding).decode(head[start:], "replace")
    return text.encode("utf-8", "replace")
