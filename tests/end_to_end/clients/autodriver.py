"""``python -m tests.end_to_end.clients.autodriver URL``: the steps with mattermostautodriver."""

import base64
import json
import sys
from typing import Any

import mattermostautodriver

from tests.end_to_end.clients.steps import Listening, address, content, serve


class Steps(Listening):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._address = address(url)

    def login(self, username: str, password: str) -> Any:
        options = {**self._address, "login_id": username, "password": password}
        self.driver = mattermostautodriver.TypedDriver(options)
        return self.driver.login()

    def logout(self) -> None:
        self.driver.logout()
        self.driver.close()

    def create_team(self, name: str) -> Any:
        return self.driver.teams.create_team(name=name, display_name="By autodriver", type="O")

    def team(self, name: str) -> Any:
        return self.driver.teams.get_team_by_name(name)

    def create_channel(self, team_id: str, name: str) -> Any:
        return self.driver.channels.create_channel(
            team_id=team_id, name=name, display_name="By autodriver", type="P"
        )

    def channel(self, team_name: str, name: str) -> Any:
        return self.driver.channels.get_channel_by_name_for_team_name(team_name, name)

    def upload(self, channel_id: str, name: str, content: str) -> Any:
        file = (name, base64.b64decode(content))
        return self.driver.files.upload_file(files=file, channel_id=channel_id)

    def file_info(self, file_id: str) -> Any:
        return self.driver.files.get_file_info(file_id)

    def download(self, file_id: str) -> str:
        return content(self.driver.files.get_file(file_id))

    def create_post(self, channel_id: str, message: str, file_ids: list[str]) -> Any:
        return self.driver.posts.create_post(channel_id, message, file_ids=file_ids)

    def post(self, post_id: str) -> Any:
        return self.driver.posts.get_post(post_id)

    def files_of_post(self, post_id: str) -> Any:
        return self.driver.posts.get_file_infos_for_post(post_id)

    def create_emoji(self, name: str, image: str) -> Any:
        described = json.dumps({"name": name, "creator_id": self.driver.client.userid})
        return self.driver.emoji.create_emoji(_image(image), described)

    def emoji_image(self, emoji_id: str) -> str:
        return content(self.driver.emoji.get_emoji_image(emoji_id))

    def delete_emoji(self, emoji_id: str) -> None:
        self.driver.emoji.delete_emoji(emoji_id)

    def set_profile_image(self, user_id: str, image: str) -> None:
        self.driver.users.set_profile_image(user_id, _image(image))

    def profile_image(self, user_id: str) -> str:
        return content(self.driver.users.get_profile_image(user_id))

    def set_brand_image(self, image: str) -> None:
        self.driver.brand.upload_brand_image(_image(image))

    def brand_image(self) -> str:
        return content(self.driver.brand.get_brand_image())


def _image(content: str) -> tuple[str, bytes]:
    return "image.png", base64.b64decode(content)


if __name__ == "__main__":
    serve(Steps(sys.argv[1]))
