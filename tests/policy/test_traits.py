"""Traits follow from the type, and from what was found."""

import pytest

from gateway.policy.traits import Trait, traits_of


@pytest.mark.parametrize(
    ("content", "traits"),
    [
        ("image/png", set()),
        ("image/png; with=script", {Trait.ACTIVE}),
        ("application/zip; with=encryption+macros", {Trait.ENCRYPTED, Trait.MACROS}),
        ("application/vnd.ms-excel.sheet.macroEnabled.12", {Trait.MACROS}),
        ("application/vnd.ms-excel.sheet.binary.macroenabled.12; with=macros", {Trait.MACROS}),
        ("application/pdf; with=other-format", {Trait.POLYGLOTS}),
        ("text/html", {Trait.ACTIVE}),
        ("text/html; charset=utf-8", {Trait.ACTIVE}),
        ("application/encrypted", {Trait.ENCRYPTED}),
        ("application/vnd.adobe.flash.movie", {Trait.ACTIVE}),
    ],
)
def test_traits(content: str, traits: set[Trait]) -> None:
    assert traits_of(content) == frozenset(traits)
