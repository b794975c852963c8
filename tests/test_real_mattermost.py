"""What ``--mattermost URL`` makes on a server that is not its own, and leaves behind."""

import json
import urllib.error

import pytest

from gateway.standin.process import StandInProcess
from tests.inspection.files import png
from tests.support.server import login, on_real_mattermost, send


@pytest.fixture
def administrator(mattermost: StandInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATTERMOST_ADMIN_USERNAME", mattermost.ready["admin"]["username"])
    monkeypatch.setenv("MATTERMOST_ADMIN_PASSWORD", mattermost.ready["admin"]["password"])


@pytest.mark.usefixtures("administrator")
def test_everybody_is_there_and_gone_afterwards(mattermost: StandInProcess) -> None:
    with on_real_mattermost(f"{mattermost.url}/") as server:
        people = [server.user, server.other_user]
        for person in people:
            assert login(server.url, person["username"], person["password"])
        target = f"files?channel_id={server.channel_id}&filename=a.txt"
        assert json.loads(send(server.url, server.user["token"], target, b"hello"))["file_infos"]
        with pytest.raises(urllib.error.HTTPError, match="403") as forbidden:
            send(server.url, server.other_user["token"], target, b"hello")
        forbidden.value.close()
    for person in people:
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            login(server.url, person["username"], person["password"])
        refused.value.close()
    with pytest.raises(urllib.error.HTTPError, match="401") as ended:
        send(server.url, server.admin["token"], "users/me")
    ended.value.close()
    team = json.loads(send(mattermost.url, mattermost.admin_token, f"teams/{server.team_id}"))
    assert team["delete_at"] > 0


@pytest.mark.usefixtures("administrator")
def test_the_brand_image_is_what_it_was(mattermost: StandInProcess) -> None:
    with on_real_mattermost(mattermost.url) as server:
        before = server.brand_image()
        assert before != png(16)
        with server.brand_image_restored():
            server.set_brand_image(png(16))
            with server.brand_image_restored():
                server.set_brand_image(png(32))
                assert server.brand_image() == png(32)
            assert server.brand_image() == png(16)
        assert server.brand_image() == before
