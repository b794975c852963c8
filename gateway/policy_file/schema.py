"""The JSON schema of a policy file, for editors: they complete keys and mark mistakes."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gateway.policy_file.tables import Document

_DIALECT = "http://json-schema.org/draft-07/schema#"
"""Which editors of TOML know; all that is said here means the same in it."""


def schema() -> dict[str, Any]:
    return {"$schema": _DIALECT, **Document.model_json_schema(schema_generator=_Generator)}


class _Generator(GenerateJsonSchema):
    """TOML has no null: what may be None may be left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") in (None, []):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
