"""What tests of the audit log need."""

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from gateway.audit.file import AuditFile
from gateway.cli import main
from gateway.log_formats import encoded


class Told(NamedTuple):
    """What a command answered."""

    status: int
    text: str


def verified(*files: Path, head: str = "", after: str = "") -> Told:
    """``mattermost-upload-gateway audit verify``."""
    told, status = io.StringIO(), 0
    arguments = [*map(str, files), *(["--head", head] if head else [])]
    arguments += ["--after", after] if after else []
    with redirect_stdout(told), redirect_stderr(told):
        try:
            main(["audit", "verify", *arguments])
        except SystemExit as end:
            status = int(end.code or 0)
    return Told(status, told.getvalue())


def written(path: Path, count: int, start: int = 0) -> list[bytes]:
    """Append ``count`` lines in several pieces; all lines of the file."""
    file = AuditFile(path)
    for number in range(start, start + count):
        file.append([encoded({"event": "file", "name": f"{number}.txt", "size": number})])
    file.close()
    return path.read_bytes().splitlines(keepends=True)


def lines(path: Path) -> list[dict[str, Any]]:
    """What whole lines say."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def names(path: Path) -> Sequence[object]:
    return [line.get("name") for line in lines(path) if line["event"] == "file"]
