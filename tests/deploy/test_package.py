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
SCRIPTS = Path(sysconfig.get_path("scripts"))
SECONDS = 240


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both; the wheel is built from the sdist, so that this is complete, too."""
    folder = tmp_path_factory.mktemp("dist")
    run_with_packages(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, what the lock says that it needs, and no
    extra."""
    folder = tmp_path_factory.mktemp("clean")
    uv = SCRIPTS / "uv"
    run_with_packages(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    (wheel,) = built.glob("*.whl")
    versions = folder / "versions.txt"
    versions.write_text(re.sub(r" \\\n +--hash=\S+", "", (ROOT / "requirements.lock").read_text()))
    python = folder / "venv" / "bin" / "python"
    run_with_packages(
        uv, "pip", "install", "--quiet", "--python", python, "--constraint", versions, wheel
    )
    return python.parent


def run_with_packages(*command: str | Path) -> None:
    """Something that needs a package registry."""
    told = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    output = told.stdout + told.stderr
    if told.returncode and re.search("NewConnectionError|Failed to fetch", output):
        pytest.skip("there is no package registry")
    assert told.returncode == 0, output[-4000:]


def gateway(
    installed: Path, folder: Path, *arguments: str, **settings: str
) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "STATE_DIRECTORY": str(folder),
        "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:8065",
    }
    return subprocess.run(
        [installed / "mattermost-upload-gateway", *arguments],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.timeout(SECONDS)
def test_wheel_and_sdist(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "mattermost-upload-gateway = gateway.cli:main" in entry_points
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    assert {"redis"} <= set(re.findall(r"^Provides-Extra: (.+)$", metadata, re.M))
    assert f"{info}/licenses/LICENSE" in names
    assert "gateway/py.typed" in names
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


@pytest.mark.timeout(SECONDS)
def test_the_wheel_alone_is_enough(installed: Path, tmp_path: Path) -> None:
    told = gateway(installed, tmp_path, "check-config")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.endswith("The settings are fine.\n")
    told = gateway(installed, tmp_path, "demo")
    assert told.returncode == 0, told.stdout
    assert "Everything was as told" in told.stdout


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_redis_needs_an_extra(installed: Path, tmp_path: Path, command: str) -> None:
    told = gateway(installed, tmp_path, command, GATEWAY_LEDGER_URL="redis://:secret@127.0.0.1:9/0")
    assert (told.returncode, told.stdout) == (2, "")
    assert "GATEWAY_LEDGER_URL=redis://:…@127.0.0.1:9/0: this needs the libraries" in told.stderr
    assert 'install the gateway with its extra "redis"' in told.stderr


@pytest.mark.timeout(SECONDS)
def test_it_installs_as_the_readme_says(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"```sh\n(python3 -m venv .*?)```", (ROOT / "README.md").read_text(), re.S
    )
    script = block.replace("/opt/", f"{tmp_path}/").replace("python3 ", f"{sys.executable} ")
    script += "cd / && mattermost-upload-gateway --help"
    told = subprocess.run(
        ["bash", "-euc", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if told.returncode and "NewConnectionError" in told.stderr:
        pytest.skip("there is no package registry")
    assert told.returncode == 0, told.stderr
    assert "check-config" in told.stdout


def test_versions_agree() -> None:
    chart = yaml.safe_load((ROOT / "helm/mattermost-upload-gateway/Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {__version__}


def test_workflows_are_safe() -> None:
    told = subprocess.run(
        [SCRIPTS / "zizmor", "--offline", "--persona=auditor", "--no-progress", ROOT / ".github"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_workflows_are_well_formed() -> None:
    told = subprocess.run(
        [SCRIPTS / "actionlint", f"-shellcheck={SCRIPTS / 'shellcheck'}", "-pyflakes="],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_scripts_are_sound() -> None:
    scripts = [
        file
        for file in (*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run")
        if file.is_file() and b"bash" in file.read_bytes().partition(b"\n")[0]
    ]
    told = subprocess.run(
        [SCRIPTS / "shellcheck", *scripts], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout


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
