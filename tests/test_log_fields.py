"""Each field that docs/logs.md names comes up, and no line has any that it does not name."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.machines.support import accounts, create
from tests.rules.support import client_of, gateway_with
from tests.support.gateway import GatewayProcess
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.server import new_member
from tests.support.websocket import open_socket
from tests.support.wire import Client

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "logs.md"
ISSUERS = """
[issuers.forge]
url = "{url}"
audience = ["{audience}"]
[[issuers.forge.rules]]
name = "job"
claims = {{ sub = "job" }}
account = "ci"
"""
RULES = """
[[rule]]
name = "watched"
denied_types = ["text"]
enforce = false

[[rule]]
name = "strict"
scan = true
archives = true
"""
NOBODY = "tcp://127.0.0.1:9"


def documented(marker: str) -> set[str]:
    table = re.search(rf"^<!-- {marker} -->\n((?:\|.*\n)+)", PAGE.read_text(), re.M)
    assert table is not None
    rows = table[1].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


@pytest.fixture(scope="module")
def lines(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[dict[str, Any]]]:
    """Of a gateway that has met everything."""
    folder = tmp_path_factory.mktemp("gateway")
    key = create(folder / "keys.toml", "build", "--account", "ci")
    with Issuer() as issuer:
        (folder / "oidc.toml").write_text(ISSUERS.format(url=issuer.url, audience=AUDIENCE))
        token = new_member(stand_in)["token"]
        with gateway_with(
            RULES,
            stand_in,
            folder,
            auth="mattermost,api-key,oidc",
            api_keys_file=str(folder / "keys.toml"),
            oidc_file=str(folder / "oidc.toml"),
            accounts_dir=str(accounts(folder / "accounts", ci=token)),
            scanner_url=NOBODY,
            scanner_unreachable="allow",
        ) as gateway:
            meet_everything(gateway, stand_in, [key, issuer.token(sub="job")])
            yield gateway.requests()


def meet_everything(
    gateway: GatewayProcess, mattermost: StandInProcess, programs: list[str]
) -> None:
    client = client_of(gateway, mattermost)

    for name, content in (("a.txt", b"hello"), ("a.png", b"%PDF-1.7\n"), ("papers.zip", EMPTY_ZIP)):
        client.raw(name, content)
    for program in programs:
        Client(gateway.address, program, mattermost.channel_id).raw("a.txt", b"hello")
    mattermost.control(endpoint="POST /api/v4/files", times=1, close_after=0)
    client.raw("a.txt", b"hello")
    with open_socket(gateway):
        pass
    gateway.wait_for_log("request", endpoint="websocket")


EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def test_each_field_comes_up_and_is_documented(lines: list[dict[str, Any]]) -> None:
    told = {name for line in lines for name in line}
    only_elsewhere = {"protocol", "referer", "user_agent"}  # tests/test_log_formats.py
    assert told == documented("log fields") - only_elsewhere


def test_each_field_of_a_file_comes_up_and_is_documented(lines: list[dict[str, Any]]) -> None:
    files = [file for line in lines for file in line.get("files", ())]
    assert {name for file in files for name in file} == documented("file fields")


def test_the_first_fields_are_always_there(lines: list[dict[str, Any]]) -> None:
    always = [
        *("time", "level", "event", "request_id", "trace_id", "client", "method", "path"),
        *("endpoint", "status", "outcome", "reason", "duration"),
    ]
    assert all(list(line)[: len(always)] == always for line in lines)


def test_each_other_event_is_documented_and_tested() -> None:
    sources = "".join(file.read_text() for file in (ROOT / "gateway").rglob("*.py"))
    told = set(re.findall(r"log\.(?:info|warning|error)\(\s*\"(\w+)\"", sources))
    told |= {"library", "audit_writable", "audit_unwritable", "unaccounted"}
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text.partition("| event | meaning |")[2], re.M)
    assert {name for row in rows for name in re.findall(r"\w+", row)} >= told
    tests = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    assert {event for event in told if tests.count(f'"{event}"') < 1} == set()
