"""Refusals on their way to the client."""

import json
from typing import Any

import pytest

from gateway.edge.answers import render
from gateway.edge.cycle import WHOLE
from gateway.edge.responder import Responder
from gateway.refusals import Refusal
from gateway.upload.request import Answer, ClientGone


def test_a_refusal_in_mattermosts_format() -> None:
    answer = render(Refusal("gateway.test", 413, "test", "“Größe” is too large."), "id1")
    assert answer.status == 413
    assert answer.headers == [(b"content-type", b"application/json")]
    assert json.loads(answer.body) == {
        "id": "gateway.test",
        "message": "“Größe” is too large.",
        "detailed_error": "",
        "request_id": "id1",
        "status_code": 413,
    }


def test_a_refusal_with_headers_of_its_own() -> None:
    refusal = Refusal(
        "gateway.test", 429, "test", "Later.", retry_after=60, headers=((b"set-cookie", b"a=b"),)
    )
    assert render(refusal, "id1").headers == [
        (b"content-type", b"application/json"),
        (b"set-cookie", b"a=b"),
        (b"retry-after", b"60"),
    ]


# The way of an answer.


async def test_an_answer_is_sent_whole_with_the_requests_id() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    responder = Responder(send, "id1")
    assert not responder.started
    await responder.answer(Answer(201, [(b"content-type", b"text/plain")], b"hello"))
    assert responder.started
    assert sent == [
        {
            "type": WHOLE,
            "status": 201,
            "headers": [
                (b"content-type", b"text/plain"),
                (b"content-length", b"5"),
                (b"x-request-id", b"id1"),
            ],
            "body": b"hello",
        }
    ]


async def test_an_answer_without_content_has_no_length() -> None:
    """RFC 9110, 8.6."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await Responder(send, "id1").answer(Answer(204, [], b""))
    assert [message["headers"] for message in sent] == [[(b"x-request-id", b"id1")]]


async def test_an_answer_in_pieces() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    responder = Responder(send, "id1")
    await responder.start(200, [], b"Fine")
    await responder.body(b"one", more=True)
    await responder.body(b"", more=False)
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "reason": b"Fine",
            "headers": [(b"x-request-id", b"id1")],
        },
        {"type": "http.response.body", "body": b"one", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


async def test_a_client_that_is_gone_gets_no_answer() -> None:
    async def send(message: Any) -> None:
        raise BrokenPipeError

    responder = Responder(send, "id1")
    with pytest.raises(ClientGone):
        await responder.answer(Answer(200, [], b""))
    with pytest.raises(ClientGone):
        await responder.body(b"", more=True)
