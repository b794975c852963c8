"""Promise 7 at addresses without a row: what carries no file is not even touched."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.promises.plugin import ANSWER, BOUNDARY, UPLOAD, Headers, Plugin, plugin_behind
from tests.promises.support import send_chunks, text
from tests.promises.test_5_memory_bounded import BOUND, MIB, growth
from tests.support.origin import Received, Visit
from tests.support.wire import Wire, WireResponse

HANDLINGS = ["inspect", "deny", "allow"]
SAID_BY_THE_GATEWAY = {
    "expect",  # where a connection was idle for a while
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "traceparent",
}


@pytest.fixture(scope="module", params=HANDLINGS)
def each(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plugin]:
    folder = tmp_path_factory.mktemp(request.param)
    with plugin_behind(folder, unlisted_uploads=request.param) as running:
        yield running


@pytest.fixture
def plugin(each: Plugin) -> Plugin:
    """One for each setting."""
    each.forget()
    return each


@pytest.fixture(scope="module")
def inspecting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    """With nothing set: no quota, no file, and no room for one, is in the way."""
    folder = tmp_path_factory.mktemp("inspecting")
    with plugin_behind(
        folder, max_file_size="1", allowed_types="images", spool_limit="1", quotas="user 1B/day"
    ) as running:
        yield running


JSON = "application/json"
URL_ENCODED = "application/x-www-form-urlencoded"
POST = json.dumps({"channel_id": "c", "message": "Grüße \N{WAVING HAND SIGN}\0\x1b"}).encode()
SAML = b"SAMLResponse=PD94bWwgdmVyc2lvbj0iMS4wIj8%2B&RelayState=eyJhY3Rpb24iOiJsb2dpbiJ9"

# Method, target, Content-Type, body: as Mattermost's clients and its neighbours send them.
REGULAR: dict[str, tuple[str, str, str | None, bytes]] = {
    "a post": ("POST", "/api/v4/posts", JSON, POST),
    "a post that says nothing of itself": ("POST", "/api/v4/posts", None, POST),
    "a post in text/plain": ("POST", "/api/v4/posts", "text/plain;charset=UTF-8", POST),
    "a list of ids": ("POST", "/api/v4/users/ids", JSON, b'["a", "b"]'),
    "a string": ("PUT", "/api/v4/users/me/x", JSON, b'"a"'),
    "preferences": ("PUT", "/api/v4/users/me/preferences", f"{JSON}; charset=utf-8", b"[{}]"),
    "a patch": ("PATCH", "/api/v4/config/patch", "application/merge-patch+json", b'{"a": null}'),
    "nothing": ("POST", "/api/v4/posts/p/pin", None, b""),
    "nothing, as JSON": ("POST", "/api/v4/users/logout", JSON, b""),
    "nothing, as a file": ("POST", UPLOAD, "application/octet-stream", b""),
    "nothing, as a form": ("POST", "/x", f"multipart/form-data; boundary={BOUNDARY}", b""),
    "a deletion": ("DELETE", "/api/v4/users/me/status/custom/recent", JSON, b'{"emoji": "x"}'),
    "a deletion at a row": ("DELETE", "/api/v4/emoji", JSON, b"{}"),
    "a search with GET": ("GET", "/api/v4/users", JSON, b'{"term": "a"}'),
    "GraphQL": ("POST", "/plugins/playbooks/api/v0/query", JSON, b'{"query": "{ runs { id } }"}'),
    "GraphQL alone": ("POST", "/api/v5/graphql", "text/plain", b"query { me { id } }"),
    "a login": ("POST", "/api/v4/users/login", None, b'{"login_id":"a","password":"b\\u0001"}'),
    "a login from a page": ("POST", "/login", URL_ENCODED, b"login_id=a&password=b%00%01c"),
    "SAML": ("POST", "/login/sso/saml", URL_ENCODED, SAML),
    "OAuth": ("POST", "/oauth/access_token", URL_ENCODED, b"grant_type=refresh_token&code=a%2Fb"),
    "a webhook": ("POST", "/hooks/abc", JSON, b'{"text": "hi"}'),
    "a webhook's payload": ("POST", "/hooks/a", URL_ENCODED, b"payload=%7B%22text%22%3A%22a%22%7D"),
    "a payload as it is": ("POST", "/hooks/a", URL_ENCODED, 'payload={"text":"ü"}'.encode()),
    "a webhook in Latin-1": ("POST", "/hooks/abc", JSON, b'{"text": "\xfc"}'),
    "a slash command": ("POST", "/hooks/commands/abc", URL_ENCODED, b"response_type=x&text=a%0Ab"),
    "a command's text": ("POST", "/hooks/commands/abc", "text/plain", b"It is 5 o'clock.\r\n"),
    "a notification": ("POST", "/plugins/alerts", "text/plain; charset=UTF-8", b'{"Type": "x"}'),
    "XML": ("POST", "/plugins/feed", "text/xml", b"<?xml version='1.0'?><a/>"),
    "a script, as text": ("POST", "/plugins/x", "text/plain", b"#!/bin/sh\necho hi\n"),
    "a type that is none": ("POST", "/plugins/x", "json", b'{"a": 1}'),
    "two types": ("POST", "/plugins/x", f"{JSON}, {JSON}", b'{"a": 1}'),
    "a parameter twice": ("POST", "/plugins/x", f"{JSON}; charset=utf-8; charset=utf-8", b"{}"),
    "a broken parameter": ("POST", "/plugins/x", f'{JSON}; charset="', b"{}"),
    "a text as large as others' files": ("POST", "/plugins/x", "text/csv", text(300_000)),
}  # fmt: skip


def as_it_came(received: Received) -> tuple[str, str, Headers, bytes]:
    headers = [
        (name.lower(), value)
        for name, value in received.headers
        if name.lower() not in SAID_BY_THE_GATEWAY
    ]
    return received.method, received.target, headers, received.body


def requested(method: str, target: str, content_type: str | None) -> Headers:
    headers = [
        ("X-Twice", "1"), ("Cookie", "a=b; MMAUTHTOKEN=nobodys"), ("x-twice", "2"),
        ("Authorization", "Bearer nobodys"), ("Referer", "https://chat.example/x"),
    ]  # fmt: skip
    return [*headers, ("Content-Type", content_type)] if content_type is not None else headers


# Of a file or a form whose length is not told, nobody can know that nothing will come.
FRAMED = [(kind, False) for kind in REGULAR] + [
    (kind, True) for kind in REGULAR if kind not in ("nothing, as a file", "nothing, as a form")
]


@pytest.mark.parametrize(("kind", "chunked"), FRAMED)
def test_what_clients_send_all_day(kind: str, chunked: bool, plugin: Plugin) -> None:
    """Not a byte is different, and nobody is asked about anybody."""
    method, target, content_type, body = REGULAR[kind]
    target += "?a=1&a=2;b&c=%zz"
    headers = requested(method, target, content_type)
    pieces = [body] if body else []
    plugin.send(pieces if chunked else body, *headers, target=target, method=method)
    framing = ("transfer-encoding", "chunked") if chunked else ("content-length", str(len(body)))
    expected = [("host", "chat.example"), *((name.lower(), value) for name, value in headers)]
    got = as_it_came(plugin.the_one())
    assert got == (method, target, [*expected, framing], body)
    assert plugin.gateway.metric("upload_gateway_session_lookups_total") == 0
    assert plugin.gateway.metric("upload_gateway_files_total") == 0
    assert plugin.gateway.metric("upload_gateway_requests_total", endpoint="unlisted") == 0


def test_the_answer_comes_as_it_is(plugin: Plugin) -> None:
    response = plugin.send(b"{}", ("Content-Type", JSON))
    assert (response.status, response.body) == (202, b"stored\n")
    headers = [header for header in response.headers if header[0].lower() == "set-cookie"]
    assert [value for _, value in headers] == ["a=1", "b=2"]


# Nothing waits but for the first piece.


@pytest.mark.parametrize("content_type", [None, JSON, "text/plain"])
def test_a_piece_goes_on_before_the_next_one_has_come(
    content_type: str | None, plugin: Plugin
) -> None:
    pieces: list[bytes] = []

    def serve(visit: Visit) -> object:
        while piece := visit.read_piece():
            pieces.append(piece)
            visit.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        visit.send(ANSWER)
        return True

    plugin.origin.answer = serve
    headers = [] if content_type is None else [("Content-Type", content_type)]
    sent = [b"[", b'"', b"a" * 20_000, b'"]']
    with Wire(plugin.gateway.address) as wire:
        wire.send_head("POST", UPLOAD, [*headers, ("Transfer-Encoding", "chunked")])
        for number, piece in enumerate(sent):
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            plugin.gateway.wait_for(lambda wanted=number: len(pieces) > wanted)  # type: ignore[misc]
        wire.send(b"0\r\n\r\n")
        assert wire.response().status == 202
    assert b"".join(pieces) == b"".join(sent)


def test_a_body_that_is_asked_for(plugin: Plugin) -> None:
    with Wire(plugin.gateway.address) as wire:
        wire.send_head("POST", UPLOAD, [("Expect", "100-continue"), ("Content-Length", "2")])
        assert wire.interim() == 100
        wire.send(b"{}")
        assert wire.response().status == 202
    assert plugin.the_one().body == b"{}"


@pytest.mark.parametrize("chunked", [False, True])
def test_much_json_needs_no_memory_and_no_room(chunked: bool, inspecting: Plugin) -> None:
    inspecting.forget()
    size, block = 50 * MIB, b'"' + b"a" * (MIB - 3) + b'",'
    body = b"[" + block * (size // MIB) + b"0]"
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    with growth(inspecting.gateway.pid) as grown, Wire(inspecting.gateway.address) as wire:
        wire.send_head("POST", UPLOAD, [("Content-Type", JSON), framing])
        if chunked:
            send_chunks(wire, (body[i : i + MIB] for i in range(0, len(body), MIB)))
        else:
            wire.send(body)
        assert wire.response().status == 202
    assert inspecting.the_one().body == body
    assert grown.bytes < BOUND


# Whatever it is, as long as it is no file.

BLANK = st.text(" \t\r\n", max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values),
)
JSONS = st.tuples(BLANK, VALUES.map(json.dumps), BLANK).map(lambda parts: "".join(parts).encode())
TEXTS = st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), max_size=200).map(
    str.encode
) | st.binary(max_size=200).map(lambda data: bytes(b | 0x20 for b in data))
BODIES = st.one_of(
    st.tuples(st.sampled_from(["application/json", "application/x+json", None]), JSONS),
    st.tuples(st.sampled_from([None, "text/plain", "text/x", URL_ENCODED, "", "?"]), TEXTS),
).filter(lambda pair: not pair[1].lstrip().startswith((b"%PDF-", b"%!PS", rb"{\rtf")))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["X-One", "x-one", "Cookie", "Accept", "If-Match", "Content-Language"]),
        st.text([chr(c) for c in range(33, 127)], max_size=12),
    ),
    max_size=5,
)
METHODS = st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET", "OPTIONS", "REPORT"])
PATHS = st.sampled_from([UPLOAD, "/hooks/abc", "/api/v4/posts", "/api/v4/new", "/", "/a.exe"])
QUERIES = st.text("ab=&;%20+.é", max_size=12).map(lambda q: "?" + q.encode().hex() if q else "")


def sent(
    address: tuple[str, int], method: str, target: str, headers: Headers, pieces: list[bytes]
) -> WireResponse:
    with Wire(address) as wire:
        if len(pieces) == 1:
            wire.send_head(method, target, [*headers, ("Content-Length", str(len(pieces[0])))])
            wire.send(pieces[0])
        else:
            wire.send_head(method, target, [*headers, ("Transfer-Encoding", "chunked")])
            send_chunks(wire, filter(None, pieces))
        return wire.response()


@given(METHODS, PATHS, QUERIES, HEADERS, BODIES, st.lists(st.integers(0, 200), max_size=3))
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_requests_pass_as_if_sent_directly(
    inspecting: Plugin,
    method: str,
    path: str,
    query: str,
    headers: Headers,
    typed: tuple[str | None, bytes],
    cuts: list[int],
) -> None:
    content_type, body = typed
    if content_type is not None:
        headers = [*headers, ("Content-Type", content_type)]
    ends = sorted(min(cut, len(body)) for cut in cuts)
    pieces = [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]
    host, port = inspecting.origin.url.removeprefix("http://").split(":")
    seen = []
    for address in ((host, int(port)), inspecting.gateway.address):
        inspecting.forget()
        response = sent(address, method, path + query, headers, pieces)
        assert response.status == 202, response.body
        seen.append(as_it_came(inspecting.the_one()))
    directly, through = seen
    assert through[0:2] == directly[0:2]
    assert sorted(through[2]) == sorted(directly[2])
    assert through[3] == body
