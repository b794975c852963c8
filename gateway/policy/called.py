"""What people call a content type, in the middle of a sentence."""

from gateway.content import Finding, split
from gateway.policy.groups import Group, group_of
from gateway.policy.synonyms import canonical

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_NAMES = {
    "image/png": "a PNG picture",
    "image/jpeg": "a JPEG picture",
    "image/gif": "a GIF picture",
    "image/webp": "a WebP picture",
    "image/svg+xml": "an SVG drawing",
    "application/pdf": "a PDF document",
    "application/rtf": "an RTF document",
    "application/msword": "a Word document",
    "application/vnd.ms-excel": "an Excel workbook",
    "application/vnd.ms-powerpoint": "a PowerPoint presentation",
    _OFFICE + "wordprocessingml.document": "a Word document",
    _OFFICE + "spreadsheetml.sheet": "an Excel workbook",
    _OFFICE + "presentationml.presentation": "a PowerPoint presentation",
    _OPEN + "text": "an OpenDocument text",
    _OPEN + "spreadsheet": "an OpenDocument spreadsheet",
    _OPEN + "presentation": "an OpenDocument presentation",
    "application/x-ole-storage": "a document of an older Office",
    "application/encrypted": "an encrypted Office document",
    "application/vnd.ms-word.document.macroenabled.12": "a Word document with macros",
    "application/vnd.ms-excel.sheet.macroenabled.12": "an Excel workbook with macros",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": "a presentation with macros",
    "application/epub+zip": "an e-book",
    "application/zip": "a ZIP archive",
    "application/x-7z-compressed": "a 7-Zip archive",
    "application/vnd.rar": "a RAR archive",
    "application/x-tar": "a tar archive",
    "application/gzip": "a gzip archive",
    "application/x-iso9660-image": "a disk image",
    "application/x-apple-diskimage": "a disk image",
    "application/vnd.microsoft.portable-executable": "a Windows program",
    "application/x-msi": "a Windows installer",
    "application/x-executable": "a Linux program",
    "application/x-pie-executable": "a Linux program",
    "application/x-sharedlib": "a Linux program or library",
    "application/x-mach-binary": "a macOS program",
    "application/vnd.debian.binary-package": "a Debian package",
    "application/x-rpm": "an RPM package",
    "application/java-archive": "a Java program",
    "application/x-java-applet": "a Java program",
    "application/vnd.android.package-archive": "an Android app",
    "text/x-shellscript": "a shell script",
    "text/x-python": "a Python script",
    "text/x-perl": "a Perl script",
    "text/x-ruby": "a Ruby script",
    "text/x-php": "a PHP script",
    "text/x-msdos-batch": "a Windows batch file",
    "text/x-ms-regedit": "a set of changes to the Windows registry",
    "application/javascript": "a JavaScript program",
    "application/x-ms-shortcut": "a Windows shortcut",
    "text/html": "a web page",
    "application/xhtml+xml": "a web page",
    "text/csv": "a CSV table",
    "application/json": "a JSON file",
    "text/xml": "an XML file",
    "message/rfc822": "an e-mail",
    "application/x-pem-file": "a PEM certificate or key",
    "inode/x-empty": "an empty file",
}
_GROUP_NAMES = {
    Group.IMAGES: "a picture",
    Group.DOCUMENTS: "a document",
    Group.ARCHIVES: "an archive",
    Group.AUDIO: "a sound file",
    Group.VIDEO: "a video",
    Group.TEXT: "a text",
    Group.EXECUTABLES: "a program",
    Group.SCRIPTS: "a script",
    Group.UNKNOWN: "a file of unknown content",
}


_WITH = {
    Finding.MACROS: "with macros",
    Finding.ENCRYPTION: "that is encrypted",
    Finding.SCRIPT: "with a script in it",
    Finding.OTHER_FORMAT: "that is something else at the same time",
}


def called(content_type: str) -> str:
    """Such as ``a Windows program``; ``a file of type font/ttf`` if there is no better name."""
    bare, findings = split(content_type)
    name = _NAMES.get(canonical(bare)) or _GROUP_NAMES.get(group_of(bare))
    name = name or f"a file of type {bare}"
    found = [_WITH[finding] for finding in Finding if finding in findings]
    found = [words for words in found if not name.endswith(words)]
    return f"{name} {' and '.join(found)}" if found else name
