"""What ``check-config`` says of a policy file."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.configuration import checked_settings, file_rules_from
from gateway.policy_file.description import described
from gateway.policy_file.parsing import parse
from gateway.settings import SettingsError
from tests.policy_file.files import EVERYTHING

URL = {"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9"}

DESCRIBED = """\
1. pictures: if role is bot, and user is alice or bob
   allowed_types = images
   strip_metadata = true
2. All_of-it: if endpoint is files or imports or saml_certificate or unlisted, and role is guest \
or team_admin, and identity is session, and user is alice.b:remote or bob, and channel is \
4xp9fdt77pncbef59f4k1qe83o or town-square, and team is staff, only watched
   max_file_size = 1536KiB
   allowed_types = images, application/pdf, video/*
   denied_types = executables, macros
   allowed_extensions = pdf, tar.gz
   denied_extensions = default, iso
   allowed_names = invoice-*.pdf, ä?.[ch]
   denied_names = *,*
   extension_agreement = strict
   scan = true
   strip_metadata = require
   message = No.
   archives.max_entries = 1
   archives.max_unpacked_size = 2
   archives.max_ratio = 3
   archives.max_depth = 4
   archives.max_seconds = 5
   archives.encrypted = allow
   archives.unreadable = deny
   images.max_pixels = 6000
   images.max_frames = 7
   quotas = []
3. rest: always
   allowed_types = []
   denied_names = []
   scan = false
   quotas = user 1536MiB/day, key 200 files/hour, team 1TiB total, guest 4 at once
"""

RULES = f"""\
[[rule]]
name = "pictures"
when = {{ role = "bot", user = ["bob", "alice"] }}
allowed_types = "images"
strip_metadata = true

{EVERYTHING}
[[rule]]
name = "rest"
allowed_types = []
denied_names = []
scan = false
quotas = "user 1.5 GiB/day, key 200 files/hour, team 1024GiB total, guest 4 at once"
"""


def check_config(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "check-config"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_rules_as_they_are_read_again() -> None:
    assert "\n".join(described(parse(RULES))) + "\n" == DESCRIBED


def test_a_file_that_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(RULES)
    scanner = {"GATEWAY_SCANNER_URL": "tcp://clamav:3310"}
    told = check_config({**URL, **scanner, "GATEWAY_POLICY_FILE": str(path)})
    assert told.returncode == 0
    assert told.stdout.endswith(
        f"\nThe rules in {path}, in their order:\n{DESCRIBED}"
        "Where none of them decides, the settings do.\n\nThe settings are fine.\n"
    )


def test_a_scanner_that_nobody_asks_for() -> None:
    told = check_config({**URL, "GATEWAY_SCANNER_URL": "tcp://clamav:3310"})
    assert told.returncode == 0
    assert told.stdout.endswith(
        "\n\nNothing is scanned: GATEWAY_SCANNER_URL is set, but no rule says scan = true.\n"
        "\nThe settings are fine.\n"
    )


def test_a_file_that_is_not(tmp_path: Path) -> None:
    """Its problems are told with those of the settings."""
    path = tmp_path / "policy.toml"
    path.write_text("x = 1\n[[rule]]\nscan = 5\n")
    told = check_config({"GATEWAY_POLICY_FILE": str(path), "GATEWAY_WORKERS": "0"})
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.splitlines()[-3:] == [
        f"{path}:1: 'x' means nothing here: the file has rules and nothing else, each of "
        "which begins with [[rule]]",
        f"{path}:2: name: it is missing",
        f"{path}:3: scan: expected true or false",
    ]
    assert len(told.stderr.splitlines()) == 5


def test_files_cannot_be_scanned_by_nothing(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[rule]]\nname = "a"\nscan = true\nwhen.role = "bot"\n[[rule]]\nname = "b"\n')
    with pytest.raises(SettingsError) as error:
        checked_settings({**URL, "GATEWAY_POLICY_FILE": str(path)})
    assert error.value.problems == [
        f"{path}: a: files are to be scanned, but GATEWAY_SCANNER_URL is not set"
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    with pytest.raises(SettingsError) as error:
        checked_settings({**URL, "GATEWAY_POLICY_FILE": str(path)})
    assert error.value.problems == [f"GATEWAY_POLICY_FILE={path}: there is no such file"]


def test_rules_are_optional() -> None:
    settings = checked_settings(URL)
    assert settings.policy_file is None
    assert file_rules_from(settings) == ()
    assert settings.enforce == "on"
