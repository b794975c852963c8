"""``python -m tests.end_to_end.clients.driver URL``: the steps with mattermostdriver."""

import base64
import sys
from typing import Any
from urllib.parse import urlsplit

import mattermostdriver

from tests.end_to_end.clients.steps import Listening, address, content, serve


class Steps(Listening):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._address = {**address(url), "basepath": f"{urlsplit(url).path}/api/v4"}

    def login(self, username: str, password: str) -> Any:
        options = {**self._address, "login_id": username, "password": password}
        self.driver = mattermostdriver.Driver(options)
        return self.driver.login()

    def logout(self) -> None:
        self.driver.logout()

    def create_team(self, name: str) -> Any:
        made = {"name": name, "display_name": "By driver", "type": "O"}
        return self.driver.teams.create_team(made)

    def team(self, name: str) -> Any:
        return self.driver.teams.get_team_by_name(name)

    def create_channel(self, team_id: str, name: str) -> Any:
        made = {"team_id": team_id, "name": name, "display_name": "By driver", "type": "P"}
        return self.driver.channels.create_channel(made)

    def channel(self, team_name: str, name: str) -> Any:
        return self.driver.channels.get_channel_by_name_and_team_name(team_name, name)

    def upload(self, channel_id: str, name: str, content: str) -> Any:
        files = {"files": (name, base64.b64decode(content))}
        return self.driver.files.upload_file(channel_id=channel_id, files=files)

    def file_info(self, file_id: str) -> Any:
        return self.driver.files.get_file_metadata(file_id)

    def download(self, file_id: str) -> str:
        return content(self.driver.files.get_file(file_id))

    def create_post(self, channel_id: str, message: str, file_ids: list[str]) -> Any:
        made = {"channel_id": channel_id, "message": message, "file_ids": file_ids}
        return self.driver.posts.create_post(made)

    def post(self, post_id: str) -> Any:
        return self.driver.posts.get_post(post_id)

    def files_of_post(self, post_id: str) -> Any:
        return self.driver.posts.get_file_info_for_post(post_id)

    def create_emoji(self, name: str, image: str) -> Any:
        return self.driver.emoji.create_custom_emoji(name, _image(image))

    def emoji_image(self, emoji_id: str) -> str:
        return content(self.driver.emoji.get_custom_emoji_image(emoji_id))

    def delete_emoji(self, emoji_id: str) -> None:
        self.driver.emoji.delete_custom_emoji(emoji_id)

    def set_profile_image(self, user_id: str, image: str) -> None:
        self.driver.users.set_user_profile_image(user_id, _image(image))

    def profile_image(self, user_id: str) -> str:
        return content(self.driver.users.get_user_profile_image(user_id))

    def set_brand_image(self, image: str) -> None:
        self.driver.brand.upload_brand_image(_image(image))

    def brand_image(self) -> str:
        return content(self.driver.brand.get_brand_image())


def _image(content: str) -> dict[str, tuple[str, bytes]]:
    return {"image": ("image.png", base64.b64decode(content))}


if __name__ == "__main__":
    serve(Steps(sys.argv[1]))
