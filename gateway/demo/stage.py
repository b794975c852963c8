"""The stage of the tour: who takes part, what has happened, and what is checked each time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.demo.curl import Answer, Request, get, send
from gateway.demo.servers import GatewayProcess
from gateway.demo.terminal import Terminal
from gateway.standin.process import StandInProcess

PATIENCE = 10.0
"""Seconds for what is told just after an answer, or comes about by itself."""


class NotAsTold(Exception):
    """Something is otherwise than the tour says."""


def expect(told: str, *, holds: bool, seen: object) -> None:
    """Raises NotAsTold with both unless it ``holds``."""
    if not holds:
        raise NotAsTold(f"{told}. But: {seen}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What Mattermost says, asked directly, that it has stored."""

    name: str
    content_type: str
    size: int
    digest: str
    """SHA-256 in hexadecimal."""


@dataclass(slots=True)
class Stage:
    """Both servers, the sample files, and the uploads so far."""

    terminal: Terminal
    mattermost: StandInProcess
    gateway: GatewayProcess
    settings: Mapping[str, str]
    folder: Path
    """Of the sample files."""
    stored: list[StoredFile] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Reasons, as the metrics call them."""

    def upload(
        self,
        heading: str,
        request: Request,
        name: str,
        token: str,
        change: Callable[[bytes], bytes] = lambda content: content,
    ) -> Answer:
        """Upload ``name``, and see that Mattermost has exactly what was sent, or what ``change``
        makes of that."""
        self.terminal.heading(heading)
        self.terminal.command(request.command)
        answer = send(self.gateway.url, request)
        expect(f"{name} is taken", holds=answer.status == 201, seen=answer)
        self.terminal.answer(201, "Created")
        stored = self.stored_by(answer, token)
        content = change((self.folder / name).read_bytes())
        sent = StoredFile(name, stored.content_type, len(content), sha256(content).hexdigest())
        expect(f"Mattermost has {sent}", holds=stored == sent, seen=stored)
        self.stored.append(stored)
        return answer

    def refusal(
        self, heading: str, request: Request, *, status: int, error_id: str, reason: str
    ) -> Answer:
        """Try what is refused, and see that nothing of it reaches Mattermost."""
        self.terminal.heading(heading)
        self.terminal.command(request.command)
        answer = self.refused_again(request, status=status, error_id=error_id, reason=reason)
        self.terminal.answer(status, error_id)
        self.terminal.quote(answer.json()["message"])
        return answer

    def refused_again(self, request: Request, *, status: int, error_id: str, reason: str) -> Answer:
        """The same without a word."""
        before = self._traces()
        answer = send(self.gateway.url, request)
        told = f"this is refused with {status} {error_id}"
        expect(told, holds=(answer.status, answer.error_id) == (status, error_id), seen=answer)
        after = self._traces()
        expect("nothing of it reached Mattermost", holds=after == before, seen=(before, after))
        self.refused.append(reason)
        return answer

    def stored_by(self, answer: Answer, token: str) -> StoredFile:
        """The one file of an upload's ``answer``, asked of Mattermost directly."""
        (info,) = answer.json()["file_infos"]
        path = f"/api/v4/files/{info['id']}"
        content = get(self.mattermost.url, path, token).body
        info = get(self.mattermost.url, f"{path}/info", token).json()
        return StoredFile(
            info["name"], info["mime_type"], info["size"], sha256(content).hexdigest()
        )

    def _traces(self) -> Any:
        """All that uploads leave behind in Mattermost, half-finished ones too."""
        state = self.mattermost.state()
        return [state[kind] for kind in ("uploads", "files", "orphans")]
