"""The page of metrics is made from the families, and what it says of labels is so."""

from gateway.metrics import families
from tests.support.metrics_page import OPEN, PAGE, QUERIES, RESULTS, VALUES, page


def test_the_page_is_made_from_the_families() -> None:
    """``./scripts/metrics`` writes it."""
    assert PAGE.read_text() == page()


def test_each_family_has_an_example_and_each_label_a_meaning() -> None:
    assert set(QUERIES) == set(families.ALL)
    labels = {label for family in families.ALL for label in family.labels}
    assert labels == {*VALUES, *OPEN, "result"}
    assert set(RESULTS) == {family for family in families.ALL if "result" in family.labels}
