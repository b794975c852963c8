"""Promise 6: every request is accounted for: one observation, one log line, one outcome and reason.

And every refusal is in Mattermost's own format, so that its clients show the message.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.standin.process import StandInProcess
from tests.promises.support import UPLOAD, WAYS, form_head, program, reset, text
from tests.support.gateway import GatewayProcess
from tests.support.server import new_member
from tests.support.wire import Client, Wire, WireResponse, field, file_part, form_body

LIMIT = 4 * 2**20
QUOTA = 2 * 2**20
PING = "GET /api/v4/system/ping"


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(
        stand_in.url,
        tmp_path_factory.mktemp("gateway"),
        max_file_size=str(LIMIT),
        quotas=f"user {QUOTA}/day",
        spool_limit="64KiB",
        upstream_timeout="1s",
        client_timeout="1s",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def unconnected(
    unused_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway whose Mattermost is down."""
    folder = tmp_path_factory.mktemp("unconnected")
    with GatewayProcess(f"http://127.0.0.1:{unused_port}", folder) as running:
        yield running


@dataclass(frozen=True)
class Scene:
    """Where a request is made: by a user who has uploaded nothing yet."""

    gateway: GatewayProcess
    mattermost: StandInProcess
    client: Client


@pytest.fixture
def scene(mattermost: StandInProcess, gateway: GatewayProcess) -> Scene:
    token = new_member(mattermost)["token"]
    mattermost.reset()
    return Scene(gateway, mattermost, Client(gateway.address, token, mattermost.channel_id))


@dataclass(frozen=True)
class End:
    """How a request is to be accounted for."""

    endpoint: str
    method: str
    status: int
    outcome: str
    reason: str


def requests_total(gateway: GatewayProcess) -> Counter[End]:
    counted: Counter[End] = Counter()
    for (name, labels), value in gateway.metrics().items():
        if name == "upload_gateway_requests_total":
            known = dict(labels)
            status = int(known.pop("status"))
            counted[End(status=status, **known)] = int(value)
    return counted


class Watch:
    """Sees how the one request that follows is accounted for."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._lines = len(gateway.log())
        self._counted = requests_total(gateway)

    def the_only_end(self) -> tuple[End, dict[str, Any]]:
        """The request's end as counted, and its log line; fails unless there is one of each."""
        gateway = self._gateway
        gateway.wait_for(lambda: len(gateway.log()) > self._lines)
        # Whatever else the request may bring forth has come when a second one is done.
        with Wire(gateway.address) as wire:
            wire.send_head("GET", "/api/v4/system/ping")
            assert wire.response().status in (200, 503)
        gateway.wait_for(lambda: len(gateway.log()) > self._lines + 1)
        first, second = gateway.log()[self._lines :]
        assert (first["event"], second["event"]) == ("request", "request")
        ends = requests_total(gateway) - self._counted
        ends -= Counter([end_of(second)])
        (end,) = ends.elements()
        return end, first


def end_of(line: dict[str, Any]) -> End:
    """What a log line says."""
    fields = ("endpoint", "method", "status", "outcome", "reason")
    return End(**{name: line[name] for name in fields})


def assert_like_mattermosts(response: WireResponse) -> None:
    """``AppError`` as Mattermost renders it."""
    assert response.header("content-type") == "application/json"
    error = response.json()
    assert set(error) == {"id", "message", "detailed_error", "request_id", "status_code"}
    assert re.fullmatch(r"(gateway|api)\.[a-z_.]+", error["id"])
    assert error["message"].endswith(".")
    assert error["status_code"] == response.status
    assert error["request_id"] == response.header("x-request-id")


Act = Callable[[Scene], WireResponse]


def raw(name: str, content: bytes) -> Act:
    return lambda scene: scene.client.raw(name, content)


def faulty(fault: dict[str, Any]) -> Act:
    """An upload while Mattermost is out of order."""

    def act(scene: Scene) -> WireResponse:
        scene.mattermost.control(endpoint=UPLOAD, times=1, **fault)
        return scene.client.raw("a.txt", text(100_000))

    return act


