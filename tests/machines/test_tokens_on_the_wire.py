"""Tokens of a real issuer, through a gateway: jobs of a forge, and what goes wrong with issuers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from gateway.standin.process import StandInProcess
from tests.machines.support import accounts, authorizations
from tests.support.gateway import GatewayProcess
from tests.support.issuer import AUDIENCE, KEYS, Issuer
from tests.support.server import new_member
from tests.support.wire import Client, WireResponse

CONFIGURATION = """
[issuers.forge]
url = "{url}"
audience = ["{audience}"]
algorithms = ["ES256", "RS256"]
keys_retry = "1ms"
keys_refresh = "1ms"
keys_keep = "2s"

[[issuers.forge.rules]]
name = "app"
claims = {{ repository = "acme/app", ref = ["main", "release-*"] }}
account = "ci"
channels = ["team/town"]
max_size = "1KiB"

[[issuers.forge.rules]]
name = "docs"
claims = {{ repository = "acme/docs" }}
account = "ci"
addresses = ["10.0.0.0/8"]
"""
APP = {"repository": "acme/app", "ref": "main", "sub": "repo:acme/app:main"}


@dataclass
class Scene:
    mattermost: StandInProcess
    gateway: GatewayProcess
    issuer: Issuer
    account: dict[str, Any]

    def client(self, **claims: object) -> Client:
        """A job whose token says so."""
        return self.holder(self.issuer.token(**claims))

    def holder(self, token: str) -> Client:
        return Client(self.gateway.address, token, self.mattermost.channel_id)

    def line(self, response: WireResponse) -> dict[str, Any]:
        request_id = response.header("x-request-id")
        return self.gateway.wait_for_log("request", request_id=request_id)


@pytest.fixture(scope="module")
def scene(stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("oidc")
    account = new_member(stand_in)
    with Issuer() as issuer:
        text = CONFIGURATION.format(url=issuer.url, audience=AUDIENCE)
        (folder / "oidc.toml").write_text(text)
        with GatewayProcess(
            stand_in.url,
            folder / "gateway",
            auth="mattermost,oidc",
            oidc_file=str(folder / "oidc.toml"),
            accounts_dir=str(accounts(folder / "accounts", ci=account["token"])),
            failed_attempts="0",
        ) as gateway:
            yield Scene(stand_in, gateway, issuer, account)


@pytest.fixture(autouse=True)
def _fresh(mattermost: StandInProcess, scene: Scene) -> None:
    scene.issuer.rotate()
    scene.issuer.down = False
    scene.issuer.documents.clear()


def refused(response: WireResponse) -> tuple[int, str]:
    return response.status, response.json()["id"]


def test_a_job_uploads_as_its_account(scene: Scene, mattermost: StandInProcess) -> None:
    client = scene.client(**APP)
    response = client.raw("report.txt", b"all is well")
    assert response.status == 201
    assert response.json()["file_infos"][0]["user_id"] == scene.account["id"]
    line = scene.line(response)
    assert (line["oidc"], line["subject"]) == ("forge/app", "repo:acme/app:main")
    assert authorizations(mattermost) == {f"Bearer {scene.account['token']}"}


def test_what_its_claims_decide(scene: Scene) -> None:
    assert scene.client(**APP | {"ref": "release-1"}).raw("a.txt", b"hello").status == 201
    for other in ({"ref": "mine"}, {"ref": None}, {"repository": "acme/app2"}):
        response = scene.client(**APP | other).raw("a.txt", b"hello")
        assert refused(response) == (401, "gateway.credential_refused")
        assert "no rule is about its claims" in scene.line(response)["detail"]
    large = scene.client(**APP).raw("a.txt", b"x" * 1025)
    assert refused(large) == (413, "gateway.file_too_large")
    elsewhere = Client(scene.gateway.address, scene.issuer.token(**APP), "c" * 26)
    assert refused(elsewhere.raw("a.txt", b"hello")) == (403, "gateway.credential_limited")
    far = scene.client(**APP | {"repository": "acme/docs"}).raw("a.txt", b"hello")
    assert refused(far) == (401, "gateway.credential_refused")
    assert "not from this address" in scene.line(far)["detail"]
    assert refused(scene.client(**APP).request("GET", "/api/v4/users/me")) == (
        403,
        "gateway.credential_limited",
    )


def test_tokens_of_nobody_are_mattermosts(scene: Scene, mattermost: StandInProcess) -> None:
    """As a plugin's own may be; and a token that is forged never gets that second try."""
    foreign = scene.issuer.token(**APP, iss="https://another.example")
    response = scene.holder(foreign).raw("a.txt", b"hello")
    assert refused(response) == (401, "api.context.session_expired.app_error")
    assert scene.holder(foreign).request("GET", "/plugins/com.example/hook").status == 200
    mattermost.reset()
    head, payload, _ = scene.issuer.token(**APP).split(".")
    response = scene.holder(f"{head}.{payload}.AAAA").raw("a.txt", b"hello")
    assert refused(response) == (401, "gateway.credential_refused")
    for_plugin = scene.holder(scene.issuer.token(**APP)).request("GET", "/plugins/a/hook")
    assert refused(for_plugin) == (403, "gateway.credential_limited")
    # The account may have been asked about, with its own token.
    assert not any("plugins" in request for request in mattermost.state()["requests"])
    assert authorizations(mattermost) <= {f"Bearer {scene.account['token']}"}


def test_keys_that_change(scene: Scene) -> None:
    before = scene.client(**APP)
    assert before.raw("a.txt", b"hello").status == 201
    scene.issuer.rotate(RSAKey.generate_key(2048, auto_kid=True))
    assert scene.client(**APP).raw("a.txt", b"hello").status == 201
    assert before.raw("a.txt", b"hello").status == 401


def test_an_outage(scene: Scene) -> None:
    """What was known holds for a while; then nobody can be believed, and it is told who is down."""
    client = scene.client(**APP)
    assert client.raw("a.txt", b"hello").status == 201
    scene.issuer.down = True
    assert client.raw("a.txt", b"hello").status == 201
    scene.gateway.wait_for(lambda: client.raw("a.txt", b"hello").status == 503)
    response = client.raw("a.txt", b"hello")
    assert refused(response) == (503, "gateway.issuer_unavailable")
    assert response.header("retry-after")
    assert "503" in scene.line(response)["detail"]
    scene.issuer.down = False
    assert client.raw("a.txt", b"hello").status == 201


def test_an_issuer_that_talks_nonsense(scene: Scene) -> None:
    client = scene.client(**APP)
    scene.issuer.documents[KEYS] = {"keys": "none"}
    assert refused(client.raw("a.txt", b"hello"))[0] in (401, 503)
    scene.issuer.documents.clear()
    assert client.raw("a.txt", b"hello").status == 201


def test_a_token_that_is_too_long(scene: Scene) -> None:
    response = scene.client(**APP, filling="x" * 9000).raw("a.txt", b"hello")
    assert refused(response) == (401, "gateway.credential_refused")
    assert "longer than" in scene.line(response)["detail"]
