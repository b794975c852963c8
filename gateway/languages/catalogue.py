"""What the phrases of the code are in other languages: one file of gettext's for each."""

from datetime import date
from functools import lru_cache
from gettext import GNUTranslations
from importlib.resources import files
from io import BytesIO

from babel import Locale
from babel.dates import format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from gateway.phrases import ENGLISH, Language, Phrase

_FOLDER = files(__package__)
_SUFFIX = ".po"

TAGS = (
    ENGLISH.tag,
    *sorted(
        file.name.removesuffix(_SUFFIX).replace("_", "-")
        for file in _FOLDER.iterdir()
        if file.name.endswith(_SUFFIX)
    ),
)
"""Of all languages that there are."""


class Catalogue:
    """A language other than English."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._locale = Locale.parse(tag, sep="-")
        binary = BytesIO()
        with _FOLDER.joinpath(f"{self._locale}{_SUFFIX}").open("rb") as file:
            write_mo(binary, read_po(file, locale=self._locale))
        binary.seek(0)
        self._translations = GNUTranslations(binary)

    def template(self, phrase: Phrase) -> str:
        if phrase.many:
            return self._translations.ngettext(phrase.template, phrase.many, phrase.number)
        return self._translations.gettext(phrase.template)

    def number(self, value: int | float) -> str:
        return format_decimal(value, locale=self._locale)

    def day(self, value: date) -> str:
        return format_skeleton("MMMMd", value, locale=self._locale)


@lru_cache
def language(tag: str) -> Language:
    """One of ``TAGS``. Read when it is first needed, and then kept."""
    return ENGLISH if tag == ENGLISH.tag else Catalogue(tag)
