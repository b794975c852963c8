"""What tests of API keys and tokens need."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from gateway.cli import main
from gateway.standin.process import StandInProcess


class Told(NamedTuple):
    """What a command answered."""

    status: int
    stdout: str
    stderr: str


def keys(path: Path, *arguments: str) -> Told:
    """``mattermost-upload-gateway keys …`` on the file at ``path``."""
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main(["keys", *arguments, "--file", str(path)])
        except SystemExit as end:
            status = int(end.code or 0)
    return Told(status, stdout.getvalue(), stderr.getvalue())


def create(path: Path, name: str, *arguments: str) -> str:
    """A new key on file."""
    told = keys(path, "create", "--name", name, *arguments)
    assert told.status == 0, told.stderr
    return told.stdout.strip()


def listed(path: Path) -> list[dict[str, Any]]:
    told = keys(path, "list", "--json")
    assert told.status == 0, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found


def accounts(folder: Path, **tokens: str) -> Path:
    """A folder with the tokens of accounts."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, token in tokens.items():
        (folder / name).write_text(token + "\n")
    return folder


def authorizations(mattermost: StandInProcess) -> set[str]:
    """What Mattermost has seen in headers of this name."""
    return {
        value
        for request in mattermost.state()["recent"]
        for name, value in request["headers"]
        if name.lower() == "authorization"
    }
