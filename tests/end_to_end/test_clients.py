"""One scenario with each client library, once to Mattermost directly and once through the gateway.

The libraries are as their authors publish them; they are told another address, and nothing else.
What passes directly and fails through the gateway is the gateway's fault. These run on the
stand-in, or on a real Mattermost: ``./scripts/test --mattermost URL``.
"""

import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients.program import ClientProgram, StepFailed
from tests.inspection.files import png, zipped
from tests.support.gateway import GatewayProcess
from tests.support.node import ready_to_run
from tests.support.server import Server

MODULES = {
    "mattermostdriver": "tests.end_to_end.clients.driver",
    "mattermostautodriver": "tests.end_to_end.clients.autodriver",
}
JAVASCRIPT = "@mattermost/client"
PROGRAM = Path(__file__).parent / "javascript"
DIRECTLY, THROUGH = "directly", "through the gateway"
SMALL, LARGE = png(64), png(128)
"""Two pictures, neither of which Mattermost has to make smaller."""
FILES = {
    "tiny.txt": b"hello",
    "report.docx": zipped(("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>")),
    "numbers.csv": b"a,b\n" + b"1,2\n" * 750_000,
}


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the JavaScript client's program, less its argument."""
    folder = tmp_path_factory.mktemp("javascript")
    return [str(ready_to_run(PROGRAM, folder)), str(folder / "client.js")]


@pytest.fixture(scope="module", params=[*MODULES, JAVASCRIPT])
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def command(request: pytest.FixtureRequest, library: str, server: Server) -> list[str]:
    """Runs the library's program, less its argument."""
    if library == JAVASCRIPT:
        found: list[str] = request.getfixturevalue("javascript")
        return found
    if library == "mattermostautodriver" and server.subpath:
        pytest.skip("mattermostautodriver cannot speak to a server below a subpath")
    return [sys.executable, "-m", MODULES[library]]


@pytest.fixture(scope="module", params=[DIRECTLY, THROUGH])
def url(request: pytest.FixtureRequest, server: Server) -> str:
    """Where the library thinks that Mattermost is."""
    if request.param == DIRECTLY:
        return server.url
    gateway: GatewayProcess = request.getfixturevalue("shared_gateway")
    return gateway.url + server.subpath


@pytest.fixture(scope="module")
def program(command: list[str], url: str) -> Iterator[ClientProgram]:
    """Nobody is logged in yet."""
    with ClientProgram([*command, url]) as running:
        yield running


@pytest.fixture
def client(program: ClientProgram, server: Server) -> Iterator[ClientProgram]:
    """The server's first user is logged in."""
    log_in(program, server.user)
    yield program
    program.do("logout")


@pytest.fixture
def admin(program: ClientProgram, server: Server) -> Iterator[ClientProgram]:
    """The server's administrator is logged in."""
    log_in(program, server.admin)
    yield program
    program.do("logout")


def log_in(program: ClientProgram, user: dict[str, Any]) -> Any:
    return program.do("login", username=user["username"], password=user["password"])


def new_name(kind: str) -> str:
    return f"{kind}{secrets.token_hex(6)}"


def upload(client: ClientProgram, channel_id: str, name: str, content: bytes) -> dict[str, Any]:
    answer = client.do("upload", channel_id=channel_id, name=name, content=content)
    (info,) = answer["file_infos"]
    assert (info["name"], info["size"]) == (name, len(content))
    return dict(info)


def test_login(program: ClientProgram, server: Server) -> None:
    user = log_in(program, server.user)
    assert (user["id"], user["username"]) == (server.user["id"], server.user["username"])
    program.do("logout")


def test_a_wrong_password(program: ClientProgram, server: Server) -> None:
    stranger = {"username": server.user["username"], "password": "not this one"}
    with pytest.raises(StepFailed, match="Enter a valid"):
        log_in(program, stranger)


