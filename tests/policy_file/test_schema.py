"""The JSON schema says of a file what the parser says."""

import json
import tomllib
from collections.abc import Iterator

import pytest
from jsonschema import Draft7Validator

from gateway.policy_file.schema import schema
from tests.policy_file.files import BAD, GOOD, Bad
from tests.support.policy_schema import FILE, text

VALIDATOR = Draft7Validator(schema())


def test_the_file_is_what_the_code_makes() -> None:
    """Else run ./scripts/policy-schema."""
    assert FILE.read_text() == text()


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right(name: str) -> None:
    VALIDATOR.validate(tomllib.loads(GOOD[name]))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.lines[-60:])
def test_what_is_wrong(bad: Bad) -> None:
    """But for what only the parser can tell, such as that two rules have one name."""
    try:
        document = tomllib.loads(bad.text)
    except tomllib.TOMLDecodeError:
        return
    assert VALIDATOR.is_valid(document) != bad.seen_by_schema


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rule = []",
        "rule = 1",
        "rule = [1]",
        "[rule]\nname = 'a'",
        "[[rules]]\nname = 'a'",
        "x = 1\n[[rule]]\nname = 'a'",
    ],
)
def test_what_is_wrong_with_all_of_it(text: str) -> None:
    assert not VALIDATOR.is_valid(tomllib.loads(text))


def parts(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from parts(item)
    elif isinstance(value, list):
        for item in value:
            yield from parts(item)


def test_every_key_is_described() -> None:
    tables = [part["properties"] for part in parts(schema()) if "properties" in part]
    assert len(tables) == 5
    for table in tables:
        assert isinstance(table, dict)
        for key, value in table.items():
            described = value.get("description") or "$ref" in value
            assert described, key


def test_there_is_no_null() -> None:
    assert "null" not in json.dumps(schema())
