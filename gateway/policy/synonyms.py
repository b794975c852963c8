"""One name for each content type.

libmagic's names change between its versions, browsers and operating systems have their own, and
an administrator may write any of them. From the IANA registry, libmagic 5.41 to 5.45 and
freedesktop.org's shared-mime-info 2.2.
"""

from gateway.content import split

# The first name stands for the others.
_SYNONYMS = (
    "application/gzip application/x-gzip",
    "application/java-archive application/x-java-archive application/x-jar",
    "application/javascript text/javascript application/x-javascript",
    "application/json text/json text/x-json",
    "application/msword application/vnd.ms-word application/x-msword",
    "application/pdf application/x-pdf application/acrobat image/pdf",
    "application/postscript image/x-eps",
    "application/rtf text/rtf",
    "application/vnd.android.package-archive application/x-android-package",
    "application/vnd.debian.binary-package application/x-deb application/x-debian-package",
    "application/vnd.microsoft.portable-executable application/x-dosexec application/x-msdownload"
    " application/x-ms-dos-executable application/x-msdos-program application/exe",
    "application/vnd.ms-appx application/appx application/appxbundle application/msix"
    " application/msixbundle",
    "application/vnd.ms-cab-compressed application/x-cab",
    "application/vnd.ms-excel application/msexcel application/x-msexcel",
    "application/vnd.ms-htmlhelp application/x-chm",
    "application/vnd.ms-publisher application/x-mspublisher",
    "application/vnd.ms-powerpoint application/mspowerpoint application/x-mspowerpoint",
    "application/vnd.rar application/x-rar application/x-rar-compressed application/x-compressed",
    "application/vnd.rn-realmedia application/vnd.rn-realmedia-vbr",
    "application/wasm application/x-wasm",
    "application/x-bzip2 application/x-bzip application/bzip2",
    "application/x-iso9660-image application/x-cd-image",
    "application/x-java-applet application/x-java application/java-vm",
    "application/x-lha application/x-lzh-compressed",
    "application/x-mach-binary application/x-mach-o-executable",
    "application/x-ms-shortcut application/x-win-lnk",
    "application/x-msi application/x-ms-installer",
    "application/x-ndjson application/ndjson application/jsonl",
    "application/x-ole-storage application/cdfv2 application/x-cdf",
    "application/x-pem-file application/pem-certificate-chain",
    "application/x-rpm application/x-redhat-package-manager",
    "application/x-shockwave-flash application/vnd.adobe.flash.movie",
    "application/x-tar application/x-gtar application/x-ustar",
    "application/yaml application/x-yaml text/yaml text/x-yaml",
    "application/zip application/x-zip application/x-zip-compressed",
    "application/zstd application/x-zstd",
    "audio/flac audio/x-flac",
    "audio/midi audio/mid audio/x-midi",
    "audio/mp4 audio/x-m4a audio/m4a",
    "audio/mpeg audio/mp3 audio/x-mp3 audio/x-mpeg",
    "audio/ogg audio/x-ogg",
    "audio/x-aiff audio/aiff",
    "audio/x-wav audio/wav audio/vnd.wave audio/wave",
    "font/otf application/vnd.ms-opentype",
    "font/ttf font/sfnt",
    "image/bmp image/x-ms-bmp image/x-bmp image/x-win-bitmap",
    "image/jpeg image/jpg image/pjpeg",
    "image/jp2 image/jpeg2000 image/jpx",
    "image/svg+xml image/svg",
    "image/vnd.adobe.photoshop image/psd image/x-psd application/photoshop",
    "image/vnd.djvu image/x-djvu",
    "image/vnd.microsoft.icon image/x-icon image/ico image/x-ico",
    "image/x-portable-graymap image/x-portable-greymap",
    "image/x-xpixmap image/x-xpmi",
    "inode/x-empty application/x-empty application/x-zerosize",
    "text/calendar text/x-vcalendar application/ics",
    "text/vcard text/x-vcard",
    "text/xml application/xml",
    "text/x-lua text/x-luatex",
    "text/x-ms-regedit text/x-wine-extension-reg",
    "text/x-msdos-batch application/x-bat application/bat",
    "text/x-perl application/x-perl",
    "text/x-php application/x-php application/x-httpd-php",
    "text/x-python text/x-script.python",
    "text/x-ruby application/x-ruby",
    "text/x-shellscript application/x-shellscript application/x-sh",
    "text/x-tcl text/tcl application/x-tcl",
    "video/mp2t video/mpeg-ts",
    "video/mp4 application/mp4 video/x-m4v",
    "video/mpeg video/x-mpeg video/mpeg4-generic",
    "video/ogg video/x-ogg",
    "video/webm audio/webm",
    "video/x-flv video/flv",
    "video/x-matroska application/x-matroska video/matroska",
    "video/x-ms-asf application/vnd.ms-asf video/x-ms-wmv audio/x-ms-wma",
    "video/x-msvideo video/avi video/msvideo video/vnd.avi",
)
_CANONICAL = {name: row.split()[0] for row in _SYNONYMS for name in row.split()}


def canonical(content_type: str) -> str:
    """The one name under which this module's neighbours know ``content_type``, whatever its
    parameters.
    """
    name = split(content_type)[0].lower()
    return _CANONICAL.get(name, name)
