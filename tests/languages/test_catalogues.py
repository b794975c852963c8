"""Every phrase in every language: complete, current, and with the same things in it."""

import string
from datetime import date
from pathlib import Path

import pytest
from babel.messages.catalog import Message

from gateway.languages.catalogue import TAGS, language
from gateway.phrases import ENGLISH, Language, Phrase, phrase, said
from gateway.refusals import extension_denied
from gateway.units import told_size
from tests.support.refusals import every_refusal
from tests.support.translations import CATALOGUES, phrases, read, renewed

OTHERS = [language(tag) for tag in TAGS if tag != ENGLISH.tag]
REFUSALS = [refusal for refusal in every_refusal() if refusal.id != "gateway.quota_exceeded"]
"""But for that which is all an example."""
HOSTILE = [
    "{0}.exe",
    "{name}.exe",
    "{why}.exe",
    "{name.__class__.__mro__}.exe",
    "{.exe",
    "}{.exe",
    "%s%(name)s%n.exe",
    "${name}.exe",
    "\\u007b0}.exe",
]


def names(template: str) -> list[str]:
    """What goes into it; plain names only."""
    found = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    assert all(field.isidentifier() for field in found), template
    assert all(not spec for _, _, spec, _ in string.Formatter().parse(template))
    return sorted(found)


def both(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or ())


def entries(path: Path) -> list[Message]:
    return [message for message in read(path) if message.id]


def test_there_are_languages() -> None:
    assert {"en", "de", "es", "fr"} <= set(TAGS)
    assert len(CATALOGUES) == len(OTHERS)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_catalogues_are_complete(path: Path) -> None:
    forms = read(path).num_plurals
    for message in entries(path):
        wanted = {tuple(names(text)) for text in both(message.id)}
        assert len(wanted) == 1, message.id
        for text in both(message.string):
            assert text.strip(), f"{message.id} is not translated"
            assert tuple(names(text)) in wanted, text
            assert "\n" not in text
        assert not message.fuzzy
        assert not message.pluralizable or len(both(message.string)) == forms


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_catalogues_are_current(path: Path) -> None:
    """``./scripts/translations`` brings them up to date."""
    assert path.read_text() == renewed(read(path))


def test_all_phrases_are_found() -> None:
    found = {text for message in phrases() for text in both(message.id)}
    assert found >= {
        refusal.text.template for refusal in REFUSALS if isinstance(refusal.text, Phrase)
    }


@pytest.mark.parametrize("spoken", OTHERS, ids=lambda spoken: spoken.tag)
def test_every_refusal_is_said(spoken: Language) -> None:
    for refusal in REFUSALS:
        text = said(refusal.text, spoken)
        assert text != refusal.message
        assert "{" not in text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("spoken", [ENGLISH, *OTHERS], ids=lambda spoken: spoken.tag)
def test_a_name_is_never_a_template(spoken: Language, name: str) -> None:
    text = said(extension_denied(name, "exe").text, spoken)
    assert name in text
    assert said(phrase("{what} ({type})", what=name, type=name), ENGLISH) == f"{name} ({name})"


@pytest.mark.parametrize(
    ("tag", "amount", "number", "day"),
    [
        ("en", "1.5 GiB", "24,000,000", "1 December"),
        ("de", "1,5 GiB", "24.000.000", "1. Dezember"),
        ("es", "1,5 GiB", "24.000.000", "1 de diciembre"),
        ("it", "1,5 GiB", "24.000.000", "1 dicembre"),
        ("nl", "1,5 GiB", "24.000.000", "1 december"),
        ("pt-BR", "1,5 GiB", "24.000.000", "1 de dezembro"),
        ("fr", "1,5 Gio", "24\N{NARROW NO-BREAK SPACE}000\N{NARROW NO-BREAK SPACE}000",
         "1 décembre"),
    ],
)  # fmt: skip
def test_numbers_and_days(tag: str, amount: str, number: str, day: str) -> None:
    spoken = language(tag)
    assert said(told_size(3 * 2**29), spoken) == amount
    assert spoken.number(24_000_000) == number
    assert spoken.day(date(2026, 12, 1)) == day


@pytest.mark.parametrize(
    ("tag", "one", "none", "many"),
    [
        ("en", "1 byte", "0 bytes", "1000 bytes"),
        ("de", "1 Byte", "0 Bytes", "1000 Bytes"),
        ("es", "1 byte", "0 bytes", "1000 bytes"),
        ("it", "1 byte", "0 byte", "1000 byte"),
        ("nl", "1 byte", "0 bytes", "1000 bytes"),
        ("pt-BR", "1 byte", "0 byte", "1000 bytes"),
        ("fr", "1 octet", "0 octet", "1000 octets"),
    ],
)
def test_plurals(tag: str, one: str, none: str, many: str) -> None:
    assert [said(told_size(size), language(tag)) for size in (1, 0, 1000)] == [one, none, many]


def test_what_others_said_stays_as_it_is() -> None:
    assert said("Du hast keine Rechte für {name}.", language("fr")) == (
        "Du hast keine Rechte für {name}."
    )
