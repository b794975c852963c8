"""API keys: how they look, how they are kept, and the commands that make and revoke them."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.machines.key_file import parse_keys
from gateway.machines.keys import KEY_PREFIX, ApiKey, KeyRing, digest, is_key, new_key
from gateway.machines.limits import Limits
from gateway.machines.watched import FileProblem
from tests.machines.support import create, keys, listed

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def api_key(key: str, name: str = "a") -> ApiKey:
    return ApiKey(name, digest(key), "default", NOW, None, Limits())


def test_how_keys_look() -> None:
    found = {new_key() for _ in range(1000)}
    assert len(found) == 1000
    for key in found:
        assert re.fullmatch("mmug_[0-9A-Za-z]{49}", key)
        assert is_key(key)


def test_a_typing_error_is_told() -> None:
    key = new_key()
    for place in range(len(KEY_PREFIX), len(key)):
        other = "a" if key[place] != "a" else "b"
        assert not is_key(key[:place] + other + key[place + 1 :])
    for wrong in ("", KEY_PREFIX, key[:-1], key + "a", key + "\n", key.upper(), f" {key}"):
        assert not is_key(wrong)


def test_a_key_ring() -> None:
    one, two = new_key(), new_key()
    ring = KeyRing([api_key(one, "one"), api_key(two, "two")])
    assert [found.name for key in (one, two) if (found := ring.find(key))] == ["one", "two"]
    assert ring.find(new_key()) is None
    assert ring.find(digest(one)) is None


def test_when_a_key_expires() -> None:
    key = ApiKey("a", "", "default", NOW, NOW + timedelta(days=1), Limits())
    assert not key.has_expired(NOW)
    assert key.has_expired(NOW + timedelta(days=1))
    assert not api_key("a").has_expired(NOW + timedelta(days=10_000))


def test_create_list_and_revoke(path: Path) -> None:
    told = keys(
        path, "create", "--name", "ci-reports", "--channels", "acme/builds,acme/ops",
        "--max-size", "50MiB", "--expires", "90d", "--types", "documents,text",
        "--endpoints", "files", "--addresses", "10.0.0.0/8,::1", "--quota", "1GiB/day",
        "--account", "ci", "--allow", "posts:create",
    )  # fmt: skip
    key = told.stdout.strip()
    assert is_key(key)
    assert "only this once" in told.stderr
    assert key not in told.stderr
    text = path.read_text()
    assert key not in text
    assert digest(key) in text
    found = parse_keys(path.read_bytes()).find(key)
    assert found is not None
    assert found.expires is not None
    assert found.expires - found.created == timedelta(days=90)
    (shown,) = listed(path)
    times = {"created": shown["created"], "expires": shown["expires"]}
    assert shown == times | {
        "name": "ci-reports",
        "account": "ci",
        "expired": False,
        "endpoints": ["files"],
        "channels": ["acme/builds", "acme/ops"],
        "max_size": 50 * 2**20,
        "addresses": ["10.0.0.0/8", "::1/128"],
        "quota": f"{2**30}/day",
        "allow": ["posts:create"],
    }
    for shown_as in (keys(path, "list").stdout, keys(path, "list", "--json").stdout):
        assert "ci-reports" in shown_as
        assert "sha256" not in shown_as
    assert "1 GiB/day, from 10.0.0.0/8" in keys(path, "list").stdout
    assert keys(path, "revoke", "ci-reports").status == 0
    assert listed(path) == []
    assert keys(path, "revoke", "ci-reports").status == 1


def test_what_a_key_is_without_options(path: Path) -> None:
    create(path, "usual")
    create(path, "forever", "--expires", "never")
    usual, forever = listed(path)
    assert usual["account"] == "default"
    assert usual["endpoints"] == ["files", "uploads"]
    created, expires = map(datetime.fromisoformat, (usual["created"], usual["expires"]))
    assert expires - created == timedelta(days=90)
    assert forever["expires"] is None
    assert "without end" in keys(path, "list").stdout
    create(path, "gone", "--expires", "1ms")
    assert listed(path)[2]["expired"]
    assert "expired" in keys(path, "list").stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--name", "first"), "there is a key called first already"),
        (("--name", "a b"), "letters, digits, dots and dashes"),
        (("--name", "a", "--channels", "town square"), "'town square' is neither"),
        (("--name", "a", "--channels", ""), "expected a list of texts"),
        (("--name", "a", "--max-size", "big"), "'big' is not a size"),
        (("--name", "a", "--max-size", "0"), "at least one byte"),
        (("--name", "a", "--types", "pictures"), "'pictures' is neither a content type"),
        (("--name", "a", "--types", ""), "types: expected a list of texts"),
        (("--name", "a", "--endpoints", "remote_upload"), "'remote_upload' is none of"),
        (("--name", "a", "--addresses", "here"), "'here' is not an address"),
        (("--name", "a", "--quota", "1GiB"), "is not a quota"),
        (("--name", "a", "--allow", "all"), "'all' is none of files:read, posts:create"),
        (("--name", "a", "--account", "../ci"), "'../ci' is not a name"),
        (("--name", "a", "--expires", "soon"), "--expires soon"),
        (("--name", "a", "--channels", "a/b", "--allow", "files:read"), "files:read reaches all"),
    ],
)
def test_what_cannot_be_made(path: Path, arguments: tuple[str, ...], problem: str) -> None:
    """And the file stays as it was."""
    create(path, "first")
    before = path.read_bytes()
    told = keys(path, "create", *arguments)
    assert (told.status, told.stdout) == (1, "")
    assert problem in told.stderr
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_an_administrator_wrote_stays(path: Path) -> None:
    create(path, "first")
    path.write_text(path.read_text() + "# the next one is for Bob\n")
    path.chmod(0o640)
    create(path, "bob")
    assert "# the next one is for Bob" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert keys(path, "revoke", "first").status == 0
    assert [key["name"] for key in listed(path)] == ["bob"]


def test_through_a_link(path: Path, tmp_path: Path) -> None:
    """The link stays one."""
    create(path, "first")
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    create(link, "second")
    assert link.is_symlink()
    assert len(listed(path)) == 2


def test_many_at_the_same_time(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from gateway.machines.key_file import add_key\n"
        "from gateway.machines.keys import digest, new_key\n"
        "for n in range(10): add_key(Path(sys.argv[1]), sys.argv[2] + str(n),"
        " {'hash': digest(new_key())})"
    )

    def run(name: str) -> None:
        subprocess.run([sys.executable, "-c", script, str(path), name], check=True, timeout=60)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(listed(path)) == 30


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    told = keys(tmp_path / "nowhere" / "keys.toml", "create", "--name", "a")
    assert told.status == 1
    assert "cannot be changed" in told.stderr
    assert keys(tmp_path / "keys.toml", "list").status == 1


def test_where_the_keys_are_has_to_be_said() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    for arguments in (("list",), ("create", "--name", "a"), ()):
        result = subprocess.run(
            [sys.executable, "-m", "gateway", "keys", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=60,
        )
        assert result.returncode == 2, result.stderr


HASH = f'hash = "{digest("a")}"'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[keys", "this is no TOML"),
        ("keys = 1", "keys: expected tables"),
        ("[keys]\na = 1", "keys.a: expected a table"),
        ("[key.a]\n", "key: this is not known here"),
        ("[keys.a]\n", "keys.a: hash: expected"),
        ('[keys.a]\nhash = "sha256:abc"', "keys.a: hash: expected"),
        (f"[keys.a]\n{HASH}\n[keys.b]\n{HASH}", "two keys have the same hash"),
        (f"[keys.a]\n{HASH}\nmax_sise = '1KiB'", "keys.a: max_sise: this is not known here"),
        (f"[keys.a]\n{HASH}\nchannels = 'a/b'", "keys.a: channels: expected a list"),
        (f"[keys.a]\n{HASH}\nchannels = []", "keys.a: channels: expected a list"),
        (f"[keys.a]\n{HASH}\nmax_size = 1024", "keys.a: max_size: expected a text in quotes"),
        (f"[keys.a]\n{HASH}\nexpires = 2026-01-01", "keys.a: expires: expected a time with its"),
        (f"[keys.a]\n{HASH}\nexpires = 2026-01-01T00:00:00", "with its zone"),
        (f'[keys.a]\n{HASH}\nexpires = "never"', "with its zone"),
    ],
)
def test_files_that_are_wrong(text: str, problem: str) -> None:
    with pytest.raises(FileProblem, match=re.escape(problem)):
        parse_keys(text.encode())


def test_everything_that_is_wrong_is_told() -> None:
    with pytest.raises(FileProblem) as error:
        parse_keys(b"[keys.a]\ntypes = ['x']\n[keys.b]\nfoo = 1")
    assert len(error.value.problems) == 4


def test_json_is_json(path: Path) -> None:
    create(path, "a")
    json.loads(keys(path, "list", "--json").stdout)
