"""Does the content of a file agree with what its name promises."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from gateway.policy.groups import Group, group_of
from gateway.policy.synonyms import canonical


class Agreement(StrEnum):
    """How much name and content have to agree."""

    DANGEROUS = "dangerous"
    """A name that promises something inert may not hold what runs or acts."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class _Promise:
    """What an ending leads people to expect."""

    group: Group
    content_type: str | None = None


_INERT = frozenset({Group.IMAGES, Group.DOCUMENTS, Group.ARCHIVES, Group.AUDIO, Group.VIDEO})
_DANGEROUS = frozenset({Group.EXECUTABLES, Group.SCRIPTS})
_ACTIVE = frozenset({"text/html", "application/xhtml+xml", "image/svg+xml"})

# What Python's table lacks, or has in some versions only. Of texts only those that are no
# program, no markup and no source: most endings of texts promise nothing.
_MORE = {
    Group.IMAGES: "apng cr2 cr3 dng emf heics jfif jp2 jxl nef psd tga wmf xcf",
    Group.DOCUMENTS: "djvu docm docx dotm dotx epub mobi numbers odg odp ods odt otp ots ott "
    "pages potx pps ppsx pptm pptx rtf vsd vsdx xlsb xlsm xlsx xltx xps",
    Group.ARCHIVES: "7z bz2 gz lz4 lzma rar tbz2 tgz txz xz z zst",
    Group.AUDIO: "amr flac m4a mid midi oga ogg weba wma",
    Group.VIDEO: "flv m4v mkv ogv wmv",
    Group.TEXT: "csv json log srt text tsv txt vtt",
}
_ZIP_PROGRAMS = frozenset({"application/java-archive", "application/vnd.android.package-archive"})
"""Archives all the same, and opened as such under the name of one."""
_OFTEN_HTML = frozenset({"application/msword", "application/vnd.ms-excel"})
"""Web applications export tables and letters as HTML under these names, for Office to open."""


def _promises() -> Mapping[str, _Promise]:
    # An instance of its own: the module's functions also read what the machine has installed.
    tables = mimetypes.MimeTypes(filenames=()).types_map
    promises = {}
    for ending, content_type in (tables[False] | tables[True]).items():
        group = group_of(content_type)
        if group in _INERT:
            promises[ending.removeprefix(".")] = _Promise(group, canonical(content_type))
    for group, endings in _MORE.items():
        for ending in endings.split():
            promises.setdefault(ending, _Promise(group))
    return MappingProxyType(promises)


_PROMISES = _promises()


@lru_cache(1024)
def dangerous_disguise(endings: tuple[str, ...], content_type: str) -> str | None:
    """The ending under which dangerous content hides; None if there is no such thing.

    ``endings`` are a name's, shortest first: the shortest decides what opens the file.
    """
    promise = _PROMISES.get(endings[0]) if endings else None
    if promise is None or not _contradicts(canonical(content_type), promise):
        return None
    return endings[0]


def _contradicts(content_type: str, promise: _Promise) -> bool:
    if content_type == promise.content_type:
        return False
    if content_type in _ZIP_PROGRAMS:
        return promise.group is not Group.ARCHIVES
    if content_type in _ACTIVE:
        return promise.content_type not in _OFTEN_HTML
    return group_of(content_type) in _DANGEROUS
