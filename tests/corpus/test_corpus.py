"""Real files are what they are taken for, and nobody who uploads them is bothered."""

import pytest

from tests.corpus.collect import collect
from tests.corpus.measure import Result, measure, summary

FILES, FORMATS = 300, 60
ORDINARY = (
    *("bmp", "csv", "docx", "eps", "epub", "gif", "ico", "jpeg", "jpg", "json", "md", "mp3"),
    *("mp4", "mpg", "odp", "ods", "odt", "oga", "ogg", "pdf", "png", "po", "pptx", "rst", "rtf"),
    *("svg", "svgz", "tif", "tsv", "txt", "wav", "webp", "xls", "xlsx", "xml", "yaml"),
)
"""What people send each other who are no programmers."""
PACKED = ("bz2", "gz", "xz", "zip")


@pytest.fixture(scope="module")
def results() -> list[Result]:
    specimens = collect()
    formats = {specimen.ending for specimen in specimens}
    if len(specimens) < FILES or len(formats) < FORMATS:
        pytest.skip(
            f"this machine has {len(specimens)} files of {len(formats)} formats, "
            f"{FILES} of {FORMATS} are wanted; scripts/corpus unpacks more"
        )
    return measure(specimens)


def test_the_group_is_right(results: list[Result]) -> None:
    wrong = [(str(r.specimen.path), r.content) for r in results if not r.right]
    assert len(wrong) <= 0.01 * len(results), (summary(results), wrong)


def test_the_default_rule_raises_no_false_alarm(results: list[Result]) -> None:
    assert [(str(r.specimen.path), r.content) for r in results if r.alarm] == []


def test_the_strict_example_lets_ordinary_files_pass(results: list[Result]) -> None:
    """Some machine may have a drawing with a script in it, or a letter with macros."""
    ordinary = [result for result in results if ending_of(result) in ORDINARY]
    refused = [(str(r.specimen.path), r.hardened) for r in ordinary if r.hardened is not None]
    assert len(refused) <= 0.01 * len(ordinary), refused


def test_the_strict_example_lets_archives_pass_but_for_what_is_in_them(
    results: list[Result],
) -> None:
    packed = [result for result in results if ending_of(result) in PACKED]
    answers = {result.hardened.id for result in packed if result.hardened is not None}
    assert answers <= {"gateway.archive_entry_denied", "gateway.archive_too_large"}
    assert sum(result.hardened is None for result in packed) > 0.5 * len(packed)


def ending_of(result: Result) -> str:
    return result.specimen.ending
