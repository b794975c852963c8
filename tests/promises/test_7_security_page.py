"""docs/security.md has a row for each kind of trick that the tests try, and says what they see."""

import re
from pathlib import Path

import pytest

from tests.promises import test_7_odd_addresses as addresses
from tests.promises import test_7_odd_forms as forms
from tests.promises import test_7_odd_names as names
from tests.promises.tricks import Error

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
RULES, ELSEWHERE = "the rules of the address hold", "it is another address"


def rows(marker: str) -> dict[str, list[str]]:
    """The rows of a table of the page, by their first cell."""
    (table,) = re.findall(rf"^<!-- {marker} -->\n((?:\|.*\n)+)", PAGE, re.M)
    cells = [line.strip().strip("|").split(" | ") for line in table.splitlines()[2:]]
    return {first.strip(): [cell.strip() for cell in more] for first, *more in cells}


def shown(*errors: Error) -> str:
    """As the page writes them."""
    return ", ".join(dict.fromkeys(f"{status} `{error_id}`" for status, error_id in errors))


def of_form(kind: str) -> str:
    error, _ = forms.REFUSED[kind]
    return shown(error, forms.OF_CHUNKS.get(kind, error))


EXPECTED = {
    "addresses": {
        **dict.fromkeys(addresses.SAME, RULES),
        **dict.fromkeys(addresses.ELSEWHERE, ELSEWHERE),
    },
    "queries": {kind: shown(error) for kind, (error, _) in addresses.QUERIES.items()},
    "forms": {kind: of_form(kind) for kind in forms.REFUSED},
    "names": {kind: shown(*errors) for kind, (*errors, _) in names.REFUSED.items()},
}


@pytest.mark.parametrize("table", EXPECTED)
def test_the_page_says_what_is_answered(table: str) -> None:
    found = {kind: cells[0] for kind, cells in rows(table).items()}
    assert found == EXPECTED[table]
    assert list(found) == list(EXPECTED[table])


@pytest.mark.parametrize("table", EXPECTED)
def test_each_row_has_a_reason(table: str) -> None:
    assert all(len(cells) == 2 and cells[1].endswith(".") for cells in rows(table).values())


@pytest.mark.parametrize(
    ("table", "tried"), [("forms that pass", forms.PASSED), ("names that pass", names.STORED)]
)
def test_the_page_lists_what_passes(table: str, tried: dict[str, object]) -> None:
    assert list(rows(table)) == list(tried)


@pytest.mark.parametrize("row", rows("requests").values(), ids=list(rows("requests")))
def test_what_holds_a_row_is_there(row: list[str]) -> None:
    file, name = row[1].split("::")
    module = ROOT / "tests" / "promises" / file
    assert re.search(rf"^def {name}\(", module.read_text(), re.M)
