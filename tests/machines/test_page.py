"""docs/authentication.md: somebody who types its commands gets where it leads."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.machines.issuers import parse_issuers
from gateway.standin.process import StandInProcess
from tests.machines.support import accounts
from tests.support.gateway import GatewayProcess
from tests.support.issuer import Issuer
from tests.support.server import new_member
from tests.support.wire import Client, free_ports
from tests.test_readme import NEXT, ROOT, SCRIPTS, SECONDS, SERVE, Block, blocks

PAGE = ROOT / "docs" / "authentication.md"
FILES = [block.text for block in blocks(PAGE) if block.marker == "oidc.toml"]


@dataclass(frozen=True)
class Session:
    """What somebody sees who types all commands of the page."""

    folder: Path
    outputs: list[tuple[Block, str]]


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def session(
    stand_in: StandInProcess, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Session:
    folder = tmp_path_factory.mktemp("page")
    mine = [block for block in blocks(PAGE) if block.marker.startswith(("run", "serve"))]
    script = "set -euo pipefail\n" + f"echo '{NEXT}'\n".join(
        SERVE.format(command=block.text.strip()) if block.marker == "serve" else block.text
        for block in mine
    )
    listen, admin_listen = free_ports(2)
    for fixed, here in (("8065", stand_in.port), ("8066", listen), ("8067", admin_listen)):
        script = script.replace(f"127.0.0.1:{fixed}", f"127.0.0.1:{here}")
    (folder / "oidc.toml").write_text(fitted(FILES[0], issuer))
    result = subprocess.run(
        ["bash", "-c", script.replace("acme/builds", "team/town")],
        cwd=folder,
        env={
            **{
                name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")
            },
            "PATH": f"{SCRIPTS}:{os.environ['PATH']}",
            "STATE_DIRECTORY": str(folder / "state"),
            "GATEWAY_LISTEN": f"127.0.0.1:{listen}",
            "GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{admin_listen}",
            "TOKEN": new_member(stand_in)["token"],
            "CHANNEL": stand_in.channel_id,
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}\n{result.stderr}"
    return Session(folder, list(zip(mine, result.stdout.split(f"{NEXT}\n"), strict=True)))


def fitted(text: str, issuer: Issuer) -> str:
    """The page's file, for the places of this test."""
    shown = {
        "https://gitlab.example.com": issuer.url,
        "https://chat.example.com": "https://chat.example",
        "acme/builds": "team/town",
    }
    for there, here in shown.items():
        assert there in text
        text = text.replace(there, here)
    return text


def test_the_commands_give_what_is_told(session: Session) -> None:
    for block, output in session.outputs:
        _, _, expected = block.marker.partition(": ")
        assert expected in output, block.text


def test_the_log_names_the_key(session: Session) -> None:
    assert '"api_key":"ci-reports"' in (session.folder / "gateway.log").read_text()


def test_a_job_with_the_forges_token(
    stand_in: StandInProcess, issuer: Issuer, folder: Path
) -> None:
    account = new_member(stand_in)
    folder.mkdir()
    (folder / "oidc.toml").write_text(fitted(FILES[0], issuer))
    with GatewayProcess(
        stand_in.url,
        folder,
        auth="mattermost,oidc",
        oidc_file=str(folder / "oidc.toml"),
        accounts_dir=str(accounts(folder / "accounts", ci=account["token"])),
    ) as gateway:
        job = {"project_path": "acme/app", "ref_protected": "true", "ref": "release-2"}
        client = Client(gateway.address, issuer.token(**job), stand_in.channel_id)
        response = client.raw("report.txt", b"All is well.")
        assert response.status == 201
        line = gateway.wait_for_log("request")
        assert (line["oidc"], line["subject"], line["user_id"]) == (
            "gitlab/app",
            "job",
            account["id"],
        )
        other = Client(gateway.address, issuer.token(**job | {"ref": "mine"}), client.channel_id)
        assert other.raw("report.txt", b"All is well.").status == 401


def test_the_other_issuers_can_be_read(tmp_path: Path) -> None:
    import trustme

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    inside = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert set(parse_issuers(FILES[1].replace(inside, str(tmp_path)).encode())) == {
        "https://token.actions.githubusercontent.com",
        "https://kubernetes.default.svc",
    }
