"""Access logs in the formats that other programs read, of a gateway that runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.log_formats import ECS_NAMES, FORMATS
from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client, Wire

PAGE = Path(__file__).parent.parent / "docs" / "logs.md"
COMBINED = re.compile(
    r"(?P<client>\S+) - (?P<user>\S+) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "
    r'"(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+|-) "(?P<referer>[^"]*)" '
    r'"(?P<agent>[^"]*)"'
)
"""As goaccess' COMBINED and awstats' LogFormat 1 have it."""
LOGFMT = re.compile(r'([\w.]+)=("(?:[^"\\]|\\.)*"|[^\s"=]*)(?: |$)')
SECRET = "u1rafcxfqtdsbpyhtdjqjzexkc"


def parsed_combined(line: str) -> dict[str, Any]:
    if match := COMBINED.fullmatch(line):
        return {"event": "request", **match.groupdict()}
    _, _, event, rest = [*line.split(maxsplit=3), ""][:4]
    return {"event": event, **parsed_pairs(rest)}


def parsed_pairs(text: str) -> dict[str, Any]:
    pairs = list(LOGFMT.finditer(text))
    assert "".join(pair[0] for pair in pairs) == text
    return {pair[1]: json.loads(pair[2]) if pair[2][:1] == '"' else pair[2] for pair in pairs}


def parsed_ecs(line: str) -> dict[str, Any]:
    fields = json.loads(line)
    prefix = "upload_gateway."
    return {"event": fields["event.action"]} | {
        name.removeprefix(prefix): value for name, value in fields.items()
    }


class Written(GatewayProcess):
    """One whose log is in another format than JSON."""

    def __init__(self, format_: str, upstream_url: str, folder: Path) -> None:
        super().__init__(upstream_url, folder, log_format=format_)
        self._parse = {
            "combined": parsed_combined,
            "logfmt": parsed_pairs,
            "ecs": parsed_ecs,
        }[format_]

    def log(self) -> list[dict[str, Any]]:
        lines = self.log_file.read_bytes().split(b"\n")[:-1]
        return [self._parse(line.decode()) for line in lines]


HOSTILE = (
    ("User-Agent", 'evil" 200 1 "-" "x\\ \t \xff time=x level=info'),
    ("Referer", f"https://user:pass@chat.example/a b?access_token={SECRET}#x"),
    ("Authorization", f"Bearer {SECRET}"),
)


def ask(gateway: GatewayProcess) -> None:
    """An upload that is refused, by somebody who would like to write lines of the log."""
    target = f"/api/v4/files?access_token={SECRET}&filename=a"
    with Wire(gateway.address) as wire:
        wire.send_head("POST", target, [*HOSTILE, ("Content-Length", "0")])
        assert wire.response().status == 401
    with Wire(gateway.address) as wire:
        wire.send(b'GET /"quoted"%0d%0aforged HTTP/1.1\r\nHost: x\r\n\r\n')
        wire.response()
    with Wire(gateway.address) as wire:
        wire.send(b"\r\nnonsense\r\n\r\n")
        assert wire.response().status == 400


@pytest.mark.parametrize("format_", ["combined", "logfmt", "ecs"])
def test_what_a_client_sends_stays_in_its_place(
    format_: str, mattermost: StandInProcess, tmp_path: Path
) -> None:
    with Written(format_, mattermost.url, tmp_path) as gateway:
        ask(gateway)
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        assert client.raw("a%22%20b=c.txt", b"hello").status == 201
        gateway.wait_for(lambda: len(gateway.requests()) == 4)
        requests = gateway.requests()
    text = gateway.log_file.read_text()
    assert SECRET not in text
    assert "user:pass" not in text
    assert text.count("\n") == len(gateway.log())
    CHECKS[format_](requests, str(mattermost.ready["user"]["id"]))


def check_combined(requests: list[dict[str, Any]], user_id: str) -> None:
    refused, odd, malformed, stored = requests
    assert (refused["request"], refused["status"]) == ("POST /api/v4/files HTTP/1.1", "401")
    assert refused["referer"] == "https://chat.example/a b"
    assert refused["agent"] == (r"evil\x22 200 1 \x22-\x22 \x22x\x5C \x09 \xFF time=x level=info")
    assert odd["request"] == r"GET /\x22quoted\x22%0d%0aforged HTTP/1.1"
    assert (malformed["request"], malformed["status"]) == ("-", "400")
    assert (stored["user"], stored["referer"], stored["agent"]) == (user_id, "-", "-")
    assert int(stored["bytes"]) > 100


def check_logfmt(requests: list[dict[str, Any]], user_id: str) -> None:
    refused, odd, _, stored = requests
    assert (refused["path"], refused["status"], refused["level"]) == (
        "/api/v4/files",
        "401",
        "info",
    )
    assert "user_agent" not in refused
    assert odd["path"] == '/"quoted"%0d%0aforged'
    assert (stored["user_id"], stored["files.0.size"]) == (user_id, "5")
    assert "b=c.txt" in stored["files.0.name"]
    assert float(stored["stages.forward"]) > 0


def check_ecs(requests: list[dict[str, Any]], user_id: str) -> None:
    refused, odd, _, stored = requests
    assert refused["message"] == "POST /api/v4/files 401"
    assert (refused["event.outcome"], refused["reason"]) == ("failure", "unauthenticated")
    assert refused["user_agent.original"].startswith('evil" 200 1')
    assert refused["http.request.referrer"] == "https://chat.example/a b"
    assert odd["url.path"] == '/"quoted"%0d%0aforged'
    assert (stored["event.outcome"], stored["user.id"]) == ("success", user_id)
    assert stored["event.duration"] > 1000
    assert (stored["client.ip"], stored["client.address"]) == ("127.0.0.1", "127.0.0.1")
    assert stored["http.version"] == "1.1"
    assert stored["files"][0]["size"] == 5
    assert re.fullmatch("[0-9a-f]{32}", stored["trace.id"])


CHECKS = {"combined": check_combined, "logfmt": check_logfmt, "ecs": check_ecs}


def test_the_page_has_each_format_and_the_names_in_ecs() -> None:
    text = PAGE.read_text()
    listed = re.findall(r"^- `(\w+)`", text.partition("## Formats")[2], re.M)
    assert sorted(listed) == sorted(FORMATS)
    table = text.partition("<!-- ecs fields -->\n")[2]
    assert dict(re.findall(r"^\| `(\w+)` \| `([\w.]+)` \|$", table, re.M)) == ECS_NAMES


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"client": "::1", "method": "GET", "path": "/", "status": 200},
            '::1 - - [05/Feb/2026:08:18:43 +0000] "GET / -" 200 - "-" "-"',
        ),
        (
            {"client": "unknown", "method": "", "path": "", "status": 400, "bytes_sent": 7},
            'unknown - - [05/Feb/2026:08:18:43 +0000] "-" 400 7 "-" "-"',
        ),
        (
            {"client": "::1", "method": "GET", "path": "/\u2028\n", "status": 200},
            r'::1 - - [05/Feb/2026:08:18:43 +0000] "GET /\x5Cu2028\x0A -" 200 - "-" "-"',
        ),
    ],
)
def test_combined_lines(fields: dict[str, object], line: str) -> None:
    render = FORMATS["combined"].render
    assert render("2026-02-05T08:18:43.446Z", "info", "request", fields).decode() == line
