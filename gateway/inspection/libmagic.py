"""libmagic, kept from taking long."""

import contextlib
import re

with contextlib.suppress(ImportError, OSError):
    # Leads python-magic to the libmagic and the database of this wheel, so it has to come first.
    import pylibmagic  # noqa: F401
import magic

UNKNOWN = "application/octet-stream"

# Everybody else waits for libmagic's answer, so it has to come soon whatever the bytes are. With
# its own limits, 16 KiB of line feeds keep it busy for 280 ms. With these, common binary formats
# take 30 to 150 µs, texts 2 ms, line feeds 2 ms, and the worst that a search for worse has found
# 12 ms; of 3,651 real files the limits changed no answer but from one kind of text to another.
_REGEX_BYTES = 1024
_TEXT_BYTES = 2048
_MAGIC_PARAM_ENCODING_MAX = 7
"""Bytes taken for text; python-magic has no name for it (libmagic 5.40 and later)."""
_BLANK = b"\t\n\v\f\r "
_MANY_BLANKS = re.compile(rb"([\t\n\v\f\r ]{16})[\t\n\v\f\r ]+")

_CONTENT_TYPE = re.compile(r"[a-z]+/[A-Za-z0-9][A-Za-z0-9.+_-]*")


class LibMagic:
    """libmagic with its database loaded."""

    def __init__(self) -> None:
        """Raises magic.MagicException where there is no database."""
        self._magic = magic.Magic(mime=True)
        self._magic.setparam(magic.MAGIC_PARAM_REGEX_MAX, _REGEX_BYTES)
        with contextlib.suppress(magic.MagicException):
            self._magic.setparam(_MAGIC_PARAM_ENCODING_MAX, _TEXT_BYTES)

    def ask(self, head: bytes) -> str:
        """libmagic's answer; ``UNKNOWN`` if it has none. Never raises."""
        try:
            answer = self._magic.from_buffer(_without_flood(head))
        except magic.MagicException:
            # Only hostile bytes were seen to do this ("indirect count (50) exceeded").
            return UNKNOWN
        return answer if _CONTENT_TYPE.fullmatch(answer) else UNKNOWN


def _without_flood(head: bytes) -> bytes:
    """Mostly blank text with its long runs of blanks cut short, other files as they are."""
    seen = head[:_TEXT_BYTES]
    if 2 * len(seen.translate(None, _BLANK)) > len(seen) or b"\0" in head:
        return head
    return _MANY_BLANKS.sub(rb"\1", head)
