"""The file of API keys: read by the gateway, written by the command line. It holds no key.

Comments and order of the file stay as an administrator left them.
"""

import fcntl
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from gateway.machines.keys import ApiKey, KeyRing, is_digest
from gateway.machines.limits import ACCOUNT_NAME, Reader, read_account, read_limits
from gateway.machines.watched import FileProblem, read_file

_HEADER = """\
# API keys of the Mattermost upload gateway; `mattermost-upload-gateway keys` writes this file.
# It holds hashes, of which no key can be made. The gateway reads it again when it changes.
"""


def parse_keys(document: bytes) -> KeyRing:
    """Raises FileProblem with all that is wrong."""
    problems: list[str] = []
    keys = []
    for name, table in tables(read_toml(document), "keys", problems):
        where = f"keys.{name}"
        if not ACCOUNT_NAME.fullmatch(name):
            problems.append(f"{where}: a key's name has letters, digits, dots and dashes only")
        keys.append(_key(name, Reader(table, where, problems)))
    digests = [key.digest for key in keys]
    if not problems and len(set(digests)) != len(digests):
        problems.append("two keys have the same hash")
    if problems:
        raise FileProblem(problems)
    return KeyRing(keys)


def read_toml(document: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(document.decode())
    except (ValueError, RecursionError) as error:  # of UTF-8 as well
        raise FileProblem([f"this is no TOML: {error}"]) from error


def tables(
    document: Mapping[str, Any], kind: str, problems: list[str]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The tables ``[kind.NAME]``, which are all that there may be."""
    problems += [f"{name}: this is not known here" for name in document if name != kind]
    found = document.get(kind, {})
    if not isinstance(found, dict):
        problems.append(f"{kind}: expected tables such as [{kind}.name]")
        return
    for name, table in found.items():
        if isinstance(table, dict):
            yield name, table
        else:
            problems.append(f"{kind}.{name}: expected a table")


def _key(name: str, reader: Reader) -> ApiKey:
    digest = reader.text("hash", _digest, "")
    if not digest:
        reader.wrong("hash", "expected “sha256:” and 64 hexadecimal digits")
    key = ApiKey(
        name=name,
        digest=digest,
        account=read_account(reader),
        created=_time(reader, "created") or datetime.fromtimestamp(0, UTC),
        expires=_time(reader, "expires"),
        limits=read_limits(reader),
    )
    reader.end()
    return key


def _digest(text: str) -> str:
    return text if is_digest(text) else ""


def _time(reader: Reader, name: str) -> datetime | None:
    value = reader.take(name)
    if value is None or (isinstance(value, datetime) and value.tzinfo is not None):
        return value
    reader.wrong(name, "expected a time with its zone, such as 2027-01-31T00:00:00Z")
    return None


# Writing.


class KeyFileError(Exception):
    """A command about keys cannot do what it was asked; the text is for who gave it."""


def add_key(path: Path, name: str, fields: Mapping[str, object]) -> None:
    """Put a key on file. Raises KeyFileError and FileProblem, and changes nothing then."""
    with _changing(path) as document:
        keys = document.setdefault("keys", tomlkit.table(is_super_table=True))
        if name in keys:
            raise KeyFileError(
                f"there is a key called {name} already; revoke it first, or use another name"
            )
        table = tomlkit.table()
        for field, value in fields.items():
            table.add(field, value)
        keys.append(name, table)


def remove_key(path: Path, name: str) -> None:
    """Raises as ``add_key`` does."""
    with _changing(path) as document:
        keys = document.get("keys", {})
        if name not in keys:
            raise KeyFileError(f"there is no key called {name} in {path}")
        keys.remove(name)


@contextmanager
def _changing(path: Path) -> Iterator[tomlkit.TOMLDocument]:
    """The document, which takes the place of the file all at once, unless something is wrong."""
    try:
        with _locked(path):
            text = read_file(path).decode() if path.exists() else _HEADER
            if path.exists():
                parse_keys(text.encode())
            document = tomlkit.parse(text)
            yield document
            written = tomlkit.dumps(document).encode()
            parse_keys(written)
            _replace(path, written)
    except (OSError, ValueError, TOMLKitError) as error:
        raise KeyFileError(f"{path} cannot be changed: {error}") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two commands at the same time come one after the other; the folder is what they lock,
    since the file itself is replaced."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    """Whoever may read the file now may read the new one."""
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if path.exists():
                status = path.stat()
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
                if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), status.st_uid, status.st_gid)
            else:
                os.fchmod(file.fileno(), 0o644)  # no secret is in it
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