def passed(method: str, target: str, **fault: Any) -> Act:
    def act(scene: Scene) -> WireResponse:
        if fault:
            scene.mattermost.control(endpoint=f"{method} {target}", times=1, **fault)
        return scene.client.request(method, target)

    return act


def written(data: bytes) -> Act:
    """Anything, written to a connection."""

    def act(scene: Scene) -> WireResponse:
        with Wire(scene.gateway.address) as wire:
            wire.send(data)
            return wire.response()

    return act


def form_of(*parts: bytes) -> Act:
    return lambda scene: scene.client.form(field("channel_id", scene.client.channel_id), *parts)


def as_a_stranger(scene: Scene) -> WireResponse:
    return replace(scene.client, token="y" * 26).raw("a.txt", b"hello")


def into_a_foreign_channel(scene: Scene) -> WireResponse:
    stranger = replace(scene.client, token=scene.mattermost.other_user_token)
    return stranger.raw("a.txt", b"hello")


def into_a_full_spool(scene: Scene) -> WireResponse:
    return scene.client.chunked("a.bin", [bytes(QUOTA)])


def too_slowly(scene: Scene) -> WireResponse:
    with Wire(scene.client.address) as wire:
        length = ("Content-Length", "100")
        wire.send_head("POST", scene.client.target("a.txt"), scene.client.head(length))
        wire.send(b"hello")
        return wire.response()


def confused(scene: Scene) -> WireResponse:
    scene.mattermost.control(endpoint=UPLOAD, times=1, status=201, body="<html>")
    return form_of(file_part("a.txt", b"hello"))(scene)


def files(status: int, outcome: str, reason: str) -> End:
    return End("files", "POST", status, outcome, reason)


def refused(status: int, reason: str) -> End:
    return files(status, "refused", reason)


def failed(status: int, reason: str) -> End:
    return files(status, "failed", reason)


UPSTREAM_FAILED = failed(502, "upstream_failed")
MALFORMED = End("malformed", "other", 400, "refused", "malformed_request")


def passed_with(target: str, body: bytes, *headers: tuple[str, str]) -> Act:
    """A file that goes by an address of its own."""

    def act(scene: Scene) -> WireResponse:
        with Wire(scene.client.address) as wire:
            length = ("Content-Length", str(len(body)))
            wire.send_head("POST", target, [*(headers or scene.client.head()), length])
            wire.send(body)
            return wire.response()

    return act


ANSWERED_BY_THE_GATEWAY: dict[str, tuple[Act, End]] = {
    "too large": (raw("a.txt", text(LIMIT + 1)), refused(413, "file_too_large")),
    "an extension": (raw("a.exe", b"hello"), refused(403, "extension_denied")),
    "a type": (raw("a.bin", program(1000)), refused(415, "type_denied")),
    "a disguise": (raw("a.pdf", program(1000)), refused(415, "content_mismatch")),
    "a name": (raw("..", b"hello"), refused(400, "file_name_refused")),
    "a quota": (raw("a.txt", text(QUOTA + 1)), refused(429, "quota_exceeded")),
    "a stranger": (as_a_stranger, refused(401, "unauthenticated")),
    "no file name": (raw("", b"hello"), refused(400, "invalid_form")),
    "a bad form": (form_of(field("colour", "red")), refused(400, "invalid_form")),
    "an ambiguous form": (
        form_of(file_part('a.txt"; filename="b.txt', b"")), refused(400, "ambiguous_request")
    ),
    "too slow": (too_slowly, refused(408, "client_too_slow")),
    "a full spool": (into_a_full_spool, failed(507, "spool_full")),
    "Mattermost breaks off": (faulty({"close_after": 0}), UPSTREAM_FAILED),
    "Mattermost resets": (faulty({"close_after": 0, "reset": True}), UPSTREAM_FAILED),
    "Mattermost talks nonsense": (faulty({"garbage": "hi\r\n\r\n"}), UPSTREAM_FAILED),
    "Mattermost stops within its answer": (faulty({"cut_answer": 5}), UPSTREAM_FAILED),
    "Mattermost answers a form with something else": (confused, UPSTREAM_FAILED),
    "Mattermost does not answer": (faulty({"stall": True}), failed(504, "upstream_timeout")),
    "a path in two spellings": (
        passed("POST", "/api//v4/files"),
        End("other", "POST", 400, "refused", "ambiguous_request"),
    ),
    "a form to somewhere else": (
        lambda scene: scene.client.request(
            "POST", "/api/v4/new", ("Content-Type", "multipart/form-data; boundary=x"), body=b"-"
        ),
        End("unlisted", "POST", 400, "refused", "invalid_form"),
    ),
    "a file to somewhere else": (
        passed_with("/plugins/x/upload", program(1000)),
        End("unlisted", "POST", 415, "refused", "type_denied"),
    ),
    "a file of somebody whom nobody knows": (
        passed_with("/api/v4/new", program(1000), ("Authorization", "Bearer nobody")),
        End("unlisted", "POST", 401, "refused", "unauthenticated"),
    ),
    "a file to a row by another method": (
        passed("PUT", "/api/v4/uploads"),
        End("uploads", "PUT", 403, "refused", "unguarded_upload"),
    ),
    "not HTTP": (written(b"hello\r\n\r\n"), MALFORMED),
    "much that is not HTTP": (written(bytes(2_000_000)), MALFORMED),
    "TLS": (written(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)), MALFORMED),
    "two framings": (
        written(
            b"POST /api/v4/files HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        MALFORMED,
    ),
    "a head without an end": (
        written(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 1_000_000), MALFORMED
    ),
}  # fmt: skip

