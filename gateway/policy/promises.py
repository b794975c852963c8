"""What the ending of a name promises: the content types that files of that name have."""

from collections import defaultdict
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from gateway.policy.synonyms import canonical

_SAYS_NOTHING = "application/octet-stream"

# What mime-db lacks. The first names of rows are as detection tells them, which for some formats
# is only the container that they come in.
_MORE = {
    "application/encrypted": "doc docm docx dot dotm dotx pot potm potx pps ppsm ppsx ppt pptm "
    "pptx xls xlsb xlsm xlsx xlt xltm xltx",
    "application/gzip": "abw dia emz gnumeric svgz taz tgz wmz xcfgz",
    "application/pdf": "ai",
    "application/x-bytecode.python": "pyc pyo",
    "application/x-bzip2": "tbz tbz2 tb2",
    "application/x-hdf5": "h5 hdf5 nc",
    "application/x-iwork": "key numbers pages",
    "application/x-lz4": "lz4",
    "application/x-lzma": "lzma",
    "application/x-matroska": "mk3d mka mks",
    "application/x-ole-storage": "doc dot mpp msg msi pot ppa pps ppt pub pwz vsd wiz wps xla xlb "
    "xls xlt",
    "application/x-pem-file": "cer crl crt csr key p7b pem",
    "application/x-rpm": "rpm",
    "application/x-compress": "z",
    "application/x-xz": "txz",
    "application/zip": "3mf cbz egg fcstd idml ipa kmz kra mcaddon npz nupkg oxt sketch usdz vsix "
    "whl xpi",
    "application/zstd": "zst tzst",
    "audio/amr": "amr",
    "audio/ogg": "ogg",
    "image/fits": "fits fit fts",
    "image/gif": "gif",
    "image/heic": "heics heif hif",
    "image/heif": "heic hif",
    "image/jpeg": "jfif jfi mpo",
    "image/png": "apng ico",
    "image/svg+xml": "svgz",
    "image/tiff": "arw cr2 dng nef pef tif tiff",
    "image/x-canon-cr3": "cr3",
    "image/x-portable-pixmap": "pnm ppm",
    "image/x-gimp-gbr": "gbr",
    "image/x-gimp-pat": "pat",
    "image/x-pict": "pict",
    "image/x-xcf": "xcf",
    "text/plain": "afm srt text tsv",
    "text/x-msdos-batch": "bat cmd",
    "text/x-gettext-translation-template": "pot",
    "text/x-graphviz": "dot",
    "text/x-typescript": "cts mts ts",
    "video/3gpp2": "3gpp2",
    "video/ogg": "ogg",
    "video/x-ms-asf": "wma wmv",
}


def _table() -> Mapping[str, tuple[str, ...]]:
    table: dict[str, dict[str, None]] = defaultdict(dict)
    text = files("gateway.policy").joinpath("mime_db.txt").read_text()
    for line in text.splitlines():
        if not line.startswith("#"):
            ending, *names = line.split()
            table[ending].update((canonical(name), None) for name in names)
    for name, endings in _MORE.items():
        for ending in endings.split():
            table[ending][canonical(name)] = None
    for names_of_one in table.values():
        names_of_one.pop(_SAYS_NOTHING, None)
    return MappingProxyType({ending: tuple(names) for ending, names in table.items()})


_PROMISED = _table()


def promised(ending: str) -> tuple[str, ...]:
    """Canonical names of what files ending in ``ending`` are; empty if it promises nothing."""
    return _PROMISED.get(ending, ())
