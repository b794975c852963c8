"""``mime.ParseMediaType``: Content-Type and Content-Disposition values (RFC 2045, RFC 2231)."""

import re

_TSPECIALS = '()<>@,;:\\"/[]?='
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_MEDIA_TYPE = re.compile(rf"{_TOKEN.pattern}(?:/{_TOKEN.pattern})?")
_BOGUS_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# unicode.IsSpace; str.isspace() would add the separators U+001C to U+001F.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class MediaTypeError(ValueError):
    """``media_type`` is what Go returns beside the error: the type, if only a parameter is bad."""

    def __init__(self, problem: str, media_type: str = "") -> None:
        super().__init__(problem)
        self.media_type = media_type


def parse_media_type(value: str) -> tuple[str, dict[str, str]]:
    """The lower-cased type and its parameters. Raises MediaTypeError."""
    base, semicolon, rest = value.partition(";")
    media_type = base.lower().strip(SPACE)
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise MediaTypeError("not a media type")
    plain: dict[str, str] = {}
    starred: dict[str, dict[str, str]] = {}
    rest = semicolon + rest
    while rest := rest.lstrip(SPACE):
        parameter = _consume_parameter(rest)
        if parameter is None:
            if rest.strip(SPACE) == ";":
                break
            raise MediaTypeError("invalid media parameter", media_type)
        name, text, rest = parameter
        base_name, star, _ = name.partition("*")
        into = starred.setdefault(base_name, {}) if star else plain
        if name in into:
            raise MediaTypeError("duplicate parameter name")
        into[name] = text
    for name, pieces in starred.items():
        joined = _join(name, pieces)
        if joined is not None:
            plain[name] = joined
    return media_type, plain


def _consume_parameter(text: str) -> tuple[str, str, str] | None:
    """Name, value and the rest of ``;name=value…``; None if there is none."""
    if not text.startswith(";"):
        return None
    name = _TOKEN.match(text := text[1:].lstrip(SPACE))
    if name is None:
        return None
    text = text[name.end() :].lstrip(SPACE)
    if not text.startswith("="):
        return None
    value = _consume_value(text[1:].lstrip(SPACE))
    return None if value is None else (name[0].lower(), *value)


def _consume_value(text: str) -> tuple[str, str] | None:
    if not text.startswith('"'):
        token = _TOKEN.match(text)
        return (token[0], text[token.end() :]) if token else None
    out: list[str] = []
    i = 1
    while i < len(text):
        c = text[i]
        if c == '"':
            return "".join(out), text[i + 1 :]
        # Only specials count as escaped: Internet Explorer sent C:\dir\file.txt unescaped.
        if c == "\\" and i + 1 < len(text) and text[i + 1] in _TSPECIALS:
            i += 1
            c = text[i]
        elif c in "\r\n":
            return None
        out.append(c)
        i += 1
    return None


def _join(name: str, pieces: dict[str, str]) -> str | None:
    """RFC 2231: ``name*=charset'lang'value``, or ``name*0=…; name*1*=…``."""
    if (whole := pieces.get(f"{name}*")) is not None:
        return _decode_extended(whole)
    out: list[str] = []
    for n in range(len(pieces)):
        simple = f"{name}*{n}"
        if simple in pieces:
            out.append(pieces[simple])
        elif (encoded := pieces.get(f"{simple}*")) is not None:
            decoded = _decode_extended(encoded) if n == 0 else _unescape(encoded)
            out.append(decoded or "")
        else:
            break
    return "".join(out) if out else None


def _decode_extended(value: str) -> str | None:
    charset, _, rest = value.partition("'")
    _language, quote, text = rest.partition("'")
    if not quote or charset.lower() not in ("us-ascii", "utf-8"):
        return None
    return _unescape(text)


def _unescape(text: str) -> str | None:
    if _BOGUS_ESCAPE.search(text):
        return None
    raw = text.encode("utf-8", "surrogateescape")
    unescaped = _ESCAPE.sub(lambda m: bytes.fromhex(m[1].decode()), raw)
    return unescaped.decode("utf-8", "surrogateescape")
