"""The stand-in must not share code with what is tested against it."""

import ast
from pathlib import Path

import gateway.standin

PACKAGE = Path(gateway.standin.__file__).parent


def imports(source: Path) -> set[str]:
    tree = ast.parse(source.read_text())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(node.module or "")
    return names


def test_nothing_comes_from_the_rest_of_the_gateway() -> None:
    sources = list(PACKAGE.rglob("*.py"))
    assert sources
    used = {name for source in sources for name in imports(source) if name.startswith("gateway")}
    assert {name for name in used if not f"{name}.".startswith("gateway.standin.")} == set()
