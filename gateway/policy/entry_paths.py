"""Where an archive's entries would be unpacked to, on any system."""

import re
import unicodedata

from gateway.contents import Contents, Entry, Kind

Place = tuple[str, ...]
"""A path's folders and its last part."""
Links = frozenset[tuple[Place, Place]]
"""(the archives around it, its place) of symbolic links."""

_SEPARATOR = re.compile(r"[/\\]")
_DRIVE = re.compile(r"[A-Za-z]:")
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that show letters in another order (UAX #9)."""
_UP = re.compile(r" *\.[. ]*\. *")
"""Two dots, and what Windows takes for them."""


def links_of(contents: Contents) -> Links:
    return frozenset(
        (entry.archives, _place(entry.name))
        for entry in contents.entries
        if entry.kind is Kind.SYMBOLIC_LINK
    )


def name_problem(name: str) -> str | None:
    """Completes "“name” in it …"."""
    if _UNSEEN.search(name):
        return "has characters in its name that nobody sees"
    if _leads_out(name):
        return "would be unpacked outside of the folder that it is meant for"
    return None


def way_problem(entry: Entry, links: Links) -> str | None:
    """The same, by the links on the entry's way, and by where it leads if it is one itself."""
    place = _place(entry.name)
    if _through_link(entry.archives, place, links):
        return "would be unpacked through a link"
    if entry.kind is Kind.SYMBOLIC_LINK and not _stays_inside(place, entry.link):
        return "is a link that may lead out of it"
    if entry.kind is Kind.HARD_LINK:
        target = entry.link or "/"
        if name_problem(target) or _through_link(entry.archives, _place(target), links):
            return "is a link that may lead out of it"
    return None


def _through_link(archives: Place, place: Place, links: Links) -> bool:
    return bool(links) and any((archives, place[:n]) in links for n in range(1, len(place)))


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
