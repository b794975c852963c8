"""``check FILE…`` says what the server says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.inspection import files
from tests.rules.support import client_of, gateway_with, logged

RULES = """
[[rule]]
name = "guests"
when.role = "guest"
allowed_types = ["images", "archives"]
archives.encrypted = "deny"
images = { max_pixels = 100 }
message = "Guests may send small pictures."

[[rule]]
name = "town"
when.channel = "town"
denied_types = ["executables", "macros"]
enforce = false
"""
FILES = {
    "a.png": files.png(),
    "large.png": files.png(101),
    "a.txt": b"hello\n",
    "setup.exe": files.pe(),
    "inside.zip": files.zipped(("docs/a.exe", files.pe()), ("b.txt", b"b")),
    "pictures.zip": files.zipped(("a.png", files.png())),
    "encrypted.zip": files.encrypted_zip(),
    "letter.docm": files.docm(),
    "empty.txt": b"",
    ".": b"",
}


def check(
    rules: Path, paths: list[Path], *options: str
) -> tuple[int, subprocess.CompletedProcess[str]]:
    told = subprocess.run(
        [sys.executable, "-m", "gateway", "check", *options, *map(str, paths)],
        env={"GATEWAY_POLICY_FILE": str(rules)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return told.returncode, told


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = []
    for name, content in FILES.items():
        if name != ".":
            path = tmp_path / name
            path.write_bytes(content)
            found.append(path)
    return found


@pytest.mark.parametrize("who", ["guest", "user"])
def test_it_is_what_the_server_says(
    who: str, paths: list[Path], mattermost: StandInProcess, folder: Path
) -> None:
    with gateway_with(RULES, mattermost, folder) as gateway:
        client = client_of(gateway, mattermost, who)
        options = ("--json", "--as", who, "--channel", "town")
        status, told = check(folder / "policy.toml", paths, *options)
        documents = json.loads(told.stdout)
        assert [document["file"] for document in documents] == [str(path) for path in paths]
        passed = []
        for path, document in zip(paths, documents, strict=True):
            response = client.raw(path.name, path.read_bytes())
            if path.name == "empty.txt":  # Mattermost takes no empty body
                continue
            passed.append(response.status == 201)
            assert document["passes"] is passed[-1], document
            line = logged(gateway, response)
            if response.status != 201:
                answer = {**response.json()}
                del answer["request_id"]
                assert document["answer"] == answer
            assert document["type"] == line["type"]
            assert document["entries"] == line.get("entries")
            assert document["would_refuse"] == line.get("would_refuse", [])
            assert document["rule"] == line.get("rule", "default")
        assert status == 1
        assert len(set(passed)) == 2


def test_a_table_for_people(paths: list[Path], tmp_path: Path) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text(RULES)
    chosen = [path for path in paths if path.name in ("a.png", "inside.zip")]
    status, told = check(rules, chosen, "--as=guest")
    assert status == 1
    head, *lines = told.stdout.splitlines()
    assert head.split() == ["FILE", "TYPE", "GROUP", "SIZE", "ENTRIES", "RULE", "ANSWER"]
    assert lines[0].split()[1:3] == ["image/png", "images"]
    assert lines[0].endswith("guests  passes")
    assert "2        guests  415 gateway.archive_entry_denied" in lines[1]
    assert lines[2].startswith("    ")
    assert "a.exe" in lines[2]
    assert lines[2].endswith("Guests may send small pictures.")


def test_all_pass(paths: list[Path], tmp_path: Path) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text(RULES)
    chosen = [path for path in paths if path.name in ("a.png", "letter.docm")]
    status, told = check(rules, chosen, "--channel=~town")
    assert status == 0
    assert "The rule town, which is only watched, would refuse it (type_denied)." in told.stdout


def test_names_that_a_terminal_would_obey(tmp_path: Path) -> None:
    rules = tmp_path / "policy.toml"
    rules.write_text(RULES)
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/line\nbreak\x1b[31m\xff.txt"))
    path.write_bytes(b"hello\n")
    status, told = check(rules, [path, path.with_suffix(".gone")])
    assert status == 2
    assert f"{tmp_path}/line\ufffdbreak\ufffd[31m\ufffd.txt  " in told.stdout
    assert told.stderr.startswith(f"{tmp_path}/line\ufffdbreak\ufffd[31m\ufffd.gone: ")
    status, told = check(rules, [path], "--json")
    assert status == 1
    assert json.loads(told.stdout)[0]["file"] == str(path)


def test_what_cannot_be_checked(tmp_path: Path) -> None:
    """Keeps nobody from seeing what there is to say of the rest."""
    rules = tmp_path / "policy.toml"
    rules.write_text(RULES)
    nowhere, pipe = tmp_path / "nowhere", tmp_path / "pipe"
    os.mkfifo(pipe)
    status, told = check(rules, [nowhere, tmp_path, rules, pipe])
    assert status == 2
    assert told.stderr.splitlines() == [
        f"{nowhere}: No such file or directory",
        f"{tmp_path}: Is a directory",
        f"{pipe}: Not an ordinary file",
    ]
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["FILE", str(rules)]
    status, told = check(rules, [nowhere], "--json")
    assert (status, told.stdout) == (2, "[]\n")
    status, told = check(rules, [nowhere])
    assert (status, told.stdout) == (2, "")
    rules.write_text("x = 1")
    status, told = check(rules, [rules])
    assert status == 2
    assert told.stderr.startswith(f"{rules}:1: ")
