"""Real files are what they are taken for, and nobody who uploads them is bothered."""

import pytest

from tests.corpus.collect import collect
from tests.corpus.measure import Result, measure, summary

FILES, FORMATS = 300, 60


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
