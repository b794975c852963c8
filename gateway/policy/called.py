"""What people call a content type, in the middle of a sentence."""

from functools import reduce

from gateway.content import Finding, split
from gateway.phrases import Phrase, phrase
from gateway.policy.groups import Group, group_of
from gateway.policy.synonyms import canonical

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_NAMES = {
    "image/png": phrase("a PNG picture"),
    "image/jpeg": phrase("a JPEG picture"),
    "image/gif": phrase("a GIF picture"),
    "image/webp": phrase("a WebP picture"),
    "image/svg+xml": phrase("an SVG drawing"),
    "application/pdf": phrase("a PDF document"),
    "application/rtf": phrase("an RTF document"),
    "application/msword": phrase("a Word document"),
    "application/vnd.ms-excel": phrase("an Excel workbook"),
    "application/vnd.ms-powerpoint": phrase("a PowerPoint presentation"),
    _OFFICE + "wordprocessingml.document": phrase("a Word document"),
    _OFFICE + "spreadsheetml.sheet": phrase("an Excel workbook"),
    _OFFICE + "presentationml.presentation": phrase("a PowerPoint presentation"),
    _OPEN + "text": phrase("an OpenDocument text"),
    _OPEN + "spreadsheet": phrase("an OpenDocument spreadsheet"),
    _OPEN + "presentation": phrase("an OpenDocument presentation"),
    "application/x-ole-storage": phrase("a document of an older Office"),
    "application/encrypted": phrase("an encrypted Office document"),
    "application/vnd.ms-word.document.macroenabled.12": phrase("a Word document with macros"),
    "application/vnd.ms-excel.sheet.macroenabled.12": phrase("an Excel workbook with macros"),
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": phrase(
        "a presentation with macros"
    ),
    "application/epub+zip": phrase("an e-book"),
    "application/zip": phrase("a ZIP archive"),
    "application/x-7z-compressed": phrase("a 7-Zip archive"),
    "application/vnd.rar": phrase("a RAR archive"),
    "application/x-tar": phrase("a tar archive"),
    "application/gzip": phrase("a gzip archive"),
    "application/x-iso9660-image": phrase("a disk image"),
    "application/x-apple-diskimage": phrase("a disk image"),
    "application/vnd.microsoft.portable-executable": phrase("a Windows program"),
    "application/x-msi": phrase("a Windows installer"),
    "application/x-executable": phrase("a Linux program"),
    "application/x-pie-executable": phrase("a Linux program"),
    "application/x-sharedlib": phrase("a Linux program or library"),
    "application/x-mach-binary": phrase("a macOS program"),
    "application/vnd.debian.binary-package": phrase("a Debian package"),
    "application/x-rpm": phrase("an RPM package"),
    "application/java-archive": phrase("a Java program"),
    "application/x-java-applet": phrase("a Java program"),
    "application/vnd.android.package-archive": phrase("an Android app"),
    "text/x-shellscript": phrase("a shell script"),
    "text/x-python": phrase("a Python script"),
    "text/x-perl": phrase("a Perl script"),
    "text/x-ruby": phrase("a Ruby script"),
    "text/x-php": phrase("a PHP script"),
    "text/x-msdos-batch": phrase("a Windows batch file"),
    "text/x-ms-regedit": phrase("a set of changes to the Windows registry"),
    "application/javascript": phrase("a JavaScript program"),
    "application/x-ms-shortcut": phrase("a Windows shortcut"),
    "text/html": phrase("a web page"),
    "application/xhtml+xml": phrase("a web page"),
    "text/csv": phrase("a CSV table"),
    "application/json": phrase("a JSON file"),
    "text/xml": phrase("an XML file"),
    "message/rfc822": phrase("an e-mail"),
    "application/x-pem-file": phrase("a PEM certificate or key"),
    "inode/x-empty": phrase("an empty file"),
}
_GROUP_NAMES = {
    Group.IMAGES: phrase("a picture"),
    Group.DOCUMENTS: phrase("a document"),
    Group.ARCHIVES: phrase("an archive"),
    Group.AUDIO: phrase("a sound file"),
    Group.VIDEO: phrase("a video"),
    Group.TEXT: phrase("a text"),
    Group.EXECUTABLES: phrase("a program"),
    Group.SCRIPTS: phrase("a script"),
    Group.UNKNOWN: phrase("a file of unknown content"),
}


_WITH = {
    Finding.MACROS: phrase("with macros"),
    Finding.ENCRYPTION: phrase("that is encrypted"),
    Finding.SCRIPT: phrase("with a script in it"),
    Finding.OTHER_FORMAT: phrase("that is something else at the same time"),
}


def called(content_type: str) -> Phrase:
    """Such as ``a Windows program``; ``a file of type font/ttf`` if there is no better name."""
    bare, findings = split(content_type)
    what = _NAMES.get(canonical(bare)) or _GROUP_NAMES.get(group_of(bare))
    what = what or phrase("a file of type {type}", type=bare)
    found = [_WITH[finding] for finding in Finding if finding in findings]
    found = [which for which in found if not what.template.endswith(which.template)]
    if not found:
        return what
    which = reduce(lambda one, other: phrase("{one} and {other}", one=one, other=other), found)
    return phrase("{what} {which}", what=what, which=which)
