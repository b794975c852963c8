"""Node, npm and Mattermost's own JavaScript client."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

_PROJECT = Path(__file__).parent.parent / "javascript"
_LEAST_NODE = 22
"""The first with a WebSocket of its own."""
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--fetch-retries=3", "--loglevel=error")
_INSTALL_SECONDS = 100.0


class NotInstallable(Exception):
    """npm's words are the exception's text."""


def find_node() -> Path | None:
    """The system's Node, if it is new enough and has npm, else the one of the environment."""
    for folders in (None, sysconfig.get_path("scripts")):
        found = shutil.which("node", path=folders)
        if found and _version(found) >= _LEAST_NODE and Path(found).with_name("npm").exists():
            return Path(found)
    return None


def _version(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout.removeprefix("v").partition(".")[0])


def install(node: Path, folder: Path) -> list[str]:
    """Put program and packages into ``folder``; the command that runs it, less its argument.

    Raises NotInstallable.
    """
    own = shutil.ignore_patterns("node_modules")
    shutil.copytree(_PROJECT, folder, ignore=own, dirs_exist_ok=True)
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
    return [str(node), str(folder / "client.js")]
