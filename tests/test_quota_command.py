"""What the command line tells of quotas, and changes, on both engines."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.valkey import ValkeyServer

QUOTAS = "user 1MiB/day, user 5 files total, guest 10KiB/day, everyone 1GiB/day, user 3 at once"
HEADER = ["account", "quota", "limit", "used", "reserved", "taken", "resets"]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("quota")
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'ledger.db'}"
    else:
        with ValkeyServer(folder) as server:
            yield server.url


@pytest.fixture
def quota(url: str) -> Run:
    def run(*arguments: str, ledger: str = url) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if "GATEWAY_" not in name}
        environ |= {
            "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:1",
            "GATEWAY_QUOTAS": QUOTAS,
            "GATEWAY_LEDGER_URL": ledger,
            "GATEWAY_LEDGER_TIMEOUT": "500ms",
        }
        command = [sys.executable, "-W", "error", "-m", "gateway", "quota", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    return run


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """By account and quota, what is used."""
    assert done.returncode == 0, done.stderr
    return {f"{row['account']} {row['quota']}": row["used"] for row in json.loads(done.stdout)}


def test_the_whole_story(quota: Run) -> None:
    assert quota("list").stdout == "Nothing has been used.\n"
    quota("set", "user:ada", "512KiB/day")
    quota("set", "user:ada", "2 files total")
    quota("set", "guest:ada", "10KiB/day")
    quota("set", "user:bob", "1KiB/day")
    shown = rows(quota("set", "everyone", "768KiB/day", "--json"))
    assert shown == {"everyone everyone-bytes-day": 768 * 1024}
    listed = rows(quota("list", "--json"))
    assert list(listed) == [
        "guest:ada guest-bytes-day",
        "user:ada user-bytes-day",
        "user:ada user-files-total",
        "user:bob user-bytes-day",
        "everyone everyone-bytes-day",
    ]
    assert len(rows(quota("list", "--top", "2", "--json"))) == 2
    header, first, *_ = quota("list").stdout.splitlines()
    assert header.split() == HEADER
    assert first.startswith("guest:ada  guest-bytes-day     10 KiB   10 KiB   0 bytes   100%")
    assert rows(quota("show", "user:ada", "--json")) == {
        "user:ada user-bytes-day": 512 * 1024,
        "user:ada user-files-total": 2,
        "guest:ada guest-bytes-day": 10 * 1024,
        "user:ada user-at-once": 0,
    }
    quota("reset", "user:ada")
    assert set(rows(quota("show", "user:ada", "--json")).values()) == {0}
    assert rows(quota("show", "user:bob", "--json"))["user:bob user-bytes-day"] == 1024


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "ada"], "expected an account such as user:ID"),
        (["show", "group:ada"], "expected an account such as user:ID"),
        (["set", "user:ada", "many/day"], "'many' is not a size"),
        (["set", "user:ada", "3 at once"], "cannot be set"),
        (["list", "--top", "all"], "invalid int value"),
    ],
)
def test_what_is_not_understood(quota: Run, arguments: list[str], sentence: str) -> None:
    done = quota(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_a_ledger_that_is_not_there(quota: Run, tmp_path: Path) -> None:
    for ledger in (f"sqlite:///{tmp_path}", "redis://127.0.0.1:1"):
        done = quota("list", ledger=ledger)
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot be used" in done.stderr
