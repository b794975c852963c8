"""Which content types are archives, and which of them can be looked into."""

from gateway.content import split
from gateway.inspection.archives.streams import BZIP2, GZIP, LZMA, XZ, ZSTD

TAR = "application/x-tar"
# In the names that libmagic and the detector have for them.
ZIPS = frozenset({"application/zip"})
SEVEN_ZIPS = frozenset({"application/x-7z-compressed"})
RARS = frozenset({"application/vnd.rar", "application/x-rar"})
TARS = frozenset({TAR, "application/x-gtar", "application/x-ustar"})
COMPRESSIONS = {
    "application/gzip": GZIP,
    "application/x-gzip": GZIP,
    "application/x-bzip2": BZIP2,
    "application/x-xz": XZ,
    "application/x-lzma": LZMA,
    "application/zstd": ZSTD,
    "application/x-zstd": ZSTD,
}
_OTHERS = frozenset(
    {
        "application/mac-binhex",
        "application/mac-binhex40",
        "application/vnd.ms-cab-compressed",
        "application/vnd.ms-tnef",
        "application/warc",
        "application/x-ace-compressed",
        "application/x-apple-diskimage",
        "application/x-arc",
        "application/x-archive",
        "application/x-arj",
        "application/x-brotli",
        "application/x-compress",
        "application/x-cpio",
        "application/x-ia-arc",
        "application/x-iso9660-image",
        "application/x-lha",
        "application/x-lrzip",
        "application/x-lz4",
        "application/x-lzh-compressed",
        "application/x-lzip",
        "application/x-lzop",
        "application/x-macbinary",
        "application/x-ms-wim",
        "application/x-nrg",
        "application/x-qemu-disk",
        "application/x-qpress",
        "application/x-raw-disk-image",
        "application/x-snappy-framed",
        "application/x-stuffit",
        "application/x-virtualbox-vhd",
        "application/x-vmdk-disk",
        "application/x-xar",
        "application/x-zoo",
        "application/zlib",
    }
)
"""Of which nothing is told but that they are unsupported."""
_ARCHIVES = ZIPS | SEVEN_ZIPS | RARS | TARS | COMPRESSIONS.keys() | _OTHERS

_CONTAINERS = frozenset(
    {
        "application/java-archive",
        "application/vnd.adobe.indesign-idml-package",
        "application/vnd.android.package-archive",
        "application/vnd.ms-appx",
        "application/vnd.ms-xpsdocument",
        "application/x-ios-app",
        "application/x-iwork",
        "application/x-krita",
        "model/3mf",
    }
)
_CONTAINER_FAMILIES = (
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.oasis.opendocument.",
    "application/vnd.sun.xml.",
    "application/vnd.ms-word.",
    "application/vnd.ms-excel.",
    "application/vnd.ms-powerpoint.",
    "application/vnd.ms-visio.",
)


def is_archive(content_type: str) -> bool:
    """Whether it is what people call an archive, a compressed file, or an image of a disk."""
    return split(content_type)[0] in _ARCHIVES


def is_container(content_type: str) -> bool:
    """Whether it is a document or program that is a ZIP archive by its format."""
    bare = split(content_type)[0]
    return bare in _CONTAINERS or bare.endswith("+zip") or bare.startswith(_CONTAINER_FAMILIES)
