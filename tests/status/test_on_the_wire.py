"""The status page of running gateways: what it says, to whom, and with which headers."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.standin.process import StandInProcess
from tests.rules.support import client_of, gateway_with
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.valkey import ValkeyServer
from tests.support.wire import Client, Wire

from .support import TOKEN, ask, bearer, eventually, slow_upload, told

MIB = 2**20
RULES = """
[[rule]]
name = "no-text-here"
when.user = ["nobody"]
denied_types = ["text"]

[[rule]]
name = "watched"
enforce = false
denied_types = ["executables", "text"]
"""
HOSTILE = '<img src=x onerror=alert(1)>"><svg onload=alert(2)><script>.exe'


@pytest.fixture(scope="module", params=["1", "2"])
def gateway(
    request: pytest.FixtureRequest,
    stand_in: StandInProcess,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[GatewayProcess]:
    """With one process, and with two workers."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway_with(
        RULES, stand_in, folder, workers=request.param, quotas="user 20MiB/day, user 9 at once"
    ) as running:
        yield running


@pytest.fixture
def member(gateway: GatewayProcess, stand_in: StandInProcess) -> tuple[Client, str, str]:
    """Somebody new, with id and name."""
    user = new_member(stand_in)
    return (
        Client(gateway.address, user["token"], stand_in.channel_id),
        user["id"],
        user["username"],
    )


def test_a_running_upload_advances(
    gateway: GatewayProcess, member: tuple[Client, str, str]
) -> None:
    client, user_id, username = member
    name = "recording.pdf"
    with slow_upload(client, name, 8 * MIB) as upload:
        upload.send(MIB)

        def received(document: dict[str, object]) -> int:
            uploads = document["uploads"]
            assert isinstance(uploads, list)
            return max([u["received"] for u in uploads if u["user_id"] == user_id], default=0)

        found = eventually(gateway, "uploads", lambda document: received(document) == MIB)
        (shown,) = [u for u in found["uploads"] if u["user_id"] == user_id]
        assert (shown["name"], shown["size"], shown["endpoint"]) == (name, 8 * MIB, "files")
        assert (shown["username"], shown["channel_id"]) == (username, client.channel_id)
        assert shown["client"] == "127.0.0.1"
        # The rest is pumped from socket to socket, and counted all the same.
        upload.send(4 * MIB)
        eventually(gateway, "uploads", lambda document: received(document) == 5 * MIB)
        assert upload.finish().status == 201
    eventually(gateway, "uploads", lambda document: received(document) == 0)


def test_refusals_tell_who_what_and_why(
    gateway: GatewayProcess, member: tuple[Client, str, str]
) -> None:
    client, user_id, username = member
    refused = client.raw(quote(HOSTILE), b"MZ")
    stranger = Client(client.address, "x" * 26, client.channel_id)
    unknown = stranger.raw("a.txt", b"a")
    ids = [answer.header("x-request-id") for answer in (refused, unknown)]

    def known(document: dict[str, object]) -> bool:
        refusals = document["refusals"]
        assert isinstance(refusals, list)
        names = {refusal["request_id"]: refusal["username"] for refusal in refusals}
        return set(ids) <= set(names) and names[ids[0]] is not None

    found = {r["request_id"]: r for r in eventually(gateway, "refusals", known)["refusals"]}
    one, other = (found[str(id_)] for id_ in ids)
    assert (one["name"], one["user_id"], one["username"]) == (HOSTILE, user_id, username)
    assert (one["reason"], one["rule"], one["status"]) == ("extension_denied", "settings", 403)
    assert (other["name"], other["user_id"], other["reason"]) == (None, None, "unauthenticated")
    for query, wanted in (
        (f"q={user_id}", {ids[0]}),
        (f"q={username.upper()}&reason=extension_denied", {ids[0]}),
        ("q=onerror%3Dalert&rule=settings", {ids[0]}),
        ("q=onerror%3Dalert&rule=other", set()),
        (f"q={ids[1]}", {ids[1]}),
        ("reason=nothing", set()),
    ):
        shown = ask(gateway, f"/api/v1/refusals?{query}").json()["refusals"]
        assert {refusal["request_id"] for refusal in shown} & set(ids) == wanted, query


