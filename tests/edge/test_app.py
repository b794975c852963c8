"""The application: whatever goes wrong below it, a request is answered and accounted for."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.accounting import Account, Accountant
from gateway.edge.app import GatewayApp
from gateway.edge.caller import Origins
from gateway.edge.machines import MachineRequests
from gateway.edge.progress import Progress
from gateway.edge.unlisted import Unlisted
from gateway.edge.websocket import WebSockets
from gateway.languages.choice import Languages
from gateway.logs import Log
from gateway.machines.forms import Forms
from gateway.metrics.cells import Cells
from gateway.metrics.metrics import Metrics
from gateway.refusals import Refused, ledger_unavailable
from gateway.upload.offer import Offers
from gateway.upload.request import Answer, UploadRequest
from gateway.upload.sessions import UploadSessions
from gateway.upload.story import Uploads
from gateway.upload.whole_form import WholeForms
from gateway.upstream.connection import TimedOut
from gateway.upstream.mattermost import Mattermost
from tests.edge.support import Client, serving

Behave = Callable[[UploadRequest], Answer]


class Story:
    """In place of the upload's story."""

    def __init__(self, behave: Behave) -> None:
        self._behave = behave

    async def upload(self, request: UploadRequest, account: Account) -> Answer:
        return self._behave(request)


@asynccontextmanager
async def running(behave: Behave, path: Path) -> AsyncIterator[Client]:
    """A client of the application; its log is at ``path``."""
    mattermost = Mattermost("http://127.0.0.1:9", "/chat", connect_timeout=1, timeout=1)
    with path.open("w") as file:
        accountant = Accountant(Metrics(Cells()), Log("json", "info", file))
        app = GatewayApp(
            uploads=cast(Uploads, Story(behave)),
            upload_sessions=cast(UploadSessions, None),
            whole_forms=cast(WholeForms, Story(behave)),
            unlisted=cast(Unlisted, None),
            progress=cast(Progress, None),
            websockets=WebSockets(mattermost, accountant),
            forms=Forms(),
            machines=cast(MachineRequests, None),
            offers=cast(Offers, None),
            mattermost=mattermost,
            origins=Origins([]),
            accountant=accountant,
            languages=Languages("en"),
        )
        async with serving(app) as server:
            yield await server.connect()
    await mattermost.close()


async def upload(client: Client, *headers: bytes) -> tuple[int, dict[str, str], Any]:
    lines = [b"POST /chat/api/v4/files?a=b HTTP/1.1", b"Host: chat", *headers]
    await client.send(b"\r\n".join([*lines, b"Content-Length: 5", b"", b"hello"]))
    status, answer_headers, body = await client.answer()
    return status, answer_headers, json.loads(body)


def line(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(path.read_text())
    return parsed


def failing(error: Exception) -> Behave:
    def behave(request: UploadRequest) -> Answer:
        raise error

    return behave


async def test_a_mistake_of_our_own(tmp_path: Path) -> None:
    """Its reader gets the request id, and whoever reads the log the rest."""
    path = tmp_path / "log"
    async with running(failing(ZeroDivisionError("secret detail")), path) as client:
        status, headers, error = await upload(client)
    assert (status, error["id"]) == (500, "gateway.internal_error")
    assert error["request_id"] == headers["x-request-id"]
    assert "secret" not in json.dumps(error)
    logged = line(path)
    assert (logged["outcome"], logged["reason"]) == ("failed", "internal_error")
    assert "ZeroDivisionError: secret detail" in logged["detail"]


async def test_the_reason_of_a_refusal_is_for_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def behave(request: UploadRequest) -> Answer:
        raise Refused(ledger_unavailable(7)) from OSError("disk full")

    async with running(behave, path) as client:
        status, headers, error = await upload(client)
    assert (status, headers["retry-after"]) == (503, "7")
    assert "disk" not in json.dumps(error)
    assert line(path)["detail"] == "OSError: disk full"


async def test_the_reason_of_an_upstream_error_is_for_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    async with running(failing(TimedOut("no answer from 10.0.0.1")), path) as client:
        status, _, error = await upload(client)
    assert (status, error["id"]) == (504, "gateway.upstream_timeout")
    assert "10.0.0.1" not in json.dumps(error)
    assert line(path)["detail"] == "no answer from 10.0.0.1"


async def test_an_answer_that_cannot_be_sent(tmp_path: Path) -> None:
    """A header with a line end in it would let somebody else write the answer."""
    path = tmp_path / "log"

    def behave(request: UploadRequest) -> Answer:
        return Answer(201, [(b"x-one", b"1\r\nx-two: 2")], b"{}")

    async with running(behave, path) as client:
        lost = [b"POST /chat/api/v4/files HTTP/1.1", b"Host: chat", b"Content-Length: 0", b"", b""]
        await client.send(b"\r\n".join(lost))
        assert await client.at_end()
    assert (line(path)["outcome"], line(path)["reason"]) == ("failed", "internal_error")


async def test_what_the_story_is_told(tmp_path: Path) -> None:
    told: list[UploadRequest] = []

    def behave(request: UploadRequest) -> Answer:
        told.append(request)
        return Answer(201, [(b"content-type", b"application/json")], b'{"a": 1}')

    async with running(behave, tmp_path / "log") as client:
        status, headers, answer = await upload(
            client, b"Authorization: Bearer secret", b"Content-Type: text/plain"
        )
    assert (status, answer) == (201, {"a": 1})
    assert headers["content-type"] == "application/json"
    (request,) = told
    assert (request.query, request.content_length) == (b"a=b", 5)
    assert request.content_types == [b"text/plain"]
    assert request.credential is not None
    assert request.credential.token == "secret"
    assert request.csrf_passes


@pytest.mark.parametrize(
    "header",
    [b"Content-Type: a/b", b"Content-Type: c/d", b"Host: chat", b"Authorization: Bearer x"],
)
async def test_headers_that_may_come_once(header: bytes, tmp_path: Path) -> None:
    """Before anything else is looked at."""
    path = tmp_path / "log"
    twice = [b"Content-Type: a/b", b"Authorization: Bearer x", header]
    async with running(failing(AssertionError("nobody is asked")), path) as client:
        status, _, error = await upload(client, *twice)
    assert (status, error["id"]) == (400, "gateway.ambiguous_request")


async def test_other_headers_may_come_twice(tmp_path: Path) -> None:
    def behave(request: UploadRequest) -> Answer:
        return Answer(201, [], b"{}")

    async with running(behave, tmp_path / "log") as client:
        status, _, _ = await upload(client, b"X-One: 1", b"X-One: 2", b"Accept: a", b"Accept: b")
    assert status == 201
