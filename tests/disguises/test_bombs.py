"""What is made to cost much is refused, and costs little; docs/policy.md tells how much."""

import re
from collections.abc import Iterator

import pytest

from bench.bombs import PAGE, Judge
from tests.disguises.bombs import BOMBS

SECONDS, BYTES = 30, 64 * 2**20
"""Far more than on the page, which has a quiet machine."""
_ROWS = re.search(r"<!-- bombs -->\n(.*?)<!-- end -->", PAGE.read_text(), re.DOTALL)
TOLD = {
    cells[0]: cells[4].strip("`")
    for row in (_ROWS[1] if _ROWS else "").strip().splitlines()[2:]
    for cells in [[cell.strip() for cell in row.strip("|").split(" | ")]]
}
HARMLESS = {"PNG, comment of 40 MiB", "SVG, 1.3 million elements"}
"""What is in them is skipped, or looked at."""


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge() as running:
        yield running


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb(name: str, judge: Judge) -> None:
    cost = judge.cost(BOMBS[name])
    assert cost.seconds < SECONDS
    assert cost.memory < BYTES
    assert (cost.answer or "passes") == TOLD[name]
    assert bool(cost.answer) == (name not in HARMLESS)


def test_the_page_has_them_all() -> None:
    """./scripts/bombs writes it."""
    assert list(TOLD) == list(BOMBS)
