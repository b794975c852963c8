"""What the name of a file says about it."""

import re
import unicodedata
from functools import lru_cache

_STREAM = re.compile(r":[^:]*:\$[a-z_]+$")
"""NTFS: ``a.exe::$DATA`` and ``a.exe:stream:$DATA`` open ``a.exe``."""

_DROPPED = ". \t"


@lru_cache(64)  # each of an upload's rules asks for the same name
def extensions(name: str) -> tuple[str, ...]:
    """The endings of ``name`` in lower case, shortest first: ``a.tar.gz`` → ``gz``, ``tar.gz``.

    Read as whoever may open the file would, see ``readings``, so that no spelling hides one.
    """
    return tuple(dict.fromkeys(ending for base in readings(name) for ending in endings(base)))


def readings(name: str) -> tuple[str, ...]:
    """``name`` as whoever may open the file reads it, in lower case; mostly there is one way.

    Dots and spaces at the end count for nothing, nor do invisible characters: Windows or browsers
    drop them. Letters that only look different (full-width, Kelvin sign) are equal (Unicode
    NFKC). Of a name with a colon, what stands before it is a second one if it has an ending: on
    NTFS that is the file.
    """
    base = _STREAM.sub("", plain(name.rpartition("/")[2]))
    if ":" in base:
        before = base.partition(":")[0]
        if endings(before):
            return base.rstrip(_DROPPED), before.rstrip(_DROPPED)
    return (base.rstrip(_DROPPED),)


def plain(name: str) -> str:
    """``name`` in small letters, one spelling for all that look alike."""
    if name.isascii() and name.isprintable():
        return name.lower()
    visible = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf"))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


def endings(base: str) -> list[str]:
    """Those of one reading, shortest first."""
    pieces = [piece.strip() for piece in base.rstrip(_DROPPED).split(".")[1:]]
    return [".".join(pieces[i:]) for i in reversed(range(len(pieces))) if pieces[i]]
