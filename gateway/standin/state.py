"""Everything the stand-in knows, in memory and in an SQLite file, so that it survives a restart."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from gateway.standin.model import (
    AccessToken,
    Channel,
    ChannelMember,
    Emoji,
    FileInfo,
    Post,
    RemoteCluster,
    Session,
    Team,
    TeamMember,
    UploadSession,
    User,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")


class Table(Generic[R]):
    """Records by key, each written through to the database."""

    def __init__(self, database: sqlite3.Connection, record: type[R]) -> None:
        self._database = database
        self._kind = record.__name__
        rows = database.execute(
            "SELECT key, body FROM documents WHERE kind = ? ORDER BY rowid", (self._kind,)
        )
        self._records = {key: record(**json.loads(body)) for key, body in rows}

    def __iter__(self) -> Iterator[R]:
        return iter(self._records.values())

    def get(self, *key: str) -> R | None:
        return self._records.get("/".join(key))

    def put(self, record: R, *key: str) -> R:
        joined = "/".join(key)
        self._records[joined] = record
        self._database.execute(
            "INSERT INTO documents VALUES (?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
            (self._kind, joined, json.dumps(asdict(record))),
        )
        return record

    def remove(self, *key: str) -> None:
        joined = "/".join(key)
        self._records.pop(joined, None)
        self._database.execute(
            "DELETE FROM documents WHERE kind = ? AND key = ?", (self._kind, joined)
        )


class State:
    """The tables, and the questions that several endpoints ask."""

    def __init__(self, path: Path) -> None:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing; only a machine that loses power could.
        database.execute("PRAGMA synchronous = OFF")
        database.execute(
            "CREATE TABLE IF NOT EXISTS documents"
            " (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key))"
        )
        self._database = database
        self.users = Table(database, User)
        self.sessions = Table(database, Session)
        self.access_tokens = Table(database, AccessToken)
        self.teams = Table(database, Team)
        self.team_members = Table(database, TeamMember)
        self.channels = Table(database, Channel)
        self.channel_members = Table(database, ChannelMember)
        self.posts = Table(database, Post)
        self.files = Table(database, FileInfo)
        self.uploads = Table(database, UploadSession)
        self.emoji = Table(database, Emoji)
        self.remote_clusters = Table(database, RemoteCluster)
        self.upload_locks: set[str] = set()
        """Upload sessions to which somebody is sending at the moment."""

    def close(self) -> None:
        self._database.close()

    def user_named(self, username: str) -> User | None:
        return next((u for u in self.users if u.username == username.lower()), None)

    def user_with_email(self, email: str) -> User | None:
        return next((u for u in self.users if u.email == email.lower()), None)

    def session(self, token: str) -> Session | None:
        """The session of a login, or the one that a personal access token stands for."""
        if (session := self.sessions.get(token)) is not None:
            return session
        access = self.access_tokens.get(token)
        if access is None or not access.is_active:
            return None
        user = self.users.get(access.user_id)
        if user is None or user.delete_at:
            return None
        return Session(token=token, id=access.id, user_id=access.user_id)

    def team_named(self, name: str) -> Team | None:
        return next((t for t in self.teams if t.name == name.lower()), None)

    def channel_named(self, team_id: str, name: str) -> Channel | None:
        for channel in self.channels:
            if channel.team_id == team_id and channel.name == name.lower():
                return channel
        return None

    def files_of_post(self, post_id: str) -> list[FileInfo]:
        return [info for info in self.files if info.post_id == post_id]

    def is_admin(self, session: Session) -> bool:
        user = self.users.get(session.user_id)
        return user is not None and user.is_admin

    def may_use_channel(self, session: Session, channel_id: str) -> bool:
        """Read, post and upload: its members, and administrators if there is such a channel."""
        if self.channel_members.get(channel_id, session.user_id) is not None:
            return True
        return self.channels.get(channel_id) is not None and self.is_admin(session)

    def may_see_open_channels(self, session: Session, team_id: str) -> bool:
        """Of the team: also those that one is no member of. Guests may not."""
        member = self.team_members.get(team_id, session.user_id)
        return (member is not None and not member.is_guest) or self.is_admin(session)

    def may_see_team(self, session: Session, team_id: str) -> bool:
        return self.team_members.get(team_id, session.user_id) is not None or self.is_admin(session)
