"""The policy file on its disk: reading it, and noticing that it is another one."""

import stat
from pathlib import Path
from typing import NamedTuple

from gateway.policy.ruleset import PolicyRule
from gateway.policy_file.parsing import parse
from gateway.policy_file.problems import PolicyFileError, Problem

LARGEST = 2**20
"""Bytes."""


def read(path: Path) -> tuple[PolicyRule, ...]:
    """The rules in the file at ``path``. Raises PolicyFileError with every problem at once."""
    return _parsed(_content(path))


def _parsed(content: bytes) -> tuple[PolicyRule, ...]:
    try:
        return parse(content.decode("utf-8-sig"))  # some editors of Windows begin with a mark
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyFileError([Problem(line, "this is not text in UTF-8")]) from None


def _content(path: Path) -> bytes:
    """Raises PolicyFileError."""
    try:
        return _ordinary_content(path)
    except FileNotFoundError:
        raise _wrong("there is no such file") from None
    except OSError as error:
        raise _wrong(f"it cannot be read ({error.strerror})") from None


def _ordinary_content(path: Path) -> bytes:
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):  # opening a named pipe would wait for its writer
        raise _wrong("it is a folder" if stat.S_ISDIR(mode) else "it is no ordinary file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _wrong("it is larger than 1 MiB")
    return content


def _wrong(sentence: str) -> PolicyFileError:
    return PolicyFileError([Problem(None, sentence)])


class _Version(NamedTuple):
    """What differs between one version of a file and the next, however it was written."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def _version(path: Path) -> _Version | None:
    """Of the file that links lead to; None if there is none."""
    try:
        its = path.stat()
    except OSError:
        return None
    return _Version(its.st_dev, its.st_ino, its.st_size, its.st_mtime_ns, its.st_ctime_ns)


class PolicyFile:
    """A policy file that may become another one at any time; whoever asks has to come back.

    What it becomes while it is written may be valid and have fewer rules. So a version is taken
    for one only if it is still there at the next look. Files that are put in the place of others
    (renamed, or behind a symbolic link as Kubernetes does it) are noticed as such.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = b""
        """What was read last."""
        self._read: _Version | None = None
        self._seen: _Version | None = None

    def read(self) -> tuple[PolicyRule, ...]:
        """The rules in it. Raises PolicyFileError; ``changed`` says when to try again."""
        self._read = self._seen = _version(self.path)
        self.content = _content(self.path)
        rules = _parsed(self.content)
        if _version(self.path) != self._read:
            raise _wrong("it changed while it was read")
        return rules

    def changed(self) -> bool:
        """Whether another version is there than was read last, and was so at the last look."""
        seen, self._seen = self._seen, _version(self.path)
        return self._seen != self._read and self._seen == seen
