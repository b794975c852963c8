"""The demo: it tells the truth, it notices when that changes, and it leaves nothing behind."""

import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest
from PIL import Image

from gateway.demo import samples
from gateway.demo.chapters import tell
from gateway.demo.curl import Request, Unanswered, send
from gateway.demo.servers import GatewayProcess
from gateway.demo.stage import NotAsTold, Stage
from gateway.demo.terminal import Terminal
from gateway.standin.process import StandInProcess

COMMAND = [sys.executable, "-W", "error", "-m", "gateway", "demo"]
SECONDS = 60


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """With ``folder`` for temporary files."""
    return {**os.environ, "TMPDIR": str(folder), "COLUMNS": "80", **variables}


def run(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        COMMAND,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def is_served(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=10).close()
    except URLError as error:
        return not isinstance(error.reason, ConnectionRefusedError)
    return True


@pytest.fixture(scope="module")
def folder_of_tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tour")


@pytest.fixture(scope="module")
def toured(folder_of_tour: Path) -> "subprocess.CompletedProcess[str]":
    """A whole tour."""
    return run(folder_of_tour)


def test_the_tour(toured: "subprocess.CompletedProcess[str]") -> None:
    assert (toured.returncode, toured.stderr) == (0, "")
    told = toured.stdout
    for file in (
        "sunset.png  image/png ",
        "report.pdf  application/pdf ",
        "notes.txt   text/plain",
    ):
        assert file in told
    for refusal in (
        "415 gateway.content_mismatch\n   │ “invoice.pdf” was not uploaded",
        "413 gateway.file_too_large\n   │ “film.mp4” is too large (3 MiB)",
        "429 gateway.quota_exceeded\n   │ This file does not fit into your upload quota",
        "401 api.context.session_expired.app_error\n",
        "415 gateway.type_denied\n   │ “deploy.sh” was not uploaded",
        "415 gateway.archive_entry_denied\n   │ “papers.zip” was not uploaded because of",
    ):
        assert refusal in told
    assert re.search(r'_requests_total{reason="content_mismatch"} +0  → +2\n', told)
    assert re.search(r"upload_gateway_would_refuse_total +0  → +1\n", told)
    assert "✓ Everything was as told: 6 files stored, 8 refused" in told
    assert "✗" not in told


def test_it_fits_into_eighty_columns_without_colours(
    toured: "subprocess.CompletedProcess[str]",
) -> None:
    assert max(map(len, toured.stdout.splitlines())) <= 80
    assert "\x1b" not in toured.stdout


def test_it_leaves_nothing_behind(
    toured: "subprocess.CompletedProcess[str]", folder_of_tour: Path
) -> None:
    urls = set(re.findall(r"http://127\.0\.0\.1:\d+", toured.stdout))
    assert len(urls) == 3
    assert not any(map(is_served, urls))
    assert not list(folder_of_tour.iterdir())


def test_settings_of_a_gateway_that_lives_here_do_not_count(tmp_path: Path) -> None:
    result = run(tmp_path, GATEWAY_NONSENSE="1", GATEWAY_ALLOWED_TYPES="text/plain")
    assert result.returncode == 0, result.stdout


def test_a_reader_who_leaves_early(tmp_path: Path) -> None:
    process = subprocess.Popen(
        COMMAND, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(SECONDS) == 1
    assert not list(tmp_path.iterdir())


@contextmanager
def serving(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A demo that keeps serving, and what it has told."""
    process = subprocess.Popen(
        [*COMMAND, "--serve"], env=environment(folder), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("   tail "):
                break
        yield process, "".join(lines)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(SECONDS)
        process.stdout.close()


def commands(told: str) -> Iterator[str]:
    """What the tour says one would type."""
    for match in re.finditer(r"^   \$ ((?:.*\\\n)*.*)$", told, re.MULTILINE):
        yield match[1]


def preparation(told: str) -> str:
    """The lines to be pasted first."""
    return "\n".join(re.findall(r"^   (cd .*|[A-Z]+=\".*\")$", told, re.MULTILINE))


def bash(script: str) -> str:
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return result.stdout


def test_serve_prints_commands_that_work(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, told):
        invitation = told[told.index("For example:\n") + len("For example:\n") :]
        printed = bash(f"{preparation(told)}\n{invitation}")
    for result in (
        '"name":"sunset.png"',
        '"id":"gateway.content_mismatch"',
        '{"status":"ready"}',
        'upload_gateway_files_total{group="images",outcome="accepted",reason="none"} 4.0',
        '"reason":"content_mismatch"',
    ):
        assert result in printed


ANSWERS = (
    '"username":"alice"',
    '"name":"sunset.png"',
    '"name":"report.pdf"',
    '"name":"notes.txt"',
    '"id":"gateway.content_mismatch"',
    '"id":"gateway.file_too_large"',
    '"id":"gateway.quota_exceeded"',  # its photo was uploaded by the tour
    '"id":"gateway.quota_exceeded"',
    '"id":"api.context.session_expired.app_error"',
    '"id":"gateway.content_mismatch"',
    '"id":"gateway.type_denied"',  # the tour has the rule enforced
    "",
    '"id":"gateway.type_denied"',
    "",
    "",
    "20 potatoes",
    "",
    "",
    '{"status":"ready"}',
    '"id":"gateway.archive_entry_denied"',
    '"name":"beach.jpg"',
)


def test_the_commands_of_the_tour_give_what_it_says(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, told):
        typed = list(commands(told))
        for command, part in zip(typed, ANSWERS, strict=True):
            script = f"{preparation(told)}\n{command}"
            deadline = time.monotonic() + SECONDS
            while part not in (answer := bash(script)):
                assert "$ADMIN" in command, answer  # which may tell a moment later
                assert time.monotonic() < deadline, answer


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_serving_ends_cleanly(tmp_path: Path, number: signal.Signals, status: int) -> None:
    with serving(tmp_path) as (process, told):
        process.send_signal(number)
        assert process.wait(SECONDS) == status
    assert not any(map(is_served, re.findall(r"http://127\.0\.0\.1:\d+", told)))
    assert not list(tmp_path.iterdir())


LIMITS = {"GATEWAY_MAX_FILE_SIZE": "1MiB", "GATEWAY_QUOTAS": "user 1.5MiB/day"}


def stage(mattermost: StandInProcess, gateway: GatewayProcess, folder: Path) -> Stage:
    terminal = Terminal(io.StringIO(), width=80, colour=False)
    return Stage(terminal, mattermost, gateway, {"A": "B"}, folder)


@pytest.mark.parametrize(
    "settings",
    [
        LIMITS | {"GATEWAY_QUOTAS": ""},
        LIMITS | {"GATEWAY_DENIED_TYPES": "images"},
        LIMITS | {"GATEWAY_EXTENSION_AGREEMENT": "off"},
        LIMITS,  # and no policy file
    ],
)
def test_a_gateway_that_behaves_otherwise_is_noticed(
    tmp_path: Path, mattermost: StandInProcess, settings: dict[str, str]
) -> None:
    samples.write_samples(tmp_path)
    url = {"GATEWAY_UPSTREAM_URL": mattermost.url}
    with (
        GatewayProcess(tmp_path, settings | url) as gateway,
        pytest.raises((NotAsTold, Unanswered)),
    ):
        tell(stage(mattermost, gateway, tmp_path))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("archives = true\n", "this is refused with 415 gateway.archive_entry_denied"),
        ("strip_metadata = true\n", r"Mattermost has .*beach\.jpg"),
    ],
)
def test_rules_that_are_others_are_noticed(
    tmp_path: Path, mattermost: StandInProcess, line: str, told: str
) -> None:
    samples.write_samples(tmp_path)
    rules = tmp_path / samples.RULES
    rules.write_text(rules.read_text().replace(line, "\n"))
    settings = {"GATEWAY_UPSTREAM_URL": mattermost.url, "GATEWAY_POLICY_FILE": str(rules)}
    with (
        GatewayProcess(tmp_path, LIMITS | settings) as gateway,
        pytest.raises(NotAsTold, match=told),
    ):
        tell(stage(mattermost, gateway, tmp_path))


def test_the_photograph_is_one(tmp_path: Path) -> None:
    samples.write_samples(tmp_path)
    with Image.open(tmp_path / samples.SNAPSHOT) as picture:
        place = picture.getexif().get_ifd(0x8825)
        assert (place[2], place[4]) == (samples.BEACH.latitude, samples.BEACH.longitude)
        assert (place[1], place[3]) == ("N", "E")
        sky, sand = picture.getpixel((4, 4)), picture.getpixel((4, 236))
    assert isinstance(sky, tuple)
    assert isinstance(sand, tuple)
    assert sky == pytest.approx((120, 180, 235), abs=2)
    assert sand[0] > sand[2] + 50


def test_a_mattermost_without_gateway_is_noticed(
    tmp_path: Path, mattermost: StandInProcess
) -> None:
    samples.write_samples(tmp_path)
    settings = {"GATEWAY_UPSTREAM_URL": mattermost.url}
    with GatewayProcess(tmp_path, settings) as gateway:
        gateway.url = mattermost.url
        with pytest.raises(NotAsTold, match=r"Mattermost has .*notes\.txt"):
            tell(stage(mattermost, gateway, tmp_path))


def test_a_gateway_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(TimeoutError, match="GATEWAY_UPSTREAM_URL is required"),
        GatewayProcess(tmp_path, {}),
    ):
        pass


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(
        Unanswered, match=r"^GET http://127\.0\.0\.1:1/a was not answered: .*refused"
    ):
        send("http://127.0.0.1:1", Request((), "GET", "/a"))


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Screen(), {"TERM": "xterm"}, True),
        (Screen(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Screen(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Screen(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours(stream: io.StringIO, environ: dict[str, str], coloured: bool) -> None:
    Terminal.on(stream, environ).fact("fine")
    assert ("\x1b[1;32m✓\x1b[0m fine" in stream.getvalue()) == coloured


def test_a_terminal_that_knows_no_unicode() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        Terminal.on(stream, {}).fact("fine")
        assert raw.getvalue() == b"   ? fine\n"
