"""Who may see the status page: a table of requests."""

import pytest

from gateway.edge.status.access import SESSION_SECONDS, Access, Denied

TOKEN = "correct horse battery staple"
OPEN = {"host": "localhost:8067"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now


def denied(access: Access, cookie: str = "", /, **headers: str) -> tuple[int, str] | None:
    """Status and sentence; headers have ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = access.check(named, cookie, "203.0.113.9")
    return None if found is None else (found.status, found.sentence)


def signed_in(access: Access) -> str:
    cookie = access.sign_in({}, TOKEN, "203.0.113.9")
    assert isinstance(cookie, str)
    return cookie


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8067", "127.0.0.1:8067", "127.9.9.9", "[::1]:8067", "LOCALHOST:1"],
)
def test_on_loopback_it_is_open_to_loopback_names(host: str) -> None:
    assert denied(Access(None, loopback=True), host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8067", "localhost.evil.example", "127.0.0.1.evil.example", "",
        "192.0.2.1:8067", "0.0.0.0:8067", "[::1", "localhost@evil.example", "127.1",
    ],
)  # fmt: skip
def test_a_name_that_leads_here_is_refused(host: str) -> None:
    """Which is what DNS rebinding needs."""
    status, sentence = denied(Access(None, loopback=True), host=host) or (0, "")
    assert status == 403
    assert "GATEWAY_ADMIN_TOKEN" in sentence


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip"])
def test_what_comes_through_a_proxy_needs_a_token(header: str) -> None:
    assert (denied(Access(None, loopback=True), **OPEN, **{header: "203.0.113.9"}) or (0,))[
        0
    ] == 403


def test_beyond_loopback_it_is_closed_without_a_token() -> None:
    access = Access(None, loopback=False)
    status, sentence = denied(access, **OPEN) or (0, "")
    assert status == 403
    assert "Set GATEWAY_ADMIN_TOKEN" in sentence
    assert isinstance(access.sign_in(OPEN, "", "203.0.113.9"), Denied)


@pytest.mark.parametrize("loopback", [True, False])
def test_a_token_is_asked_for_wherever_there_is_one(loopback: bool) -> None:
    access = Access(TOKEN, loopback=loopback)
    assert (denied(access, **OPEN) or (0,))[0] == 401
    assert denied(access, host="any.example", authorization=f"Bearer {TOKEN}") is None
    assert denied(access, host="any.example", authorization=f"bearer  {TOKEN}") is None
    assert (denied(access, **OPEN, authorization="Bearer wrong") or (0,))[0] == 401
    assert (denied(access, **OPEN, authorization=f"Basic {TOKEN}") or (0,))[0] == 401
    assert denied(access, signed_in(access), host="any.example") is None


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"sec_fetch_site": "same-origin", "origin": "http://localhost:8067"}, True),
        ({"sec_fetch_site": "none"}, True),
        # A person follows a link, as from a wiki.
        (
            {
                "sec_fetch_site": "cross-site",
                "sec_fetch_mode": "navigate",
                "sec_fetch_dest": "document",
            },
            True,
        ),
        # A form of another site, a frame, an image, a script, another port of this machine.
        (
            {
                "sec_fetch_site": "cross-site",
                "sec_fetch_mode": "navigate",
                "sec_fetch_dest": "document",
                "origin": "https://evil.example",
            },
            False,
        ),
        (
            {
                "sec_fetch_site": "cross-site",
                "sec_fetch_mode": "navigate",
                "sec_fetch_dest": "iframe",
            },
            False,
        ),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"}, False),
        ({"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"}, False),
        # Browsers that say nothing but Origin, and programs that say nothing.
        ({"origin": "http://localhost:8067"}, True),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "null"}, False),
        ({}, True),
    ],
)
def test_other_sites_get_nothing(headers: dict[str, str], passes: bool) -> None:
    for access, more in (
        (Access(None, loopback=True), {}),
        (Access(TOKEN, loopback=False), {"authorization": f"Bearer {TOKEN}"}),
    ):
        found = denied(access, **OPEN, **more, **headers)
        assert (found is None) == passes, found


def test_a_session_ends() -> None:
    clock = Clock()
    access = Access(TOKEN, loopback=False, clock=clock)
    cookie = signed_in(access)
    clock.now += SESSION_SECONDS - 2
    assert denied(access, cookie) is None
    clock.now += 3
    assert (denied(access, cookie) or (0,))[0] == 401


def test_a_session_holds_in_all_gateways_and_ends_with_the_token() -> None:
    cookie = signed_in(Access(TOKEN, loopback=False))
    assert denied(Access(TOKEN, loopback=False), cookie) is None
    assert (denied(Access("another token of ours", loopback=False), cookie) or (0,))[0] == 401
    assert TOKEN not in cookie


@pytest.mark.parametrize("cookie", ["", ".", "..", "9999999999", "9999999999.x.00", "é.é.é"])
def test_a_session_cannot_be_made_up(cookie: str) -> None:
    access = Access(TOKEN, loopback=False)
    assert (denied(access, cookie) or (0,))[0] == 401
    ends, nonce, signature = signed_in(access).split(".")
    assert (denied(access, f"{int(ends) + 1}.{nonce}.{signature}") or (0,))[0] == 401


def test_attempts_are_limited() -> None:
    access = Access(TOKEN, loopback=False)
    found = [access.sign_in({}, f"guess {number}", "203.0.113.9") for number in range(12)]
    statuses = [item.status for item in found if isinstance(item, Denied)]
    assert statuses == [401] * 10 + [429] * 2
    late = access.sign_in({}, TOKEN, "203.0.113.9")
    assert isinstance(late, Denied)
    assert late.retry_after
    assert isinstance(access.sign_in({}, TOKEN, "198.51.100.7"), str)


def test_bearer_tokens_count_as_attempts() -> None:
    access = Access(TOKEN, loopback=False)
    statuses = [(denied(access, authorization="Bearer x") or (0,))[0] for _ in range(11)]
    assert statuses == [401] * 10 + [429]