ANSWERED_BY_MATTERMOST: dict[str, tuple[Act, End]] = {
    "an upload": (raw("a.txt", b"hello"), files(201, "accepted", "none")),
    "no member": (into_a_foreign_channel, refused(403, "mattermost_refused")),
    "a failure": (
        faulty({"status": 500, "body": "{}"}), failed(500, "mattermost_failed")
    ),
    "something read": (
        passed("GET", "/api/v4/users/me"), End("passthrough", "GET", 200, "accepted", "none")
    ),
    "something that is not there": (
        passed("DELETE", "/api/v4/nothing"),
        End("passthrough", "DELETE", 404, "refused", "mattermost_refused"),
    ),
    "a file to a plugin": (
        passed_with("/plugins/x/upload", bytes(1000)),
        End("unlisted", "POST", 200, "accepted", "none"),
    ),
    "a failure elsewhere": (
        passed("GET", "/api/v4/users/me", status=503),
        End("passthrough", "GET", 503, "failed", "mattermost_failed"),
    ),
    "an unusual method": (
        passed("REPORT", "/x"), End("passthrough", "other", 200, "accepted", "none")
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERED_BY_THE_GATEWAY)
def test_a_request_that_the_gateway_answers(kind: str, scene: Scene) -> None:
    act, expected = ANSWERED_BY_THE_GATEWAY[kind]
    watch = Watch(scene.gateway)
    response = act(scene)
    end, line = watch.the_only_end()
    assert end == expected
    assert response.status == expected.status
    assert_like_mattermosts(response)
    assert line["request_id"] == response.header("x-request-id")
    assert replace(end_of(line), method=expected.method) == expected


def test_a_body_that_is_not_http(scene: Scene) -> None:
    watch = Watch(scene.gateway)
    with Wire(scene.client.address) as wire:
        chunked = ("Transfer-Encoding", "chunked")
        wire.send_head("POST", scene.client.target("a.txt"), scene.client.head(chunked))
        wire.send(b"5\r\nhello\r\nnonsense\r\n")
        response = wire.response()
    end, _ = watch.the_only_end()
    assert (end.status, end.outcome, end.reason) == (400, "refused", "malformed_request")
    assert_like_mattermosts(response)


@pytest.mark.parametrize("kind", ANSWERED_BY_MATTERMOST)
def test_a_request_that_mattermost_answers(kind: str, scene: Scene) -> None:
    act, expected = ANSWERED_BY_MATTERMOST[kind]
    watch = Watch(scene.gateway)
    response = act(scene)
    end, line = watch.the_only_end()
    assert end == expected
    assert response.status == expected.status
    assert line["request_id"] == response.header("x-request-id")
    assert len([name for name, _ in response.headers if name.lower() == "x-request-id"]) == 1


@pytest.mark.parametrize("way", WAYS)
def test_an_accepted_upload_names_its_file(way: str, scene: Scene) -> None:
    watch = Watch(scene.gateway)
    assert WAYS[way](scene.client, "novel.txt", text(100_000)).status == 201
    end, line = watch.the_only_end()
    assert end == files(201, "accepted", "none")
    (file,) = line["files"]
    assert (file["name"], file["type"], file["size"]) == ("novel.txt", "text/plain", 100_000)
    assert (file["outcome"], file["reason"]) == ("accepted", "none")
    assert line["bytes_received"] >= 100_000


def leave_an_upload(scene: Scene) -> Iterator[Wire]:
    with Wire(scene.client.address) as wire:
        length = ("Content-Length", "100000")
        wire.send_head("POST", scene.client.target("a.txt"), scene.client.head(length))
        wire.send(text(50_000))
        scene.mattermost.wait_for(lambda state: bool(state["uploads"]))
        yield wire


def leave_a_form(scene: Scene) -> Iterator[Wire]:
    channel = field("channel_id", scene.client.channel_id)
    body = form_body(channel, file_part("a.txt", text(100_000)))
    with Wire(scene.client.address) as wire:
        wire.send_head("POST", "/api/v4/files", form_head(scene.client, len(body)))
        wire.send(body[:50_000])
        scene.mattermost.wait_for(lambda state: bool(state["uploads"]))
        yield wire


def leave_something_else(scene: Scene) -> Iterator[Wire]:
    with Wire(scene.client.address) as wire:
        wire.send_head("POST", "/api/v4/posts", scene.client.head(("Content-Length", "1000")))
        wire.send(b"{")
        scene.mattermost.wait_for(lambda state: "POST /api/v4/posts" in state["requests"])
        yield wire


@pytest.mark.parametrize("how", [Wire.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize(
    ("begin", "endpoint"),
    [
        (leave_an_upload, "files"),
        (leave_a_form, "files"),
        (leave_something_else, "passthrough"),
    ],
    ids=["raw", "form", "passthrough"],
)
def test_a_client_that_leaves(
    begin: Callable[[Scene], Iterator[Wire]],
    endpoint: str,
    how: Callable[[Wire], None],
    scene: Scene,
) -> None:
    watch = Watch(scene.gateway)
    for wire in begin(scene):
        how(wire)
    end, _ = watch.the_only_end()
    assert end == End(endpoint, "POST", 499, "aborted", "client_gone")


def test_an_answer_that_breaks_off_on_its_way(scene: Scene) -> None:
    """Its status has been sent, so all that can be done is to end the connection."""
    watch = Watch(scene.gateway)
    with pytest.raises((EOFError, ConnectionError)):
        passed("GET", "/api/v4/users/me", cut_answer=10)(scene)
    end, _ = watch.the_only_end()
    assert end == End("passthrough", "GET", 502, "failed", "upstream_failed")


@pytest.mark.parametrize(
    ("method", "target", "endpoint"),
    [
        ("POST", "/api/v4/files?channel_id=x&filename=a.txt", "files"),
        ("GET", "/api/v4/users/me", "passthrough"),
    ],
)
def test_mattermost_is_down(
    method: str, target: str, endpoint: str, unconnected: GatewayProcess
) -> None:
    watch = Watch(unconnected)
    response = Client(unconnected.address, "x" * 26, "").request(method, target, body=b"hello")
    end, _ = watch.the_only_end()
    assert end == End(endpoint, method, 503, "failed", "upstream_unreachable")
    assert response.status == 503
    assert int(response.header("retry-after") or "") > 0
    assert_like_mattermosts(response)


def test_readiness_tells_what_is_down(unconnected: GatewayProcess, gateway: GatewayProcess) -> None:
    assert unconnected.ready() == (
        503,
        {"status": "not ready", "problems": {"mattermost": "not available"}},
    )
    assert gateway.ready() == (200, {"status": "ready"})


def test_nothing_is_in_flight_in_the_end(scene: Scene) -> None:
    assert scene.gateway.metric("upload_gateway_requests_in_flight") == 0
