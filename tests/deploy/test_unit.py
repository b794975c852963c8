"""The systemd unit: what it sets are settings, systemd takes it, and its hardening lets it run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import load
from gateway.units import parse_duration
from tests.deploy.proxies import DEPLOY

UNIT = DEPLOY / "mattermost-upload-gateway.service"
PR_SET_MDWE = 65
"""prctl(2), since Linux 6.3: what MemoryDenyWriteExecute= does."""
systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def environment() -> dict[str, str]:
    return dict(re.findall(r"^Environment=(\w+)=(.*)$", UNIT.read_text(), re.M))


def test_its_environment_is_settings() -> None:
    settings = load(environment())
    (state,) = re.findall(r"^StateDirectory=(.*)$", UNIT.read_text(), re.M)
    assert str(settings.spool_dir) in [f"/var/lib/{folder}" for folder in state.split()]


def test_uploads_have_time_to_end() -> None:
    (stop,) = re.findall(r"^TimeoutStopSec=(.*)$", UNIT.read_text(), re.M)
    assert parse_duration(stop) > load(environment()).shutdown_timeout


@systemd
def test_systemd_takes_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # systemd wants programs to be there.
    unit.write_text(re.sub(r"/opt/\S+/bin/\S+", "/bin/true", UNIT.read_text()))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = [line for line in told.stderr.splitlines() if UNIT.name in line]
    assert (told.returncode, mine) == (0, [])


@systemd
def test_it_is_hardened() -> None:
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Unknown" in told.stderr or "unrecognized" in told.stderr:
        pytest.skip("this systemd-analyze cannot look at files")
    assert told.returncode == 0, told.stdout[-400:]


def test_it_needs_no_memory_that_is_writable_and_executable(tmp_path: Path) -> None:
    start = (
        "import ctypes, os, sys; "
        f"done = ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0); "
        "sys.exit(77) if done else os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    file = tmp_path / "a.txt"
    file.write_text("hello")
    told = subprocess.run(
        [sys.executable, "-c", start, "-m", "gateway", "check", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert (told.returncode, told.stderr) == (0, "")
    assert "text/plain" in told.stdout
