"""``docs/policy.schema.json``, made from the tables of the parser: ``./scripts/policy-schema``."""

import json
from pathlib import Path

from gateway.policy_file.schema import schema

FILE = Path(__file__).parent.parent.parent / "docs" / "policy.schema.json"


def text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
