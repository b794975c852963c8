"""Findings travel in a parameter of the content type."""

import pytest

from gateway.content import Finding, split, with_findings


@pytest.mark.parametrize(
    ("findings", "text"),
    [
        (set(), "application/zip"),
        ({Finding.ENCRYPTION}, "application/zip; with=encryption"),
        ({Finding.MACROS, Finding.ENCRYPTION}, "application/zip; with=encryption+macros"),
    ],
)
def test_there_and_back(findings: set[Finding], text: str) -> None:
    assert with_findings("application/zip", findings) == text
    assert split(text) == ("application/zip", frozenset(findings))


@pytest.mark.parametrize("text", ["text/plain; charset=utf-8", "text/plain;x=y", "text/plain ;"])
def test_parameters_of_others_are_dropped(text: str) -> None:
    assert split(text) == ("text/plain", frozenset())
