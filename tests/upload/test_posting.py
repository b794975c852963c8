"""A machine's message: what it may say, and where."""

import json
from typing import Any

import pytest

from gateway.machines.admission import Machine
from gateway.machines.limits import Limits
from gateway.policy.circumstances import IdentityKind
from gateway.refusals import Refused
from gateway.upload.posting import read_post

HERE, THERE = "h" * 26, "t" * 26
MACHINE = Machine(IdentityKind.API_KEY, "ci", "default", Limits(), channels=frozenset({HERE}))
ANYWHERE = Machine(IdentityKind.API_KEY, "ci", "default", Limits())


class Body:
    """A request's body, in one piece."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.ended = False
        self.received = len(content)

    async def read(self) -> bytes:
        content, self._content = self._content, b""
        return content

    read_on = read

    def check(self) -> None:
        """The client is there."""

    async def pour(self, connection: object) -> bool:
        return False


async def post(content: bytes, machine: Machine = MACHINE) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(await read_post(Body(content), len(content), machine))
    return document


async def refusal(content: bytes, machine: Machine = MACHINE) -> str:
    with pytest.raises(Refused) as refused:
        await read_post(Body(content), len(content), machine)
    return refused.value.refusal.id


async def test_a_message() -> None:
    whole = {"channel_id": HERE, "message": "“Done” €", "root_id": "r", "file_ids": ["a", "b"]}
    assert await post(json.dumps(whole).encode()) == whole
    assert await post(json.dumps(whole | {"channel_id": THERE}).encode(), ANYWHERE)


@pytest.mark.parametrize("channel_id", [THERE, "", HERE.upper(), f"{HERE} "])
async def test_another_channel(channel_id: str) -> None:
    content = json.dumps({"channel_id": channel_id, "message": "a"}).encode()
    assert await refusal(content) == "gateway.credential_limited"


@pytest.mark.parametrize(
    "more",
    [
        '"channel_id": "{there}"',
        '"Channel_id": "{there}"',
        '"channel_\\u0049d": "{there}"',
        '"user_id": "u"',
        '"props": {}',
        '"create_at": 1',
        '"message": ["a"]',
        '"root_id": null',
        '"file_ids": "a"',
        '"file_ids": [1]',
    ],
)
async def test_what_else_a_message_could_say(more: str) -> None:
    """Mattermost takes the last of two keys, and keys in any case."""
    content = f'{{"channel_id": "{HERE}", {more.replace("{there}", THERE)}}}'
    assert await refusal(content.encode()) in (
        "gateway.ambiguous_request",
        "api.context.invalid_body_param.app_error",
    )


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"a"', b"\xff", b"{}{}", b"[" * 100_000])
async def test_what_is_no_message(content: bytes) -> None:
    assert await refusal(content) == "api.context.invalid_body_param.app_error"


async def test_a_message_that_is_too_long() -> None:
    content = json.dumps({"channel_id": HERE, "message": "a" * 300_000}).encode()
    assert await refusal(content) == "api.context.invalid_body_param.app_error"
    with pytest.raises(Refused):
        await read_post(Body(content), None, MACHINE)
