"""By what rules may call channels, teams and people."""

import pytest

from gateway.places import is_id, known_as

ID, OTHER = "a1" * 13, "b2" * 13


@pytest.mark.parametrize("text", [ID, "A" * 26, "0" * 26])
def test_what_has_the_form_of_an_id(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize(
    "text", ["", "a" * 25, "a" * 27, "a" * 25 + "/", "a" * 25 + "é", "a" * 26 + "\n", "../" * 9]
)
def test_what_has_not(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("town-square", {ID, "town-square"}),
        (f"{ID}__{OTHER}", {ID, f"{ID}__{OTHER}"}),
        (OTHER, {ID}),  # nobody gets what is another's by taking its id as a name
    ],
)
def test_a_name_is_never_taken_for_an_id(name: str, known: set[str]) -> None:
    assert known_as(ID, name) == known
