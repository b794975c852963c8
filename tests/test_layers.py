"""The layers of the design: a module imports only from levels below its own."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gateway"

LEVELS = {
    "__main__": 6.5,
    "cli": 6,
    "worker": 6,
    "demo": 5.5,
    "quota_command": 5,
    "serving": 5.5,
    "key_commands": 5.5,
    "audit_commands": 5.5,
    "composition": 5,
    "status_parts": 5.2,
    "policy_in_force": 4.5,
    "checking": 4.5,
    "methods": 4.5,
    "configuration": 4,
    "edge": 4,
    "upload": 3,
    "policy_file": 2.5,
    "machines": 2.5,
    "body": 2,
    "identity": 2,
    "inspection": 2,
    "metadata": 2,
    "policy": 2,
    "accounting": 1.5,
    "decisions": 1.6,
    "traces": 1.6,
    "status": 1.7,
    "audit": 1.2,
    "allocator": 1,
    "ledger": 1,
    "logs": 1,
    "metrics": 1,
    "scanner": 1,
    "settings": 1,
    "upstream": 1,
    "refusals": 0.5,
    "languages": 0.5,
    "units": 0.25,
    "endpoints": 0,
    "log_formats": 0,
    "content": 0,
    "contents": 0,
    "dimensions": 0,
    "names": 0,
    "phrases": 0,
    "places": 0,
    "values": 0,
    "writes": 0,
    "": 0,  # the package itself: its version
}
"""The design's levels; halves put parts of one level into an order."""

ONLY_IN = {
    "starlette": {"edge", "composition", "standin"},
    "uvicorn": {"edge", "serving", "standin"},
    "httpx": {"upstream", "standin", "demo"},
    "pydantic": {"settings", "policy_file"},
    "pydantic_core": {"policy_file"},
    "tomllib": {"policy_file", "machines"},
    "tomlkit": {"machines"},
    "joserfc": {"machines"},
    "sqlite3": {"ledger", "standin"},
    "redis": {"ledger"},
    "hiredis": {"ledger"},
    "magic": {"inspection"},
    "backports": {"inspection"},
    "prometheus_client": {"metrics"},
    "babel": {"languages"},
    "opentelemetry": {"traces"},
    "jinja2": {"edge"},
}
"""Libraries and the subjects that may know them."""

SELDOM = {"cryptography", "hiredis", "jinja2", "joserfc", "opentelemetry", "redis"}
"""Libraries that take a while, and are needed by few gateways or not at once."""


def subject(module: str) -> str:
    """``gateway.edge.app`` → ``edge``."""
    return module.split(".")[1] if "." in module else ""


def imports() -> Iterator[tuple[str, str]]:
    """(importing module, imported module) of the whole package."""
    for file in sorted(PACKAGE.rglob("*.py")):
        relative = file.relative_to(PACKAGE.parent).with_suffix("")
        module = ".".join(relative.parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield module, alias.name
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: relative imports hide the layers"
                yield module, node.module or ""


IMPORTS = list(imports())


def test_modules_import_only_from_below() -> None:
    wrong = []
    for importer, imported in IMPORTS:
        if not imported.startswith("gateway") or subject(importer) == "standin":
            continue
        here, there = subject(importer), subject(imported)
        if here == there:
            continue
        if there == "standin":
            if here != "demo":
                wrong.append(f"{importer} imports {imported}: only the demo knows the stand-in")
        elif LEVELS[there] >= LEVELS[here]:
            wrong.append(f"{importer} (level {LEVELS[here]}) imports {imported}")
    assert not wrong


def test_the_stand_in_is_independent() -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in IMPORTS
        if subject(importer) == "standin"
        and imported.startswith("gateway")
        and subject(imported) != "standin"
    ]
    assert not wrong


@pytest.mark.parametrize("library", ONLY_IN)
def test_libraries_stay_where_they_belong(library: str) -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in IMPORTS
        if imported.split(".")[0] == library and subject(importer) not in ONLY_IN[library]
    ]
    assert not wrong
    assert any(imported.split(".")[0] == library for _, imported in IMPORTS)


def test_every_subject_has_a_level() -> None:
    subjects = {subject(importer) for importer, _ in IMPORTS} - {"standin"}
    assert subjects <= set(LEVELS)


def test_what_is_seldom_needed_is_not_imported_by_all() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, gateway.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "gateway.composition" in told.stdout.split()
    assert not SELDOM.intersection(told.stdout.split())