def test_the_last_hour_counts(gateway: GatewayProcess, member: tuple[Client, str, str]) -> None:
    client, _, _ = member
    before = told(gateway, "status")["last_hour"]
    for number in range(5):
        assert client.raw(f"{number}.txt", b"x" * 1000).status == 201
    assert client.raw("a.exe", b"MZ").status == 403

    def grown(document: dict[str, object]) -> bool:
        hour = document["last_hour"]
        assert isinstance(hour, dict)
        denied = [hour["refused"].get("extension_denied", 0) for hour in (hour, before)]
        return bool(hour["accepted"] >= before["accepted"] + 5 and denied[0] > denied[1])

    found = eventually(gateway, "status", grown)
    assert found["last_hour"]["stored_bytes"] >= before["stored_bytes"] + 5000
    assert 0 < found["last_hour"]["seconds"]["p50"] <= found["last_hour"]["seconds"]["p95"]
    assert sum(minute["accepted"] for minute in found["minutes"]) == found["last_hour"]["accepted"]
    (state,) = found["gateways"]
    assert state["problems"] == {}
    assert found["complete"]


def test_quotas_with_bars(gateway: GatewayProcess, member: tuple[Client, str, str]) -> None:
    client, user_id, username = member
    assert client.raw("large.txt", b"x" * 19 * MIB).status == 201

    def used(document: dict[str, object]) -> bool:
        quotas = document["quotas"]
        assert isinstance(quotas, list)
        known = [(q["account"], q["username"], q["used"]) for q in quotas]
        return (f"user:{user_id}", username, 19 * MIB) in known

    quotas = eventually(gateway, "quotas", used)["quotas"]
    (bar,) = [
        bar
        for bar in quotas
        if bar["account"] == f"user:{user_id}" and bar["quota"] == "user-bytes-day"
    ]
    assert (bar["limit"], bar["share"]) == (20 * MIB, 0.95)
    assert bar["resets"] % 86_400 == 0


def test_policy_and_health(gateway: GatewayProcess) -> None:
    policy = told(gateway, "policy")
    assert [(rule["name"], rule["when"], rule["watched"]) for rule in policy["rules"]] == [
        ("no-text-here", "if user is nobody", False),
        ("watched", "always", True),
    ]
    assert policy["rules"][0]["effects"] == ["denied_types = text"]
    assert policy["settings"]["GATEWAY_QUOTAS"] == "user 20MiB/day, user 9 at once"
    health = told(gateway, "health")
    states = {part["name"]: part["state"] for part in health["parts"]}
    assert states == {
        "gateway": "ok", "mattermost": "ok", "ledger": "ok", "scanner": "off", "audit": "off",
        "policy": "ok",
    }  # fmt: skip
    assert health["state"] == "ok"


def test_the_page_says_the_same_and_hostile_names_are_text(
    gateway: GatewayProcess, member: tuple[Client, str, str]
) -> None:
    client, _, username = member
    id_ = client.raw(quote(HOSTILE), b"MZ").header("x-request-id")
    eventually(gateway, "refusals", lambda d: id_ in {r["request_id"] for r in d["refusals"]})
    page = ask(gateway, "/").body.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;&gt;&lt;svg onload" in page
    assert "<img src=x" not in page
    assert f"@{username}" in page
    assert "no-text-here" in page
    hostile = quote('"><script>alert(3)</script>')
    page = ask(gateway, f"/?q={hostile}&reason={hostile}&rule={hostile}").body.decode()
    assert "<script>alert" not in page


def test_it_comes_with_headers_that_let_nothing_in(gateway: GatewayProcess) -> None:
    for path in ("/", "/api/v1/status", "/assets/status.js", "/assets/status.css"):
        answer = ask(gateway, path)
        policy = answer.header("content-security-policy") or ""
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';"), path
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.header("cache-control") == "no-store"
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("x-frame-options") == "DENY"
        assert answer.header("referrer-policy") == "same-origin"
    page = ask(gateway, "/").body.decode()
    assert "http://" not in page.replace(gateway_addresses(page), "")
    assert "style=" not in page
    assert "onclick" not in page


def gateway_addresses(page: str) -> str:
    """Mattermost's own, which Health names."""
    return next(word for word in page.split('"note">') if word.startswith("http://")).split("<")[0]


