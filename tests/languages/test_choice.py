"""Which language somebody is answered in."""

import pytest

from gateway.languages.choice import Languages, accepted


@pytest.mark.parametrize(
    ("locale", "accept", "default", "chosen"),
    [
        ("", b"", "en", "en"),
        ("", b"", "fr", "fr"),
        ("de", b"", "en", "de"),
        ("de", b"fr", "es", "de"),
        ("en", b"fr", "es", "en"),
        ("de-AT", b"fr", "en", "de"),
        ("DE_at", b"", "en", "de"),
        ("de-Latn-AT-1996", b"", "en", "de"),
        ("pt-BR", b"fr", "en", "pt-BR"),
        ("pt", b"fr", "en", "pt-BR"),
        ("pt-PT", b"fr", "en", "pt-BR"),
        ("tlh", b"fr", "en", "fr"),
        ("tlh", b"", "de", "de"),
        ("tlh", b"", "en", "en"),
        ("../../etc", b"", "en", "en"),
        ("deu", b"", "en", "en"),
        ("", b"tlh, es", "en", "es"),
        ("", b"*", "de", "de"),
        ("", b"fr-CA,fr;q=0.9,en;q=0.8", "en", "fr"),
    ],
)
def test_choice(locale: str, accept: bytes, default: str, chosen: str) -> None:
    assert Languages(default).choose(locale, accept).tag == chosen


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (b"de", ["de"]),
        (b"de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", ["de-DE", "de", "en-US", "en"]),
        (b"en;q=0.3, de ; q = 0.7 ,fr", ["fr", "de", "en"]),
        (b"de;q=0, fr", ["fr"]),
        (b"de;q=2, fr;q=-1, es;q=x, it;level=1, en;q=nan, nl;q=inf", []),
        (b"de;Q=0.5", ["de"]),
        (b"\xff\xfe, de", ["\xff\xfe", "de"]),
    ],
)
def test_accepted(header: bytes, languages: list[str]) -> None:
    assert [tag for tag in accepted(header) if tag] == languages


def test_a_long_header_costs_little() -> None:
    assert len(list(accepted(b"a," * 100_000))) <= 101
