"""Promise 6, for whom the log is: no credential of any kind, after every method was used."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.machines.support import accounts, create
from tests.support.gateway import GatewayProcess
from tests.support.issuer import AUDIENCE, Issuer
from tests.support.server import new_member
from tests.support.wire import Client, Wire, field, file_part

CONFIGURATION = """
[issuers.forge]
url = "{url}"
audience = ["{audience}"]
bearer_file = "{bearer}"
[[issuers.forge.rules]]
name = "job"
claims = {{ sub = "job" }}
account = "ci"
allow = ["files:read", "posts:create"]
quota = "1GiB/day"
"""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def settings(folder: Path, issuer: Issuer, file_token: str, own_token: str) -> dict[str, str]:
    folder.mkdir()
    (folder / "bearer").write_text("bearer-of-the-gateway")
    text = CONFIGURATION.format(url=issuer.url, audience=AUDIENCE, bearer=folder / "bearer")
    (folder / "oidc.toml").write_text(text)
    return {
        "auth": "mattermost,api-key,oidc",
        "api_keys_file": str(folder / "keys.toml"),
        "oidc_file": str(folder / "oidc.toml"),
        "accounts_dir": str(accounts(folder / "accounts", ci=file_token)),
        "account_token": own_token,
        "log_level": "debug",
        "quotas": "user 1GiB/day",
    }


def use(client: Client) -> list[bytes]:
    """Whatever one can do with a credential, and what one cannot; all that was answered."""
    token = client.token
    answers = [
        client.raw("a.txt", b"hello"),
        client.raw("a.exe", b"hello"),
        client.form(field("channel_id", client.channel_id), file_part("a.txt", b"hello")),
        client.request("GET", "/api/v4/users/me"),
        client.request("POST", "/api/v4/posts", body=b"{}"),
        client.request("GET", f"/api/v4/files/{'a' * 26}"),
        client.request("POST", "/plugins/a/b", ("Content-Type", "text/plain"), body=b"hello"),
    ]
    target = client.target("a.txt")
    for place, header in (
        (target, ("Authorization", f"Token {token}")),
        (target, ("Cookie", f"MMAUTHTOKEN={token}")),
        (f"{target}&access_token={token}", ("X-Nothing", "1")),
        (f"/api/v4/users/me?access_token={token}", ("X-Nothing", "1")),
        (target, ("Authorization", f"Bearer  {token} {token}")),
    ):
        with Wire(client.address) as wire:
            wire.send_head("POST", place, [header, ("Content-Length", "0")])
            answers.append(wire.response())
    # The stand-in tells what it was sent to whoever asks for its page, and nobody else does.
    return [answer.body + repr(answer.headers).encode() for answer in answers]


def test_no_credential_is_shown_anywhere(
    mattermost: StandInProcess, issuer: Issuer, tmp_path: Path
) -> None:
    file_token, own_token = (new_member(mattermost)["token"] for _ in range(2))
    given = settings(tmp_path / "files", issuer, file_token, own_token)
    keys_file = Path(given["api_keys_file"])
    keys = [
        create(keys_file, "plain", "--allow", "posts:create"),
        create(keys_file, "with-quota", "--account", "ci", "--quota", "1GiB/day"),
        create(keys_file, "expired", "--expires", "1ms"),
        create(keys_file, "far", "--addresses", "10.0.0.0/8"),
        create(keys_file, "lost", "--account", "nobody"),
    ]
    unknown = create(tmp_path / "others.toml", "unknown")
    session = new_member(mattermost)["token"]
    right = issuer.token()
    wrong = [issuer.token(sub="another"), issuer.token(exp=1), right[:-6], right[:-86] + "A" * 86]
    presented = [*keys, unknown, unknown[:-1], session, "z" * 26, right, *wrong]
    with GatewayProcess(mattermost.url, tmp_path / "gateway", **given) as gateway:
        answers = [
            use(Client(gateway.address, credential, mattermost.channel_id))
            for credential in presented
        ]
        # What a broken file holds may be a secret that somebody put into the wrong place.
        keys_file.write_text(f'{keys_file.read_text()}\n[keys.wrong]\nhash = "{unknown}"\n')
        Client(gateway.address, keys[0], mattermost.channel_id).raw("a.txt", b"hello")
        gateway.wait_for(
            lambda: (
                bool(Client(gateway.address, keys[0], "c" * 26).raw("a.txt", b""))
                and any(line["event"] == "file_rejected" for line in gateway.log())
            )
        )
        shown = {
            "log": gateway.log_file.read_bytes(),
            "metrics": str(gateway.metrics()).encode(),
            "answers": b"".join(map(b"".join, answers)),
            "ledger": b"".join(
                file.read_bytes() for file in (tmp_path / "gateway").glob("ledger*")
            ),
            "readiness": str(gateway.ready()).encode(),
        }
    assert shown["log"].count(b'"event":"request"') > 100
    for name in (b'"api_key":"plain"', b'"oidc":"forge/job"'):
        assert name in shown["log"]
    assert b"api_key with-quota" in shown["ledger"]
    shown["check-config"] = check_config(mattermost, given)
    secrets = {
        *presented,
        *(credential.removeprefix("mmug_")[:20] for credential in (*keys, unknown)),
        *(part for token in (right, *wrong) for part in token.split(".")[1:]),
        file_token,
        own_token,
        "bearer-of-the-gateway",
    }
    for place, text in shown.items():
        for secret in secrets:
            assert secret.encode() not in text, place


def check_config(mattermost: StandInProcess, given: dict[str, str]) -> bytes:
    """What is printed: of right settings, and of some that are wrong."""
    right = {"GATEWAY_UPSTREAM_URL": mattermost.url}
    right |= {f"GATEWAY_{name.upper()}": value for name, value in given.items()}
    printed = b""
    for environment in (right, right | {"GATEWAY_AUTH": "mattermost"}):
        printed += subprocess.run(
            [sys.executable, "-m", "gateway", "check-config"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        ).stdout
    assert b"GATEWAY_AUTH does not have api-key" in printed
    return printed
