"""Request targets and queries as Go 1.16 reads them, and paths as gorilla/mux cleans them."""

import posixpath
import re

_HEX = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?]*")
_UNESCAPED_IN_PATH = re.compile(rb"[A-Za-z0-9\-_.~$&+,/:;=@]")


class TargetError(ValueError):
    """Go's server answers such a request target with a bare 400."""


class Values(dict[str, list[str]]):
    """Parsed pairs; ``malformed`` if Go reports an error beside the pairs that it could read."""

    malformed = False

    def first(self, name: str) -> str:
        return self.get(name, [""])[0]

    def is_true(self, name: str) -> bool:
        """Whether ``strconv.ParseBool`` takes it for true."""
        return self.first(name) in ("1", "t", "T", "true", "TRUE", "True")


def parse_query(raw: bytes) -> Values:
    """``url.ParseQuery`` up to Go 1.16, for which a semicolon separates as an ampersand does."""
    values = Values()
    for pair in raw.replace(b";", b"&").split(b"&"):
        if not pair:
            continue
        if _BAD_ESCAPE.search(pair):
            values.malformed = True
            continue
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        values.setdefault(_unescape(name), []).append(_unescape(value))
    return values


def parse_target(target: bytes) -> tuple[str, bytes]:
    """The unescaped path and the raw query. Raises TargetError."""
    if any(c < 0x20 or c == 0x7F for c in target):
        raise TargetError("control character")
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE.match(target)
        if absolute is None:
            raise TargetError("neither a path nor an absolute URL")
        target = target[absolute.end() :]
    path, _, query = target.partition(b"?")
    if _BAD_ESCAPE.search(path):
        raise TargetError("malformed escape")
    return _unescape(path), query


def clean_path(path: str) -> str:
    """Without doubled slashes and dot segments; a final slash stays."""
    if not path.startswith("/"):
        path = "/" + path
    cleaned = posixpath.normpath(path)
    # normpath keeps exactly two leading slashes, as POSIX allows.
    cleaned = "/" + cleaned.lstrip("/")
    if path.endswith("/") and cleaned != "/":
        cleaned += "/"
    return cleaned


def escape_path(path: str) -> str:
    """As ``url.URL.String`` writes a path into a Location header."""
    raw = path.encode("utf-8", "surrogateescape")
    return "".join(chr(c) if _UNESCAPED_IN_PATH.match(bytes([c])) else f"%{c:02X}" for c in raw)


def escape_path_segment(text: str) -> str:
    """``url.PathEscape``."""
    return escape_path(text).replace("/", "%2F").replace(";", "%3B").replace(",", "%2C")


def _unescape(raw: bytes) -> str:
    unescaped = _HEX.sub(lambda m: bytes.fromhex(m[1].decode()), raw)
    return unescaped.decode("utf-8", "surrogateescape")