def test_events_bring_what_has_changed(
    gateway: GatewayProcess, member: tuple[Client, str, str]
) -> None:
    client, _, _ = member
    host, _, port = gateway.admin_url.removeprefix("http://").partition(":")
    with Wire((host, int(port))) as wire:
        wire.send(f"GET /events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = wire.head()
        assert head.header("content-type") == "text/event-stream; charset=utf-8"
        assert head.header("cache-control") == "no-store"
        first = next_event(wire)
        assert set(first) >= {
            "summary",
            "running",
            "hour",
            "refusals",
            "quotas",
            "health",
            "policy",
        }
        id_ = client.raw("event.exe", b"MZ").header("x-request-id")
        while True:
            event = next_event(wire)
            assert "policy" not in event  # which is as it was
            if f"refusal-{id_}" in event.get("refusals", ""):
                break


def next_event(wire: Wire) -> dict[str, str]:
    wire.wait_until_received(b"\ndata: ")
    line = b""
    while not line.endswith(b"\n"):
        line += wire.read(1)
    document: dict[str, str] = json.loads(line)
    return document


def test_without_a_token_only_loopback_names_are_answered(gateway: GatewayProcess) -> None:
    for path in ("/", "/events", "/api/v1/uploads", "/sign-in"):
        assert ask(gateway, path, host="evil.example").status == 403
        assert ask(gateway, path, ("X-Forwarded-For", "203.0.113.9")).status == 403
        site = ("Sec-Fetch-Site", "cross-site")
        assert ask(gateway, path, site, ("Sec-Fetch-Mode", "no-cors")).status == 403
    # Prometheus and probes ask by whatever name.
    for path in ("/metrics", "/healthz", "/readyz"):
        assert ask(gateway, path, host="gateway.monitoring.svc:8067").status == 200


def test_all_documents_are_documented(gateway: GatewayProcess) -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "status-page.md"
    documented = re.findall(r"^\| `/(api/v1/\w+)` \|", page.read_text(), re.M)
    linked = re.findall(r'href="(api/v1/\w+)"', ask(gateway, "/").body.decode())
    assert documented == linked
    for path in linked:
        assert ask(gateway, f"/{path}").status == 200


def test_nothing_is_changed_by_get(gateway: GatewayProcess) -> None:
    assert ask(gateway, "/sign-out").status == 405
    assert ask(gateway, "/", method="POST", form={}).status == 405


# With a token, and beyond loopback.


@pytest.fixture(scope="module")
def protected(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("protected")
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    with GatewayProcess(
        stand_in.url, folder, admin_listen="0.0.0.0:0", admin_token_file=str(token)
    ) as running:
        yield running


def test_programs_show_the_token(protected: GatewayProcess) -> None:
    answer = ask(protected, "/api/v1/status")
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert "admin token" in answer.json()["error"]
    assert ask(protected, "/api/v1/status", bearer("wrong")).status == 401
    assert told(protected, "status", bearer())["state"] == "ok"
    assert ask(protected, "/events").status == 401


def test_people_sign_in(protected: GatewayProcess) -> None:
    answer = ask(protected, "/")
    assert (answer.status, answer.header("location")) == (303, "sign-in")
    form = ask(protected, "/sign-in")
    assert b'type="password"' in form.body
    wrong = ask(protected, "/sign-in", method="POST", form={"token": "wrong"})
    assert (wrong.status, wrong.header("set-cookie")) == (401, None)
    assert b"This is not the admin token." in wrong.body
    answer = ask(protected, "/sign-in", method="POST", form={"token": TOKEN})
    assert (answer.status, answer.header("location")) == (303, ".")
    cookie, *attributes = (answer.header("set-cookie") or "").split("; ")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(attributes)
    assert TOKEN not in cookie
    session = ("Cookie", cookie)
    assert ask(protected, "/", session).status == 200
    assert ask(protected, "/api/v1/uploads", session).status == 200
    assert ask(protected, "/sign-in", session).status == 303
    assert ask(protected, "/", ("Cookie", f"{cookie}x")).status == 303
    answer = ask(protected, "/sign-out", session, method="POST", form={})
    assert "Max-Age=0" in (answer.header("set-cookie") or "")


def test_another_site_cannot_sign_somebody_in(protected: GatewayProcess) -> None:
    for header in (("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")):
        answer = ask(protected, "/sign-in", header, method="POST", form={"token": TOKEN})
        assert (answer.status, answer.header("set-cookie")) == (403, None)
    # The session of somebody who is signed in is of no use to it either.
    signed = ask(protected, "/sign-in", method="POST", form={"token": TOKEN})
    session = ("Cookie", (signed.header("set-cookie") or "").partition(";")[0])
    assert (
        ask(protected, "/api/v1/uploads", session, ("Origin", "https://evil.example")).status == 403
    )


def test_behind_tls_the_cookie_is_for_tls_only(protected: GatewayProcess) -> None:
    https = ("X-Forwarded-Proto", "https")
    answer = ask(protected, "/sign-in", https, method="POST", form={"token": TOKEN})
    assert "Secure" in (answer.header("set-cookie") or "")


def test_what_is_too_much_for_a_token_is_not_read(protected: GatewayProcess) -> None:
    answer = ask(protected, "/sign-in", method="POST", form={"token": "x" * 10_000})
    assert answer.status == 413


def test_guesses_are_limited(stand_in: StandInProcess, folder: Path) -> None:
    with GatewayProcess(stand_in.url, folder, admin_token=TOKEN) as gateway:
        statuses = [ask(gateway, "/api/v1/health", bearer(f"guess{n}")).status for n in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        late = ask(gateway, "/sign-in", method="POST", form={"token": TOKEN})
        assert late.status == 429
        assert int(late.header("retry-after") or 0) > 0
        assert TOKEN not in gateway.log_file.read_text()


def test_beyond_loopback_without_a_token_it_is_closed(
    stand_in: StandInProcess, folder: Path
) -> None:
    with GatewayProcess(stand_in.url, folder, admin_listen="0.0.0.0:0") as gateway:
        for path in ("/", "/sign-in", "/events", "/api/v1/status"):
            answer = ask(gateway, path, host="localhost")
            assert answer.status == 403
            assert b"GATEWAY_ADMIN_TOKEN" in answer.body
        assert ask(gateway, "/metrics").status == 200
        assert gateway.ready()[0] == 200


# Several gateways.


@pytest.fixture(params=["sqlite", "redis"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    else:
        with ValkeyServer(tmp_path) as valkey:
            yield valkey.url


def test_any_gateway_shows_what_happens_in_all(
    mattermost: StandInProcess, tmp_path: Path, ledger_url: str
) -> None:
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(
                GatewayProcess(
                    mattermost.url, tmp_path / name, ledger_url=ledger_url, workers=workers
                )
            )
            for name, workers in (("one", "2"), ("other", "1"))
        )
        eventually(one, "status", lambda document: len(document["gateways"]) == 2)
        client = client_of(other, mattermost)
        assert client.raw("a.txt", b"a").status == 201
        id_ = client.raw("a.exe", b"MZ").header("x-request-id")
        with slow_upload(client, "slow.pdf", MIB) as upload:
            upload.send(1000)
            found = eventually(one, "uploads", lambda document: document["running"] == 1)
            assert found["uploads"][0]["name"] == "slow.pdf"
            assert upload.finish().status == 201
        eventually(one, "uploads", lambda document: document["running"] == 0)
        eventually(one, "status", lambda document: document["last_hour"]["accepted"] == 2)
        # What happened is remembered when a gateway is gone; that it was there is not.
        other.terminate()
        (refusal,) = told(one, "refusals")["refusals"]
        assert refusal["request_id"] == id_
        other.start()
        found = eventually(other, "status", lambda document: len(document["gateways"]) > 1)
        assert found["last_hour"]["accepted"] == 2


def test_a_gateway_shows_itself_while_its_ledger_is_down(
    mattermost: StandInProcess, tmp_path: Path
) -> None:
    with (
        ValkeyServer(tmp_path / "valkey") as valkey,
        GatewayProcess(
            mattermost.url,
            tmp_path / "gateway",
            ledger_url=valkey.url,
            ledger_timeout="1s",
            quotas="user 1GiB/day",
            workers="2",
        ) as gateway,
    ):
        client = client_of(gateway, mattermost)
        assert client.raw("a.txt", b"a").status == 201
        valkey.kill()
        assert client.raw("b.txt", b"b").status == 503

        def complete(document: dict[str, object]) -> bool:
            hour = document["last_hour"]
            assert isinstance(hour, dict)
            return not document["complete"] and bool(hour["failed"])

        found = eventually(gateway, "status", complete)
        assert found["state"] == "failing"
        assert found["last_hour"]["failed"] == {"ledger_unavailable": 1}
        page = ask(gateway, "/").body.decode()
        assert "Only this gateway’s own uploads are shown." in page
        (refusal,) = eventually(gateway, "refusals", lambda d: bool(d["refusals"]))["refusals"]
        assert (refusal["name"], refusal["outcome"]) == ("b.txt", "failed")
