"""How the status page writes names and numbers."""

import pytest

from gateway.edge.status.rendering import format_name, format_seconds


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("report – final (2).pdf", "report – final (2).pdf"),
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        ("a\u202egpj.exe", 'a<span class="hidden-character">U+202E</span>gpj.exe'),
        ("\n\x00", '<span class="hidden-character">U+000A</span>'
                   '<span class="hidden-character">U+0000</span>'),
        ("\ufeff", '<span class="hidden-character">U+FEFF</span>'),
        ("\u2028", '<span class="hidden-character">U+2028</span>'),
        # The joiner is part of the picture of a family, and of words of many languages.
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("ملف.pdf", "ملف.pdf"),
        ("", ""),
    ],
)  # fmt: skip
def test_names(name: str, html: str) -> None:
    assert format_name(name) == html


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0014, "1 ms"),
        (0.25, "250 ms"),
        (3.42, "3.4 s"),
        (125, "2 min 5 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_seconds(seconds: float | None, text: str) -> None:
    assert format_seconds(seconds) == text
