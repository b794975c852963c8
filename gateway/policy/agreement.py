"""Does the content of a file agree with what is said of it: by its name, and by its sender."""

from enum import StrEnum
from functools import lru_cache

from gateway.content import Finding, split
from gateway.policy.groups import Group, group_of
from gateway.policy.promises import promised
from gateway.policy.synonyms import canonical
from gateway.policy.traits import Trait, traits_of


class Agreement(StrEnum):
    """How much name and content have to agree."""

    STRICT = "strict"
    """A file is what its name says, and what its sender says unless they only read its name."""
    DANGEROUS = "dangerous"
    """A name that promises something inert may not hold what runs or acts."""
    OFF = "off"


_INERT = frozenset({Group.IMAGES, Group.DOCUMENTS, Group.ARCHIVES, Group.AUDIO, Group.VIDEO})
_INERT_TEXTS = frozenset(["csv", "json", "log", "srt", "text", "tsv", "txt", "vtt"])
"""Of texts only those that are no program, no markup and no source."""
_DANGEROUS = frozenset({Group.EXECUTABLES, Group.SCRIPTS})
_TEXTS = frozenset({Group.TEXT, Group.SCRIPTS})

_ZIP_PROGRAMS = frozenset({"application/java-archive", "application/vnd.android.package-archive"})
"""Archives all the same, and opened as such under the name of one."""
_MARKUP = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml"})
_OFTEN_HTML = frozenset({"application/msword", "application/vnd.ms-excel"})
"""Web applications export tables and letters as HTML under these names, for Office to open."""
_ZIP = "application/zip"
_EMPTY = "inode/x-empty"
_MPEG_4 = frozenset(["mp4", "quicktime", "3gpp", "3gpp2", "x-m4a"])
_MATROSKA = frozenset({"x-matroska", "webm"})
_CONTAINERS = (_MPEG_4, _MATROSKA)
"""Subtypes of audio and video for which the head does not tell which of them it is."""
_LONGEST = 512
"""Characters; names of types have 255 at most (RFC 6838 §4.2)."""
_SAYS_NOTHING = frozenset(
    {"", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream"}
)
"""What clients declare without having looked."""
_DECLARED_BY_WINDOWS = {"csv": "application/vnd.ms-excel"}
"""Where Excel is installed; browsers take over what the system says."""


@lru_cache(1024)
def dangerous_disguise(endings: tuple[str, ...], content_type: str) -> str | None:
    """The ending under which dangerous content hides; None if there is no such thing.

    ``endings`` are a name's, shortest first: the shortest decides what opens the file.
    """
    if not endings or not _promises_something_inert(endings[0]):
        return None
    return endings[0] if _dangerous_for(promised(endings[0]), content_type) else None


@lru_cache(1024)
def broken_promise(endings: tuple[str, ...], content_type: str) -> str | None:
    """The type that the name promises, if the content is of another one."""
    types = promised(endings[0]) if endings else ()
    if not types or _agrees(types, content_type):
        return None
    return next((name for name in types if group_of(name) is not Group.OTHER), types[0])


def contradicts(declared: str, endings: tuple[str, ...], content_type: str) -> bool:
    """Whether ``declared`` is a type of its own, not read off the name, and not the content's."""
    return _contradicts(declared.strip()[:_LONGEST], endings, content_type)


@lru_cache(1024)
def _contradicts(declared: str, endings: tuple[str, ...], content_type: str) -> bool:
    name = canonical(declared.partition(";")[0].rstrip())
    if name in _SAYS_NOTHING or name.startswith("multipart/"):
        return False
    if endings and (name in promised(endings[0]) or _DECLARED_BY_WINDOWS.get(endings[0]) == name):
        return False
    return not _agrees((name,), content_type)


def _promises_something_inert(ending: str) -> bool:
    types = promised(ending)
    if ending in _INERT_TEXTS:
        return True
    return bool(types) and all(group_of(name) in _INERT for name in types)


def _dangerous_for(types: tuple[str, ...], content_type: str) -> bool:
    name = canonical(content_type)
    if name in _ZIP_PROGRAMS:
        return all(group_of(other) is not Group.ARCHIVES for other in types)
    if name in _MARKUP:
        return name not in types and _OFTEN_HTML.isdisjoint(types)
    if Trait.ACTIVE in traits_of(content_type):
        return True
    return group_of(name) in _DANGEROUS and name not in types


def _agrees(types: tuple[str, ...], content_type: str) -> bool:
    """Whether content of this type may be called any of ``types``."""
    name = canonical(content_type)
    if Finding.OTHER_FORMAT in split(content_type)[1]:
        return False
    if name in types or name == _EMPTY or (_ZIP in types and _is_zip(name)):
        return True
    # Which kind of text a text is nobody can tell for certain.
    groups = {group_of(other) for other in types}
    if group_of(name) in _TEXTS and groups & _TEXTS:
        return group_of(name) is Group.TEXT or Group.SCRIPTS in groups
    return any(_same_container(name, other) for other in types)


def _is_zip(name: str) -> bool:
    prefixes = ("application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.")
    return name in _ZIP_PROGRAMS or name.endswith("+zip") or name.startswith(prefixes)


def _same_container(name: str, other: str) -> bool:
    """``audio/ogg`` and ``application/ogg`` are one format, as RFC 5334 says of them."""
    subtype, other_subtype = name.partition("/")[2], other.partition("/")[2]
    if {name.partition("/")[0], other.partition("/")[0]} - {"audio", "video", "application"}:
        return False
    return subtype == other_subtype or any(
        subtype in container and other_subtype in container for container in _CONTAINERS
    )
