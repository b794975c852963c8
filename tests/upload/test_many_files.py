"""A form with many files leaves the others their turn."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.accounting import Account
from gateway.body.spool import SpoolArea
from gateway.policy.ruleset import Decision
from gateway.upload.delivery import Delivery
from gateway.upload.form import FilePart, Form
from gateway.upload.incoming import IncomingFile, Together
from gateway.upload.receive import Held
from gateway.upload.request import FileTarget
from gateway.upstream.mattermost import Mattermost
from tests.support.wire import file_part, form_body
from tests.upload.support import delivery, permissive
from tests.upload.test_form import Pieces

FILES = 20
DECISION = Decision(permissive(1000))


Receive = Callable[[Delivery, IncomingFile, Held, Together], Awaitable[None]]


async def to_wait(receiver: Delivery, file: IncomingFile, held: Held, together: Together) -> None:
    await receiver.receive(file, DECISION, held, 1000, Account())


async def into_a_form(
    receiver: Delivery, file: IncomingFile, held: Held, together: Together
) -> None:
    await receiver.receive_into(receiver.spool(held), file, together, Account())


@pytest.mark.parametrize("receive", [to_wait, into_a_form])
async def test_each_file_of_a_form_that_is_in_hand_leaves_others_their_turn(
    receive: Receive, tmp_path: Path
) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    body = form_body(*[file_part(f"{number}.txt", b"hello") for number in range(FILES)])
    form = Form(b"XboundaryX", Pieces(body), len(body))
    mattermost = Mattermost("http://127.0.0.1:1", "", connect_timeout=1, timeout=1)
    receiver = delivery(mattermost, 1000, SpoolArea(tmp_path, 1000))
    task = asyncio.create_task(others())
    with Held() as held, Together(Account(), DECISION) as together:
        for _ in range(FILES):
            part = await form.next_part()
            assert isinstance(part, FilePart)
            file = IncomingFile(FileTarget("", part.filename, ""), part, None, None)
            await receive(receiver, file, held, together)
    task.cancel()
    await mattermost.close()
    assert turns >= FILES
