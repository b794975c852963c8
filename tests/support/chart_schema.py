"""The settings in the chart's schema, made from the code: ``./scripts/chart-schema``.

All other values are described in that file by hand.
"""

import json
from pathlib import Path
from typing import Any

from gateway.settings import AllSettings

FILE = (
    Path(__file__).parent.parent.parent
    / "helm"
    / "mattermost-upload-gateway"
    / "values.schema.json"
)
SECRET = {"account_token", "admin_token"}
"""Settings that come from a Secret only."""


def in_camel_case(name: str) -> str:
    """``max_file_size`` → ``maxFileSize``."""
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


def settings_schema() -> dict[str, Any]:
    properties = {
        in_camel_case(name): {
            "type": ["string", "number" if name == "traces_sample" else "integer", "null"],
            "description": (field.description or "").replace("`", "'"),
        }
        for name, field in AllSettings.model_fields.items()
        if name not in SECRET
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def text() -> str:
    schema = json.loads(FILE.read_text())
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
