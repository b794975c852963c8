"""How single values are written in the file."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from gateway.endpoints import ATTACHMENTS, ENDPOINTS, RULED, Way
from gateway.ledger.language import parse_quota, parse_quotas
from gateway.ledger.quotas import SCOPES
from gateway.ledger.windows import PERIODS
from gateway.names import plain
from gateway.policy.extensions import parse_extensions
from gateway.policy.groups import MEMBERS, Group
from gateway.policy.rules import Metadata
from gateway.policy.traits import Trait
from gateway.policy_file.forms import Also, Text, Word
from gateway.policy_file.problems import quoted
from gateway.units import parse_size

# Content types

_FAMILIES = (
    "application", "audio", "biosig", "chemical", "font", "image", "inode", "message", "model",
    "multipart", "rinex", "text", "video",
)  # fmt: skip
"""Of the IANA registry and of libmagic; beside these there are private ones, ``x-…``."""
_SELECTABLE = (*(group for group in Group if group is not Group.OTHER), *Trait)
_NAME = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"
TYPE = Text(
    rf"\*|\*/\*|{'|'.join(_SELECTABLE)}|(?:{'|'.join(_FAMILIES)}|x-[a-z0-9-]+)/(?:\*|{_NAME})",
    "a content type such as application/pdf or image/*, or one of the groups "
    f"{', '.join(_SELECTABLE)}, in small letters",
    (*_SELECTABLE, *MEMBERS, *(f"{family}/*" for family in _FAMILIES)),
)


# Names of files

_ENDING = r"(?:\*?\.)?[^\s./*?,][^\s/*?,]*"
_DEFAULT = "default"


def _denied_ending(value: str) -> str:
    word = value.lower()
    if word[0] not in ".*" and word != _DEFAULT and get_close_matches(word, [_DEFAULT], 1, 0.85):
        raise ValueError(
            f"{value!r} is not {_DEFAULT}, the built-in list; if an ending is meant, write "
            f"{'.' + value!r}"
        )
    return value


ALLOWED_ENDING = Text(
    rf"(?!{_DEFAULT}\s*(?:$|,)){_ENDING}",
    "a file-name ending such as pdf or tar.gz (and default is a list of what is denied)",
)
DENIED_ENDING = Text(_ENDING, "a file-name ending such as exe or tar.gz", read=_denied_ending)
GLOB = Text(
    r"[^/\x00-\x1f]*[^/\x00-\x1f. ]",
    "a glob such as invoice-*.pdf, which has no slash, as it is about the name only, and no dot "
    "or blank at its end, since these count for nothing there",
    read=plain,
)


def endings(items: Iterable[str]) -> frozenset[str]:
    return parse_extensions(",".join(items))


# Quotas

_SIZE = r"[0-9]{1,15}(?:\.[0-9]{1,6})?\s*(?:(?:[KMGTkmgt][Ii]?)?[Bb])?"


def _quota(value: str) -> str:
    parse_quota(value)
    return value


QUOTA = Text(
    rf"(?:{'|'.join(SCOPES)})\s+(?:(?:{_SIZE}|[0-9]{{1,16}}\s+files?)"
    rf"(?:\s*/\s*(?:{'|'.join(PERIODS[:-1])})|\s+total)|[0-9]{{1,16}}\s+at\s+once)",
    "a quota such as user 1GiB/day, user 200 files/hour, channel 20GiB total or user 4 at once",
    read=_quota,
)


def distinct_quotas(items: list[str]) -> list[str]:
    """Raises ValueError if two of them are for the same."""
    parse_quotas(",".join(items))
    return items


# Who and where

_ID_OR_NAME = "in its address, such as {}; the name that is displayed may be another one"
CHANNEL = Text(
    "~?[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "a channel's id, or its name as " + _ID_OR_NAME.format("town-square"),
    read=lambda value: value.removeprefix("~").lower(),
)
TEAM = Text(
    "[A-Za-z0-9][A-Za-z0-9_-]{0,63}",
    "a team's id, or its name as " + _ID_OR_NAME.format("engineering"),
    read=str.lower,
)
USER = Text(
    "@?[A-Za-z0-9._-][A-Za-z0-9._:-]{0,127}",
    "a user's id, or the name to log in with, such as alice",
    read=lambda value: value.removeprefix("@").lower(),
)
_CHUNKS = dict.fromkeys(row.name for row in ENDPOINTS if row.way is Way.CHUNK)
ENDPOINT = Word(
    tuple(RULED),
    dict.fromkeys(_CHUNKS, "chunks follow what holds for uploads")
    | {ATTACHMENTS.name: "attachments come to files and uploads"},
)

# The rest

RULE_NAME = Text(
    "(?!(?:default|none)$)[A-Za-z0-9_-]{1,64}",
    "a name of letters, digits, - and _, 64 at most (default and none have a meaning of their own)",
)
MESSAGE = Text(
    r"(?=.*\S)[^\x00-\x1f\x7f]{1,500}",
    "a message of one line, of 1 to 500 characters",
    read=str.strip,
)
_SPACED_SIZE = rf"\s*{_SIZE}\s*"


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(_SPACED_SIZE, value):
        raise ValueError(f"{quoted(value)} is not a size such as 512KiB, 20MiB or 2GiB")
    return parse_size(value)


OR_SIZE = Also(_size, {"type": "string", "pattern": f"^(?:{_SPACED_SIZE})$"})


def _defaults(value: object) -> object:
    if value is False:
        raise ValueError("leave it out instead: without it, nobody looks")
    return {} if value is True else value


OR_TRUE = Also(_defaults, {"const": True})


def metadata(value: object) -> Metadata:
    """What ``strip_metadata`` says. Raises ValueError."""
    if value is True:
        return Metadata.REMOVE
    if value is False:
        return Metadata.KEEP
    if value == Metadata.REQUIRE:
        return Metadata.REQUIRE
    raise ValueError('expected true, false or "require"')
