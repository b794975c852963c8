"""``mime.TypeByExtension`` on the recorded machine: Go's own table, then freedesktop.org's.

An excerpt: extensions that are not here have no type, as ``.bin`` had none.
"""

from typing import Final

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"

_TYPES: Final = {
    ".7z": "application/x-7z-compressed",
    ".apk": "application/vnd.android.package-archive",
    ".avi": "video/x-msvideo",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".c": "text/x-csrc; charset=utf-8",
    ".crt": "application/x-x509-ca-cert",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".doc": "application/msword",
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".exe": "application/x-ms-dos-executable",
    ".flac": "audio/flac",
    ".gif": "image/gif",
    ".gz": "application/gzip",
    ".heic": "image/heif",
    ".htm": "text/html; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".iso": "application/x-cd-image",
    ".jar": "application/x-java-archive",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".ldif": "text/x-ldif; charset=utf-8",
    ".log": "text/x-log; charset=utf-8",
    ".m4a": "audio/mp4",
    ".md": "text/markdown; charset=utf-8",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".msi": "application/x-msi",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ogg": "audio/ogg",
    ".pdf": "application/pdf",
    ".pem": "application/x-x509-ca-cert",
    ".png": "image/png",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".psd": "image/vnd.adobe.photoshop",
    ".py": "text/x-python; charset=utf-8",
    ".rar": "application/vnd.rar",
    ".rtf": "application/rtf",
    ".sh": "application/x-shellscript",
    ".svg": "image/svg+xml",
    ".tar": "application/x-tar",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/x-wav",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    ".xml": "text/xml; charset=utf-8",
    ".yaml": "application/x-yaml",
    ".yml": "application/x-yaml",
    ".zip": "application/zip",
}


def extension_of(name: str) -> str:
    """With its dot, in lower case: ``.txt``. A dot file is all extension."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def type_by_extension(extension: str) -> str:
    """Empty if nothing is known."""
    return _TYPES.get(extension, "")
