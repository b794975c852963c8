"""The image and the composition, without a container engine: a folder in place of the image."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.settings import load
from gateway.units import parse_duration
from tests.deploy.proxies import DEPLOY

ROOT = DEPLOY.parent
DOCKERFILE = DEPLOY / "Dockerfile"
OPT, SRC = "/opt/", "/src"
SECONDS = 300
LARGEST = 75 * 10**6
"""Bytes of the gateway's layer, compressed; the slim Python below it has some 45 million."""


def instructions(stage: int) -> list[tuple[str, str]]:
    """Of a stage, in order: word and arguments."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.M).replace("\\\n", "")
    stages = re.split(r"^(?=FROM )", text, flags=re.M)[1:]
    return [
        (word, rest)
        for word, _, rest in (line.partition(" ") for line in stages[stage].splitlines() if line)
    ]


def build(root: Path) -> Path:
    """The folder in place of /opt, after all commands of the first stage."""
    source = root / "src"
    source.mkdir()
    (root / "opt").mkdir()
    for word, rest in instructions(0):
        if word == "COPY":
            *names, _ = rest.split()
            for name in names:
                copy(ROOT / name, source / name)
        elif word == "RUN":
            command = rest.replace(OPT, f"{root}/opt/")
            command = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", command)
            done = subprocess.run(
                ["sh", "-euc", command],
                cwd=source,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            if done.returncode and "NewConnectionError" in done.stderr:
                pytest.skip("there is no package registry")
            assert done.returncode == 0, done.stderr[-4000:]
        else:
            assert (word, rest) in (("WORKDIR", SRC),) or word == "FROM"
    return root / "opt"


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def run(
    built: Path, tmp_path: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """The installed gateway, with nothing of this clone at hand."""
    program = built / "mattermost-upload-gateway" / "bin" / "mattermost-upload-gateway"
    return subprocess.run(
        [program, *arguments],
        cwd=tmp_path,
        env={"STATE_DIRECTORY": str(built / "state"), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.timeout(SECONDS)
def test_its_steps_make_a_gateway_that_works(tmp_path: Path) -> None:
    built = build(tmp_path)
    told = run(built, tmp_path, "check-config", GATEWAY_UPSTREAM_URL="http://127.0.0.1:8065")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.endswith("The settings are fine.\n")
    told = run(built, tmp_path, "demo")
    assert told.returncode == 0, told.stdout
    assert "Everything was as told" in told.stdout
    assert packed_size(built / "mattermost-upload-gateway", tmp_path / "layer.tar.gz") < LARGEST
    site = built / "mattermost-upload-gateway" / "lib"
    assert not list(site.rglob("pip/__init__.py"))
    assert list(site.rglob("gateway/py.typed"))
    # Compiled beforehand, since the root of the image is read-only.
    assert list(site.rglob("gateway/__pycache__/cli.*.pyc"))


def packed_size(folder: Path, archive: Path) -> int:
    with tarfile.open(archive, "w:gz", compresslevel=1) as layer:
        layer.add(folder)
    return archive.stat().st_size


def test_it_needs_neither_root_nor_shell() -> None:
    last = instructions(1)
    words = [word for word, _ in last]
    assert "RUN" not in words
    users = [rest for word, rest in last if word == "USER"]
    assert users == ["65532:65532"]
    for word, rest in last:
        if word in ("ENTRYPOINT", "CMD"):
            assert rest.startswith("["), rest
        if word == "HEALTHCHECK":
            assert 'CMD ["' in rest


def test_hadolint_finds_nothing() -> None:
    told = subprocess.run(
        [Path(sysconfig.get_path("scripts"), "hadolint"), DOCKERFILE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, told.stdout) == (0, "")


def test_what_is_copied_is_not_ignored() -> None:
    kept = re.findall(r"^!(.+)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.M)
    copied = {
        name for word, rest in instructions(0) if word == "COPY" for name in rest.split()[:-1]
    }
    assert copied == set(kept)


# Compose


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def services(compose: Any) -> Any:
    return compose["services"]


def test_compose_sets_settings(services: Any) -> None:
    environment = {
        name: re.sub(r"\$\{\w+:\?\}", "secret", value)
        for name, value in services["gateway"]["environment"].items()
    }
    settings = load(environment)
    assert parse_duration(services["gateway"]["stop_grace_period"]) > settings.shutdown_timeout
    assert settings.scanner_largest == 100 * 2**20
    assert services["clamav"]["environment"]["CLAMD_CONF_StreamMaxLength"] == "100M"
    assert (
        int(services["mattermost"]["environment"]["MM_FILESETTINGS_MAXFILESIZE"])
        >= settings.max_file_size
    )


def test_nobody_gets_past_the_gateway(compose: Any, services: Any) -> None:
    assert compose["networks"]["inner"] == {"internal": True}
    assert services["mattermost"]["networks"] == ["inner"]
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {"gateway", "grafana"}


def test_secrets_are_nobodys_defaults() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    example = (DEPLOY / "compose" / "example.env").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?\}", text))
    assert needed == set(re.findall(r"^(\w+)=$", example, re.M))


def test_images_are_pinned_and_volumes_known(compose: Any, services: Any) -> None:
    for name, service in services.items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+", service["image"]), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (
                (DEPLOY / source).exists()
                if source.startswith(".")
                else source in compose["volumes"]
            )
        for other in service.get("depends_on", ()):
            assert "healthcheck" in services[other]


def mounts(service: Any) -> dict[str, Path]:
    """Files in the container → files here."""
    parts = [volume.split(":") for volume in service["volumes"]]
    return {part[1]: DEPLOY / part[0] for part in parts if part[0].startswith(".")}


def test_grafana_finds_its_dashboard(services: Any) -> None:
    files = mounts(services["grafana"])
    provisioning = {
        Path(name).parent.name: yaml.safe_load(file.read_text())
        for name, file in files.items()
        if name.startswith("/etc/grafana/provisioning/")
    }
    (datasource,) = provisioning["datasources"]["datasources"]
    assert datasource["url"] == "http://prometheus:9090"
    (provider,) = provisioning["dashboards"]["providers"]
    (dashboard,) = (
        file
        for name, file in files.items()
        if str(Path(name).parent) == provider["options"]["path"]
    )
    assert json.loads(dashboard.read_text())["title"] == "Mattermost upload gateway"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_its_configuration(services: Any, tmp_path: Path) -> None:
    for name, file in mounts(services["prometheus"]).items():
        copy(file, tmp_path / Path(name).name)
    told = subprocess.run(
        ["promtool", "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert "1 rule files found" in told.stdout


def test_the_lock_file_is_of_this_project() -> None:
    pinned = {
        name.replace("-", "_").lower()
        for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["redis"]]
    names = {
        name.replace("-", "_").replace(".", "_").lower()
        for requirement in wanted
        for name in re.findall(r"^[\w.-]+", requirement)
    }
    assert names <= {name.replace(".", "_") for name in pinned}, "run ./scripts/lock"
