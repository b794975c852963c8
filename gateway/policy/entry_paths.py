"""Where an archive's entries would be unpacked to, on any system."""

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field

from gateway.contents import Contents, Entry, Kind
from gateway.phrases import Phrase, phrase

Place = tuple[str, ...]
"""A path's folders and its last part."""

_SEPARATOR = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that show letters in another order (UAX #9)."""
_MOST_CHARACTERS = 255
"""Of a name, on all systems (NAME_MAX, NTFS)."""
_UP = re.compile(r" *\.[. ]*\. *")
"""Two dots, and what Windows takes for them."""


@dataclass(slots=True)
class _Folder:
    """As far as there are links in it."""

    folders: dict[str, "_Folder"] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)


class Links:
    """The symbolic links of an archive, and of those in it."""

    def __init__(self, contents: Contents) -> None:
        self._roots: dict[Place, _Folder] = defaultdict(_Folder)
        for entry in contents.entries:
            if entry.kind is Kind.SYMBOLIC_LINK:
                folder = self._roots[entry.archives]
                *folders, name = _place(entry.name) or ("",)
                for part in folders:
                    folder = folder.folders.setdefault(part, _Folder())
                folder.links.add(name)

    def lead_to(self, archives: Place, place: Place) -> bool:
        """Whether one is on the way there."""
        folder = self._roots.get(archives)
        for part in place[:-1]:
            if folder is None:
                return False
            if part in folder.links:
                return True
            folder = folder.folders.get(part)
        return False


def name_problem(name: str) -> Phrase | None:
    """Completes "“name” in it …"."""
    if _UNSEEN.search(name):
        return phrase("has characters in its name that nobody sees")
    if max(map(len, _SEPARATOR.split(name))) > _MOST_CHARACTERS:
        return phrase("has a longer name than files can have")
    if _leads_out(name):
        return phrase("would be unpacked outside of the folder that it is meant for")
    return None


def way_problem(entry: Entry, links: Links) -> Phrase | None:
    """The same, by the links on the entry's way, and by where it leads if it is one itself."""
    place = _place(entry.name)
    if links.lead_to(entry.archives, place):
        return phrase("would be unpacked through a link")
    if entry.kind is Kind.SYMBOLIC_LINK and not _stays_inside(place, entry.link):
        return phrase("is a link that may lead out of it")
    if entry.kind is Kind.HARD_LINK:
        target = entry.link or "/"
        if name_problem(target) or links.lead_to(entry.archives, _place(target)):
            return phrase("is a link that may lead out of it")
    return None


def _leads_out(path: str) -> bool:
    parts = _SEPARATOR.split(path)
    return not parts[0] or bool(_DRIVE.match(path)) or any(map(_UP.fullmatch, parts))


def _stays_inside(place: Place, target: str | None) -> bool:
    """A target may go up first, but not from where another link may have led."""
    if not target or _UNSEEN.search(target):
        return False
    parts = [part for part in _SEPARATOR.split(target) if part != "."]
    ups = 0
    while ups < len(parts) and _UP.fullmatch(parts[ups]):
        ups += 1
    rest = "/".join(parts[ups:])
    return ups < len(place) and not (rest and _leads_out(rest))


def _place(name: str) -> Place:
    """Equal for names that some file system takes for the same."""
    folded = unicodedata.normalize("NFKC", name.casefold())
    return tuple(part for part in _SEPARATOR.split(folded) if part not in ("", "."))
