"""Parameters of ``Content-Type`` and ``Content-Disposition`` (RFC 9110 §5.6.6, RFC 2183).

Values mean what Go's ``mime.ParseMediaType`` takes them for, because Mattermost reads with it;
spellings that other readers take for something else are refused.
"""

import re

from gateway.phrases import phrase
from gateway.refusals import Refused, ambiguous_request, shown

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PARAMETER = re.compile(
    rf"""[ \t]*;[ \t]*({TOKEN.pattern})=(?:({TOKEN.pattern})|"((?:[^"\\]|\\.)*)")""", re.DOTALL
)
_ESCAPE = re.compile(r'\\([()<>@,;:\\"/\[\]?=])')


def parse_parameters(header: str, text: str) -> dict[str, str]:
    """Lower-case names and values of ``; name=value; name="value"``. Raises Refused."""
    parameters: dict[str, str] = {}
    position = 0
    while match := _PARAMETER.match(text, position):
        name, token, quoted = match[1].lower(), match[2], match[3]
        if name in parameters:
            raise Refused(
                ambiguous_request(
                    phrase(
                        "the {header} header gives “{name}” twice.", header=header, name=shown(name)
                    )
                )
            )
        parameters[name] = token if token is not None else _unescape(header, quoted)
        position = match.end()
    # Some clients end the header with a semicolon; every reader ignores it.
    if text[position:].strip(" \t") not in ("", ";"):
        raise Refused(
            ambiguous_request(
                phrase("the {header} header has a malformed parameter.", header=header)
            )
        )
    return parameters


def _unescape(header: str, quoted: str) -> str:
    r"""The value of a quoted string.

    ``\"`` and ``\\`` are escapes to everybody (Go, aiohttp, httpx and curl --form-escape write
    them). Before a letter or digit a backslash is itself, as browsers and curl send it. Before any
    other of RFC 2045's special characters, browsers mean a backslash and Go drops it.
    """

    def character(match: re.Match[str]) -> str:
        if match[1] not in '"\\':
            raise Refused(
                ambiguous_request(
                    phrase(
                        "the {header} header has a backslash before “{character}”.",
                        header=header,
                        character=match[1],
                    )
                )
            )
        return match[1]

    return _ESCAPE.sub(character, quoted)
