"""Named groups of content types, for rules that people write. A type is in exactly one."""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from gateway.policy.synonyms import canonical


class Group(StrEnum):
    """A group's name in a rule, a metric and a log line."""

    IMAGES = "images"
    DOCUMENTS = "documents"
    ARCHIVES = "archives"
    AUDIO = "audio"
    VIDEO = "video"
    TEXT = "text"
    EXECUTABLES = "executables"
    """Programs, libraries, and what installs programs, of every system."""
    SCRIPTS = "scripts"
    """Text that a shell or an interpreter runs. Without a shebang it is text to all who look."""
    UNKNOWN = "unknown"
    """What nobody can tell."""
    OTHER = "other"
    """Fonts, databases, models …"""


# In the names that synonyms.canonical gives. A type that is not here belongs to its family.
_MEMBERS = {
    Group.DOCUMENTS: """
        application/pdf application/rtf application/postscript application/epub+zip
        application/msword application/vnd.ms-excel application/vnd.ms-powerpoint
        application/vnd.ms-outlook application/vnd.ms-project application/vnd.ms-publisher
        application/vnd.ms-office application/vnd.ms-works application/vnd-ms-works
        application/vnd.ms-xpsdocument application/oxps application/vnd.visio
        application/vnd.ms-visio.drawing.main+xml application/x-mswrite application/x-ms-msg
        application/x-ole-storage application/encrypted application/msonenote application/onenote
        application/vnd.apple.pages application/vnd.apple.numbers application/vnd.apple.keynote
        application/vnd.wordperfect application/vnd.lotus-1-2-3 application/vnd.lotus-wordpro
        application/x-abiword application/x-gnumeric application/x-hwp application/hwp+zip
        application/x-pocket-word application/x-dvi application/vnd.mif application/x-scribus
        application/vnd.pagemaker application/x-mobipocket-ebook image/vnd.djvu
        application/vnd.adobe.indesign-idml-package
        """,
    Group.ARCHIVES: """
        application/zip application/x-7z-compressed application/vnd.rar application/x-tar
        application/gzip application/x-bzip2 application/x-xz application/zstd application/zlib
        application/x-lzma application/x-lzip application/x-lz4 application/x-lzop
        application/x-lrzip application/x-compress application/x-snappy-framed application/x-brotli
        application/x-qpress application/x-cpio application/x-archive application/x-arc
        application/x-arj application/x-lha application/x-zoo application/x-ace-compressed
        application/x-stuffit application/mac-binhex application/mac-binhex40
        application/x-macbinary application/vnd.ms-cab-compressed application/x-xar
        application/x-ms-wim application/vnd.ms-tnef application/warc application/x-ia-arc
        application/x-iso9660-image application/x-apple-diskimage application/x-virtualbox-vhd
        application/x-vmdk-disk
        application/x-qemu-disk application/x-raw-disk-image application/x-nrg
        """,
    Group.IMAGES: "application/x-krita application/x-msmetafile",
    Group.AUDIO: "application/ogg",
    Group.VIDEO: "application/mxf application/vnd.rn-realmedia application/x-quicktime-player",
    Group.TEXT: """
        application/json application/x-ndjson application/yaml application/toml application/sql
        application/xml-dtd         application/x-subrip application/x-tex application/x-setupscript
        application/x-wine-extension-ini application/pgp-keys application/pgp-signature
        application/pgp-encrypted application/x-pem-file inode/x-empty
        """,
    Group.EXECUTABLES: """
        application/vnd.microsoft.portable-executable application/x-ms-ne-executable
        application/x-ms-w3-executable application/x-ms-w4-executable application/x-lx-executable
        application/x-dosdriver application/x-coff application/x-msi application/x-innosetup
        application/x-installshield application/x-windows-gadget application/vnd.ms-appx
        application/vnd.ms-htmlhelp
        application/x-silverlight-app application/x-executable application/x-pie-executable
        application/x-sharedlib application/x-object application/x-elf application/vnd.appimage
        application/x-iso9660-appimage application/x-c32-comboot-syslinux-exec
        application/x-mach-binary application/x-pef-executable application/vnd.debian.binary-package
        application/x-rpm application/x-svr4-package application/vnd.flatpak application/vnd.snap
        application/java-archive application/x-java-applet application/x-java-jmod
        application/x-java-pack200 application/vnd.android.package-archive application/x-ios-app
        application/vnd.symbian.install application/x-bytecode.python application/x-python-code
        application/x-nekovm-bytecode application/wasm application/x-chrome-extension
        application/x-shockwave-flash audio/x-xbox-executable audio/x-xbox360-executable
        image/x-garmin-exe
        """,
    Group.SCRIPTS: """
        text/x-shellscript application/x-csh text/x-execline text/x-python text/x-perl text/x-ruby
        text/x-php text/x-lua text/x-tcl text/x-awk text/x-gawk text/x-nawk text/x-systemtap
        text/x-msdos-batch text/x-powershell application/x-powershell application/javascript
        text/vbscript application/hta text/x-ms-regedit text/x-ms-scf application/x-ms-shortcut
        application/x-mswinurl application/x-desktop application/x-kdelnk
        """,
    Group.UNKNOWN: "application/octet-stream",
}
_FAMILIES = (
    ("image/", Group.IMAGES),
    ("text/", Group.TEXT),
    ("audio/", Group.AUDIO),
    ("video/", Group.VIDEO),
    ("message/", Group.TEXT),
    ("application/vnd.openxmlformats-officedocument.", Group.DOCUMENTS),
    ("application/vnd.oasis.opendocument.", Group.DOCUMENTS),
    ("application/vnd.ms-word.", Group.DOCUMENTS),
    ("application/vnd.ms-excel.", Group.DOCUMENTS),
    ("application/vnd.ms-powerpoint.", Group.DOCUMENTS),
    ("application/vnd.stardivision.", Group.DOCUMENTS),
    ("application/vnd.sun.xml.", Group.DOCUMENTS),
    ("application/x-iwork", Group.DOCUMENTS),
)
_TEXT_SUFFIXES = ("+json", "+xml", "+yaml")
"""Structured syntax suffixes, RFC 6839 and RFC 9512."""

MEMBERS: Mapping[str, Group] = MappingProxyType(
    {name: group for group, names in _MEMBERS.items() for name in names.split()}
)
"""The types that do not go with their family."""


@lru_cache(1024)
def group_of(content_type: str) -> Group:
    name = canonical(content_type)
    known = MEMBERS.get(name)
    if known is not None:
        return known
    for prefix, group in _FAMILIES:
        if name.startswith(prefix):
            return group
    return Group.TEXT if name.endswith(_TEXT_SUFFIXES) else Group.OTHER
