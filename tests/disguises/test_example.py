"""What is not what it seems does not pass the strict example, and what is honest does."""

import pytest

from tests.disguises.every import DISGUISES, INFECTED
from tests.disguises.honest import HONEST
from tests.disguises.page import PAGE, page
from tests.disguises.unseen import UNSEEN
from tests.support.example import hardened
from tests.support.judged import judged


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguise_does_not_pass(name: str) -> None:
    checked = judged(hardened(), *DISGUISES[name])
    assert checked.refusal is not None, checked.facts.content_type
    assert checked.refusal.id.startswith("gateway.")


@pytest.mark.parametrize("name", HONEST)
def test_what_is_honest_passes(name: str) -> None:
    """Without this, the others could fail for a reason that nobody sees."""
    checked = judged(hardened(), name, HONEST[name])
    assert checked.refusal is None, checked.facts.content_type


@pytest.mark.parametrize("name", UNSEEN)
def test_what_the_page_says_to_pass_passes(name: str) -> None:
    """Whatever is found out one day is to be refused, and told among the disguises."""
    assert judged(hardened(), *UNSEEN[name].disguise).refusal is None


@pytest.mark.parametrize("name", INFECTED)
def test_nothing_but_a_scanner_finds_what_is_infected(name: str) -> None:
    assert judged(hardened(), *INFECTED[name]).refusal is None


def test_there_are_as_many_as_names() -> None:
    """None is another's namesake."""
    assert len(DISGUISES) + len(INFECTED) > 200


def test_the_page_is_what_the_code_says() -> None:
    """./scripts/disguises writes it."""
    assert PAGE.read_text() == page(PAGE.read_text())
