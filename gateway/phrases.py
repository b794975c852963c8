"""Sentences for people: an English template, and what goes into it. Languages are put on last.

Templates are in the code and in catalogues only. What goes into one is never taken for one,
whatever a client has called its file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something to be said, in whichever language; ``str`` says it in English."""

    template: str
    """English, with ``{names}`` where ``values`` go."""
    values: "Mapping[str, Value]"
    many: str = ""
    """Another template, for numbers other than one; empty if there is no number to it."""
    number: int = 1

    def __str__(self) -> str:
        return said(self, ENGLISH)


Text = str | Phrase
"""A text without a template stays as it is: a name, or what somebody else has said."""
Value = Text | int | float | date
"""Dates are said without their year."""


class Language(Protocol):
    """How something is said."""

    @property
    def tag(self) -> str:
        """Its name, such as ``pt-BR`` (RFC 5646)."""

    def template(self, phrase: Phrase) -> str:
        """That of ``phrase``, with the same names in it."""

    def number(self, value: int | float) -> str:
        """``value`` as people write it."""

    def day(self, value: date) -> str:
        """Day and month."""


class English:
    """The language of the code, of logs, and of administrators."""

    tag = "en"

    def template(self, phrase: Phrase) -> str:
        return phrase.many if phrase.many and phrase.number != 1 else phrase.template

    def number(self, value: int | float) -> str:
        if isinstance(value, int):
            return f"{value:,}"
        return f"{value:.3f}".rstrip("0").rstrip(".")

    def day(self, value: date) -> str:
        return f"{value.day} {value:%B}"


ENGLISH = English()


def phrase(template: str, /, **values: Value) -> Phrase:
    """``template`` has to be a literal, since translators are given what stands here."""
    return Phrase(template, values)


def plural(one: str, many: str, number: int, /, **values: Value) -> Phrase:
    """``one`` or ``many``, by ``number``; both have to be literals."""
    return Phrase(one, values, many, number)


def said(text: Text, language: Language) -> str:
    """``text`` in ``language``."""
    if isinstance(text, str):
        return text
    values = {name: _shown(value, language) for name, value in text.values.items()}
    return language.template(text).format_map(values)


def _shown(value: Value, language: Language) -> str:
    if isinstance(value, int | float):
        return language.number(value)
    if isinstance(value, date):
        return language.day(value)
    return said(value, language)
