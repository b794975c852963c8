"""Forms of values: each is told to the parser and to the JSON schema at once.

They stand in annotations (``Annotated[str, Text(…)]``), where pydantic asks them for both.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gateway.policy_file.problems import did_you_mean, quoted

Schema = dict[str, Any]


class Text:
    """A string of a certain form."""

    def __init__(
        self,
        pattern: str,
        expected: str,
        known: Iterable[str] = (),
        read: Callable[[str], str] = str,
    ) -> None:
        """``pattern`` means the same to Python and to ECMAScript. ``expected`` completes "is not
        …", ``known`` are words that may have been meant, ``read`` makes one spelling of several.
        """
        self.pattern = pattern
        self._expected = expected
        self._known = tuple(known)
        self._read = read

    def check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            hint = did_you_mean(value.lower(), self._known)
            raise ValueError(f"{quoted(value)} is not {'known' if hint else self._expected}{hint}")
        return self._read(value)

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}


class Word:
    """One of a few words."""

    def __init__(
        self, words: Iterable[str], hints: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """``hints`` has sentences about words that are none of them, but could seem so."""
        self._words = tuple(map(str, words))
        self._hints = hints

    def _check(self, value: str) -> str:
        if value in self._words:
            return value
        hint = self._hints.get(value)
        hint = f"; {hint}" if hint else did_you_mean(value.lower(), self._words)
        known = "is not known" if hint else f"is none of {', '.join(self._words)}"
        raise ValueError(f"{quoted(value)} {known}{hint}")

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        return {**handler(schema), "enum": list(self._words)}


class Also:
    """What else may be written, and what it stands for."""

    def __init__(self, read: Callable[[Any], Any], schema: Schema) -> None:
        """``read`` leaves alone what it does not know, or raises ValueError."""
        self._read = read
        self._schema = schema

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        return {"anyOf": [self._schema, handler(schema)]}


class OrOne:
    """For a list: a single one of its items is a list of one; with ``nonempty`` it has some."""

    def __init__(self, *, nonempty: bool = False) -> None:
        self._nonempty = nonempty

    def _read(self, value: object) -> object:
        if value == [] and self._nonempty:
            raise ValueError("an empty list could mean always or never; leave it out for always")
        return [value] if isinstance(value, str) else value

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Schema:
        many = handler(schema)
        if self._nonempty:
            many["minItems"] = 1
        return {"anyOf": [many["items"], many]}


def or_separated(item: Text) -> Also:
    """For a list: its items in one string, separated by commas."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        return [part for part in map(str.strip, value.split(",")) if part]

    one = f"(?:{item.pattern})"
    pattern = rf"^\s*(?:{one}?\s*,\s*)*{one}?\s*$"
    return Also(read, {"type": "string", "pattern": pattern})