def test_team_and_channel(client: ClientProgram, server: Server) -> None:
    name = new_name("team")
    team = client.do("create_team", name=name)
    try:
        assert client.do("team", name=name)["id"] == team["id"]
        channel = client.do("create_channel", team_id=team["id"], name=new_name("channel"))
        found = client.do("channel", team_name=name, name=channel["name"])
        assert (found["id"], found["team_id"]) == (channel["id"], team["id"])
    finally:
        server.remove_team(team["id"])


@pytest.mark.parametrize("name", FILES)
def test_upload_post_and_download(client: ClientProgram, server: Server, name: str) -> None:
    content = FILES[name]
    info = upload(client, server.channel_id, name, content)
    assert server.stored(info["id"]) == content
    post = client.do(
        "create_post", channel_id=server.channel_id, message=name, file_ids=[info["id"]]
    )
    assert post["file_ids"] == [info["id"]]
    shown = client.do("post", post_id=post["id"])
    assert [file["id"] for file in shown["metadata"]["files"]] == [info["id"]]
    (listed,) = client.do("files_of_post", post_id=post["id"])
    assert (listed["id"], listed["size"]) == (info["id"], len(content))
    assert client.do("file_info", file_id=info["id"])["post_id"] == post["id"]
    assert client.content("download", file_id=info["id"]) == content


def test_a_refusal_is_shown(client: ClientProgram, server: Server, url: str) -> None:
    """Directly nobody refuses; through the gateway its sentence reaches whoever uses the client."""
    if url == server.url:
        upload(client, server.channel_id, "setup.exe", b"hello")
    else:
        with pytest.raises(StepFailed, match=r"“setup\.exe” was not uploaded: files ending in \."):
            upload(client, server.channel_id, "setup.exe", b"hello")


def test_emoji(client: ClientProgram, server: Server) -> None:
    name = new_name("emoji")
    emoji = client.do("create_emoji", name=name, image=SMALL)
    try:
        assert (emoji["name"], emoji["creator_id"]) == (name, server.user["id"])
        assert server.get(f"emoji/{emoji['id']}/image") == SMALL
        assert client.content("emoji_image", emoji_id=emoji["id"]) == SMALL
    finally:
        client.do("delete_emoji", emoji_id=emoji["id"])
    with pytest.raises(StepFailed):
        client.content("emoji_image", emoji_id=emoji["id"])


def test_profile_image(client: ClientProgram, server: Server) -> None:
    user_id = server.user["id"]
    shown = []
    for picture in (SMALL, LARGE):
        client.do("set_profile_image", user_id=user_id, image=picture)
        shown.append(client.content("profile_image", user_id=user_id))
        assert shown[-1] == server.get(f"users/{user_id}/image")
    # Mattermost may have scaled them, but these are two pictures.
    assert all(picture.startswith(SMALL[:16]) for picture in shown)
    assert shown[0] != shown[1]


def test_brand_image(admin: ClientProgram, server: Server) -> None:
    shown = []
    with server.brand_image_restored():
        for picture in (SMALL, LARGE):
            admin.do("set_brand_image", image=picture)
            shown.append(admin.content("brand_image"))
            assert shown[-1] == server.get("brand/image")
    assert all(picture.startswith(SMALL[:16]) for picture in shown)
    assert shown[0] != shown[1]


def test_brand_image_by_somebody_else(client: ClientProgram) -> None:
    with pytest.raises(StepFailed, match="You do not have the appropriate permissions"):
        client.do("set_brand_image", image=SMALL)


def test_websocket_events(client: ClientProgram, server: Server) -> None:
    client.do("listen")
    info = upload(client, server.channel_id, "a.txt", b"listen")
    post = client.do(
        "create_post", channel_id=server.channel_id, message="heard?", file_ids=[info["id"]]
    )
    posted = client.do("next_event", event="posted")
    client.do("stop_listening")
    assert posted["broadcast"]["channel_id"] == server.channel_id
    told = json.loads(posted["data"]["post"])
    assert (told["id"], told["file_ids"]) == (post["id"], [info["id"]])
