"""The page of metrics is made from the families, and what it says of labels is so."""

from pathlib import Path

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


def test_each_metric_is_moved_by_a_test_of_what_it_counts() -> None:
    """As far as one can see that: its name is in one that does not take all metrics."""
    about_all = {"test_metrics_page.py", "test_alerts.py", "test_dashboard.py"}
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    text = "".join(file.read_text() for file in files if file.name not in about_all)
    names = [family.exposed_name.removeprefix(families.PREFIX) for family in families.ALL]
    assert [name for name in names if name not in text] == []
