"""Client libraries that nobody here wrote get along with the stand-in."""

import io
from typing import Any

import mattermostautodriver
import mattermostdriver

from gateway.standin.process import StandInProcess


def options(mattermost: StandInProcess) -> dict[str, object]:
    return {
        "scheme": "http",
        "url": "127.0.0.1",
        "port": mattermost.port,
        "login_id": "alice",
        "password": mattermost.ready["user"]["password"],
    }


def test_mattermostdriver(mattermost: StandInProcess) -> None:
    driver: Any = mattermostdriver.Driver(options(mattermost))
    assert driver.login()["username"] == "alice"
    team = driver.teams.get_team_by_name("team")
    made = {"team_id": team["id"], "name": "by-driver", "display_name": "D", "type": "O"}
    channel = driver.channels.create_channel(made)
    uploaded = driver.files.upload_file(channel["id"], {"files": ("a.txt", io.BytesIO(b"hello"))})
    file_id = uploaded["file_infos"][0]["id"]
    post = driver.posts.create_post(
        {"channel_id": channel["id"], "message": "look", "file_ids": [file_id]}
    )
    assert post["file_ids"] == [file_id]
    assert driver.files.get_file(file_id).content == b"hello"
    assert driver.files.get_file_metadata(file_id)["post_id"] == post["id"]
    driver.logout()


def test_mattermostautodriver(mattermost: StandInProcess) -> None:
    driver: Any = mattermostautodriver.TypedDriver(options(mattermost))
    with driver:
        assert driver.login()["username"] == "alice"
        created = driver.teams.create_team(name="autos", display_name="A", type="O")
        team = driver.teams.get_team_by_name("autos")
        assert team["id"] == created["id"]
        driver.channels.create_channel(
            team_id=team["id"], name="by-auto", display_name="D", type="P"
        )
        channel = driver.channels.get_channel_by_name_for_team_name("autos", "by-auto")
        uploaded = driver.files.upload_file(
            files=("a.txt", io.BytesIO(b"hello")), channel_id=channel["id"]
        )
        file_id = uploaded["file_infos"][0]["id"]
        post = driver.posts.create_post(
            channel_id=channel["id"], message="look", file_ids=[file_id]
        )
        assert driver.posts.get_post(post["id"])["metadata"]["files"][0]["id"] == file_id
        assert driver.posts.get_file_infos_for_post(post["id"])[0]["size"] == 5
        assert driver.files.get_file(file_id).content == b"hello"
        driver.logout()
