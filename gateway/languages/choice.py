"""Which language somebody is answered in.

Mattermost answers errors by the first language of Accept-Language, and all else by the locale of
the account (``GetTranslationsAndLocaleFromRequest`` and ``GetUserTranslations`` of 5.37). Its
apps show refusals of the gateway beside its own texts, so the account's locale comes first.
"""

from collections.abc import Iterator

from gateway.languages.catalogue import TAGS, language
from gateway.phrases import Language

_BY_NAME = {tag.partition("-")[0]: tag for tag in TAGS} | {tag.lower(): tag for tag in TAGS}
"""Who speaks another variety of a language understands the one that there is."""
_LONGEST = 200
"""Bytes of Accept-Language that are looked at: browsers send a third of that."""


class Languages:
    """Chooses among those that there are."""

    def __init__(self, default: str) -> None:
        """``default`` is the tag of the language for those who say nothing of theirs."""
        self._default = default

    def choose(self, locale: str, accept_language: bytes) -> Language:
        """For an account of ``locale``, which is empty if nobody is known, and a request with
        that header; ``de-AT`` gets ``de``."""
        return language(_found(locale) or self._accepted(accept_language) or self._default)

    def _accepted(self, header: bytes) -> str | None:
        return next(filter(None, map(_found, accepted(header))), None)


def accepted(header: bytes) -> Iterator[str]:
    """The languages of an Accept-Language, best first (RFC 9110, 12.5.4); a malformed one has
    none where it is malformed."""
    wanted = []
    for item in header[:_LONGEST].decode("latin-1").split(","):
        tag, _, weight = item.replace(" ", "").partition(";")
        quality = _quality(weight)
        if quality > 0:
            wanted.append((quality, tag))
    # The sort is stable: of equals, the first comes first.
    yield from (tag for _, tag in sorted(wanted, key=lambda item: -item[0]))


def _quality(weight: str) -> float:
    if not weight:
        return 1.0
    name, _, value = weight.partition("=")
    try:
        quality = float(value) if name.lower() == "q" else 0.0
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _found(tag: str) -> str | None:
    """The one that ``tag`` names, or else less of it (RFC 4647, 3.4)."""
    name = tag.lower().replace("_", "-")
    while name:
        if name in _BY_NAME:
            return _BY_NAME[name]
        name = name.rpartition("-")[0]
    return None
