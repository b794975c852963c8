"""What the stand-in knows: frozen records, stored as JSON documents."""

import secrets
import time
from base64 import b32encode
from dataclasses import dataclass
from typing import Final

_RFC4648: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ZBASE32: Final = "ybndrfg8ejkmcpqxot1uwisza345h769"
_ID_ALPHABET: Final = str.maketrans(_RFC4648, _ZBASE32)


def new_id() -> str:
    """26 characters, as Mattermost makes them for everything."""
    return b32encode(secrets.token_bytes(16)).decode().rstrip("=").translate(_ID_ALPHABET)


def is_valid_id(text: str) -> bool:
    return len(text.encode("utf-8", "surrogateescape")) == 26 and text.isalnum()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class User:
    """Passwords are kept as they are: there is nothing here worth protecting."""

    id: str
    create_at: int
    update_at: int
    username: str
    email: str
    password: str
    roles: str
    nickname: str = ""
    first_name: str = ""
    last_name: str = ""
    position: str = ""
    locale: str = "en"
    failed_attempts: int = 0
    last_picture_update: int = 0
    delete_at: int = 0
    """When the account was deactivated; 0 while it is in use."""
    is_bot: bool = False

    @property
    def is_admin(self) -> bool:
        return "system_admin" in self.roles.split()

    @property
    def is_guest(self) -> bool:
        return "system_guest" in self.roles.split()


@dataclass(frozen=True, slots=True)
class Session:
    """Someone logged in; ``csrf`` is empty for personal access tokens, as in Mattermost."""

    token: str
    id: str
    user_id: str
    csrf: str = ""
    is_oauth: bool = False


ANONYMOUS: Final = Session(token="", id="", user_id="")


@dataclass(frozen=True, slots=True)
class RemoteCluster:
    """Another Mattermost that is connected to this one."""

    id: str
    token: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    id: str
    token: str
    user_id: str
    description: str
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Team:
    id: str
    create_at: int
    update_at: int
    name: str
    display_name: str
    type: str
    email: str
    invite_id: str
    description: str = ""
    last_team_icon_update: int = 0
    delete_at: int = 0
    """When the team was archived; 0 while it is in use."""


@dataclass(frozen=True, slots=True)
class TeamMember:
    team_id: str
    user_id: str
    is_admin: bool
    is_guest: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    create_at: int
    update_at: int
    team_id: str
    type: str
    name: str
    display_name: str
    creator_id: str
    header: str = ""
    purpose: str = ""
    last_post_at: int = 0
    total_msg_count: int = 0


@dataclass(frozen=True, slots=True)
class ChannelMember:
    channel_id: str
    user_id: str
    last_update_at: int
    is_admin: bool
    is_guest: bool = False
    last_viewed_at: int = 0
    msg_count: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    id: str
    create_at: int
    update_at: int
    user_id: str
    channel_id: str
    message: str
    root_id: str
    pending_post_id: str


@dataclass(frozen=True, slots=True)
class FileInfo:
    """``path`` is relative to the file store."""

    id: str
    user_id: str
    create_at: int
    path: str
    name: str
    extension: str
    size: int
    mime_type: str
    post_id: str = ""
    width: int = 0
    height: int = 0
    has_preview_image: bool = False
    mini_preview: str | None = None


@dataclass(frozen=True, slots=True)
class UploadSession:
    """A file that arrives in several requests; sizes in bytes."""

    id: str
    type: str
    create_at: int
    user_id: str
    channel_id: str
    filename: str
    file_size: int
    path: str
    file_offset: int = 0


@dataclass(frozen=True, slots=True)
class Emoji:
    id: str
    create_at: int
    creator_id: str
    name: str
