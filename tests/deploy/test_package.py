"""What is released: wheel and sdist have what they need, and all versions agree."""

import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from gateway import __version__

ROOT = Path(__file__).parent.parent.parent
SECONDS = 240


@pytest.mark.timeout(SECONDS)
def test_wheel_and_sdist(tmp_path: Path) -> None:
    """The wheel is built from the sdist, so that this is complete, too."""
    told = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if told.returncode and "NewConnectionError" in told.stdout + told.stderr:
        pytest.skip("there is no package registry")
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-4000:]
    (wheel,), (sdist,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "mattermost-upload-gateway = gateway.cli:main" in entry_points
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    assert f"{info}/licenses/LICENSE" in names
    data = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "gateway").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert data == {name for name in names if not name.startswith(info)}
    with tarfile.open(sdist) as source:
        paths = {member.name.partition("/")[2] for member in source}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "deploy/Dockerfile"} <= paths
    assert not [path for path in paths if path.startswith((".venv", ".corpus"))]


def test_versions_agree() -> None:
    chart = yaml.safe_load((ROOT / "helm/mattermost-upload-gateway/Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {__version__}


def test_workflows_are_safe() -> None:
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    told = subprocess.run(
        [program, "--offline", "--persona=auditor", "--no-progress", ROOT / ".github"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_workflows_run_what_is_there() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text()
        assert all(
            re.fullmatch("[0-9a-f]{40}", sha) for sha in re.findall(r"uses: \S+@(\S+)", text)
        )
        for script in re.findall(r"\./(?:scripts|\.ci)/[\w-]+", text):
            assert (ROOT / script).exists(), script


@pytest.mark.parametrize("page", ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_of_papers_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
        assert "://" in target or (ROOT / target).exists(), target
