"""What the name of a file says about it."""

import re
import unicodedata
from functools import lru_cache

_STREAM = re.compile(r":[^:]*:\$[a-z_]+$")
"""NTFS: ``a.exe::$DATA`` and ``a.exe:stream:$DATA`` open ``a.exe``."""


@lru_cache(64)  # each of an upload's rules asks for the same name
def extensions(name: str) -> tuple[str, ...]:
    """The endings of ``name`` in lower case, shortest first: ``a.tar.gz`` → ``gz``, ``tar.gz``.

    Read as whoever may open the file would, so that no spelling hides an ending. Dots and spaces
    at the end count for nothing, nor do invisible characters: Windows or browsers drop them.
    Letters that only look different (full-width, Kelvin sign) are equal (Unicode NFKC). Of a
    name with a colon, what stands before the colon has its endings too: on NTFS that is the file.
    """
    base = _plain(name.rpartition("/")[2])
    base = _STREAM.sub("", base)
    endings = _endings(base)
    if ":" in base:
        endings += _endings(base.partition(":")[0])
    return tuple(dict.fromkeys(endings))


def _plain(name: str) -> str:
    if name.isascii() and name.isprintable():
        return name.lower()
    visible = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf"))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


def _endings(base: str) -> list[str]:
    pieces = [piece.strip() for piece in base.rstrip(". \t").split(".")[1:]]
    return [".".join(pieces[i:]) for i in reversed(range(len(pieces))) if pieces[i]]
