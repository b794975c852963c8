"""What Mattermost says before it has the body reaches a client that is still sending it."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
import uvloop

from gateway.standin.process import StandInProcess
from tests.promises.support import UPLOAD, WAYS, text
from tests.support.gateway import GatewayProcess
from tests.support.wire import Client
from tests.upstream.support import forever, upstream

LARGE = 8 * 2**20
TRIES = 20
"""As many as make sure that an answer that is lost now and then is lost at least once."""


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(stand_in.url, tmp_path_factory.mktemp("gateway")) as running:
        client = Client(running.address, stand_in.user_token, stand_in.channel_id)
        for _ in range(5):  # from now on the kernel lets much be on its way
            assert client.raw("a.bin", bytes(4 * LARGE)).status == 201
        yield running


@pytest.fixture
def client(mattermost: StandInProcess, gateway: GatewayProcess) -> Client:
    return Client(gateway.address, mattermost.user_token, mattermost.channel_id)


def answers(client: Client, way: str = "raw") -> Counter[int | str]:
    """The statuses of some uploads, or why there was none."""
    seen: Counter[int | str] = Counter()
    content = bytes(LARGE)
    for _ in range(TRIES):
        try:
            seen[WAYS[way](client, "a.bin", content).status] += 1
        except ConnectionError as error:
            seen[type(error).__name__] += 1
    return seen


@pytest.mark.parametrize("way", ["raw", "form"])
def test_an_early_refusal_reaches_the_client_every_time(way: str, client: Client) -> None:
    """From somebody who is no member of the channel, as a chat user would see it."""
    in_a_foreign_channel = Client(client.address, client.token, "x" * 26)
    assert answers(in_a_foreign_channel, way) == {403: TRIES}


@pytest.mark.parametrize("way", ["raw", "form"])
@pytest.mark.parametrize("fault", [{"close_after": 100_000}, {"garbage": "nonsense\r\n\r\n"}])
def test_it_is_told_every_time_that_mattermost_broke_off(
    fault: dict[str, object], way: str, client: Client, mattermost: StandInProcess
) -> None:
    mattermost.control(endpoint=UPLOAD, **fault)
    assert answers(client, way) == {502: TRIES}


def test_the_next_upload_is_not_disturbed(client: Client, mattermost: StandInProcess) -> None:
    mattermost.control(endpoint=UPLOAD, times=1, status=403, body="{}")
    assert client.chunked("a.bin", [bytes(LARGE)]).status == 403
    assert client.raw("a.txt", text(300_000)).status == 201


@pytest.mark.parametrize("write", ["write", "writelines"])
def test_writing_to_a_connection_that_has_ended_does_no_harm(write: str) -> None:
    """It may end between a look at it and the next piece. Here uvloop raises, unlike asyncio."""

    async def run() -> None:
        async with upstream(forever) as server:
            connection = await server.mattermost._pool.connect()
            connection.close()
            await asyncio.sleep(0.01)
            connection.write(b"hello") if write == "write" else connection.writelines([b"hello"])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
