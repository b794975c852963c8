"""A photograph as telephones take it: a picture (JPEG), and where it was taken (EXIF)."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Colour = tuple[int, int, int]
"""Red, green and blue, from 0 to 255."""


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, minutes and seconds, north and east."""

    latitude: tuple[int, int, int]
    longitude: tuple[int, int, int]

    def __str__(self) -> str:
        north, east = (f"{d}°{m}′{s}″" for d, m, s in (self.latitude, self.longitude))
        return f"{north} N, {east} E"

    @property
    def coordinates(self) -> bytes:
        """As EXIF has them: six fractions."""
        numbers = (*self.latitude, *self.longitude)
        return b"".join(struct.pack("<II", number, 1) for number in numbers)


def photograph(
    columns: int, rows: int, colour_at: Callable[[int, int], Colour], place: Place
) -> bytes:
    """Blocks of eight by eight pixels, each in one colour (ITU-T T.81, baseline)."""
    lengths_of_codes = bytes([0, 0, 0, 12, *[0] * 12]), bytes([1, *[0] * 15])
    size = struct.pack(">BHHB", 8, rows * 8, columns * 8, 3)
    blocks = [colour_at(x, y) for y in range(rows) for x in range(columns)]
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE1, _exif(place)),
            _segment(0xDB, b"\0" + bytes([8] * 64)),
            _segment(0xC0, size + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])),
            _segment(0xC4, b"\x00" + lengths_of_codes[0] + bytes(range(12))),
            _segment(0xC4, b"\x10" + lengths_of_codes[1] + b"\0"),
            _segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])),
            _packed("".join(_coded(blocks))),
            b"\xff\xd9",
        )
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _exif(place: Place) -> bytes:
    """A directory that leads to another one, which has the place (CIPA DC-008)."""
    ascii_, long, fraction = 2, 4, 5
    first, second, coordinates = 8, 26, 80
    directory = struct.pack("<HHHIII", 1, 0x8825, long, 1, second, 0)
    entries = (
        struct.pack("<HHI4s", 1, ascii_, 2, b"N"),
        struct.pack("<HHII", 2, fraction, 3, coordinates),
        struct.pack("<HHI4s", 3, ascii_, 2, b"E"),
        struct.pack("<HHII", 4, fraction, 3, coordinates + 24),
    )
    its_place = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    head = b"Exif\0\0II*\0" + struct.pack("<I", first)
    return head + directory + its_place + place.coordinates


def _coded(blocks: list[Colour]) -> Iterator[str]:
    """Bits. Of each block and component only how it differs from the one before (T.81, F.1.2.1)."""
    before = [0, 0, 0]
    for red, green, blue in blocks:
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        parts = (luma - 128, (blue - luma) / 1.772, (red - luma) / 1.402)
        for component, part in enumerate(parts):
            value = min(max(round(part), -128), 127)
            difference, before[component] = value - before[component], value
            length = abs(difference).bit_length()
            bits = difference if difference >= 0 else difference + (1 << length) - 1
            yield f"{length:04b}" + (f"{bits:0{length}b}" if length else "")
            yield "0"  # nothing varies within the block


def _packed(bits: str) -> bytes:
    """Filled up with ones, and no byte looks like a marker."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\x00")
