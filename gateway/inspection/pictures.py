"""How large a picture is, before anybody decodes it.

Mattermost decodes what it can, to make previews, and goes by the first bytes, not by name or type
(its app/imaging/decode.go, and the ``image`` packages of Go that it names). So it is here. WebP
is not among them in 5.37; apps decode it.
"""

import io
import re
from collections.abc import Callable
from typing import BinaryIO

from gateway.dimensions import Dimensions
from gateway.inspection import animations, stills
from gateway.inspection.measuring import EndOfFile, Extent, Source, Unreadable

_Measurer = Callable[[Source, Extent], None]

_SIGNATURES: tuple[tuple[re.Pattern[bytes], _Measurer], ...] = (
    (re.compile(rb"\xff\xd8"), stills.jpeg),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), animations.png),
    (re.compile(rb"GIF8[79]a"), animations.gif),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), animations.webp),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), stills.tiff),
    (re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL), stills.bmp),
    (re.compile(rb"8BPS\0[\x01\x02]"), stills.psd),
)


def is_measured(head: bytes) -> bool:
    """Whether ``head`` begins as a picture does that is decoded.

    Where such a file cannot be measured, nobody knows what decoding it costs.
    """
    return _measurer(head) is not None


def measured_in_head(head: bytes) -> Dimensions | None:
    """What the first bytes of a file tell; None if more of it is needed, or if it is none."""
    return _measured(io.BytesIO(head), head, whole=False)


def measure(file: BinaryIO) -> Dimensions | None:
    """The picture in a whole file, which has to be seekable; None if there is none to be read.

    One that breaks off counts as far as it goes. Blocks; takes about a second at most, and
    a few hundred KiB, whatever the file.
    """
    file.seek(0)
    return _measured(file, file.read(32), whole=True)


def _measurer(head: bytes) -> _Measurer | None:
    return next((walk for pattern, walk in _SIGNATURES if pattern.match(head)), None)


def _measured(file: BinaryIO, head: bytes, *, whole: bool) -> Dimensions | None:
    walk, extent = _measurer(head), Extent()
    if walk is None:
        return None
    try:
        walk(Source(file), extent)
    except EndOfFile:
        return extent.dimensions() if whole else None
    except (Unreadable, OverflowError):
        return None
    return extent.dimensions()
