"""Real files from what packages have installed on this machine, or were unpacked to a folder."""

import hashlib
import os
import re
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.corpus.formats import EXPECTED

ROOTS = (
    Path("/usr/share"),
    Path("/usr/lib"),
    Path("/usr/include"),
    Path(sysconfig.get_path("purelib")),
)
UNPACKED = Path(__file__).resolve().parents[2] / ".corpus"
"""Where scripts/corpus unpacks packages that are not installed."""
PER_FORMAT = 12

_BROKEN_ON_PURPOSE = re.compile(
    r"corrupt|malform|invalid|broken|truncat|fuzz|\bbad|error|crash|/tests?/.*(?:html|htm|xml)$",
    re.IGNORECASE,
)
_MOST_LOOKED_AT = 400_000


class Specimen(NamedTuple):
    """A real file, and what it is."""

    path: Path
    ending: str


def collect(roots: Iterable[Path] = (*ROOTS, UNPACKED)) -> list[Specimen]:
    """Up to PER_FORMAT files of each format, from as many folders as there are; always the same
    ones on the same machine."""
    found: dict[str, dict[Path, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for path in _files(roots):
        found[path.suffix.lower().lstrip(".")][path.parent].append(path)
    return [
        Specimen(path, ending)
        for ending, folders in sorted(found.items())
        for path in _spread(folders)
    ]


def _files(roots: Iterable[Path]) -> Iterator[Path]:
    looked_at = 0
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                looked_at += 1
                if looked_at > _MOST_LOOKED_AT:
                    return
                path = Path(folder, name)
                ending = path.suffix.lower().lstrip(".")
                if ending in EXPECTED and not _BROKEN_ON_PURPOSE.search(str(path)):
                    yield path


def _spread(folders: dict[Path, list[Path]]) -> list[Path]:
    """One of each folder, then a second of each, and so on."""
    ranked = sorted(
        (rank, _lot(path), path)
        for paths in folders.values()
        for rank, path in enumerate(sorted(paths, key=_lot)[:PER_FORMAT])
    )
    chosen: list[Path] = []
    for _, _, path in ranked:
        if len(chosen) == PER_FORMAT:
            break
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 0:
            chosen.append(path)
    return chosen


def _lot(path: Path) -> str:
    return hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()
