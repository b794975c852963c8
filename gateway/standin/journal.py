"""What has come in so far: the proof of what a gateway in front did and did not send."""

import hashlib
import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from gateway.standin.go.urls import TargetError, clean_path, parse_target

_RECENT: Final = 1000
_ID: Final = re.compile(r"(?<=/)[a-z0-9]{26}(?=/|$)")
_UPLOADS: Final = re.compile(
    r"POST (/\w+)?/api/v4/"
    r"(files|uploads/\{id\}|license|license/preview|(saml|ldap)/certificate/\w+"
    r"|audit_logs/certificate|brand/image|plugins|emoji|users/(\{id\}|me)/image"
    r"|teams/\{id\}/(image|import)|bots/\{id\}/icon|remotecluster/(upload/\{id\}|\{id\}/image))"
)


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    field: str
    name: str
    size: int
    sha256: str


@dataclass(slots=True)
class Entry:
    """One request. ``body_bytes`` counts what has arrived of its body, read or not."""

    endpoint: str
    """Method and whole path, ids replaced: ``GET /api/v4/files/{id}/info``."""
    target: str
    headers: Sequence[tuple[str, str]]
    body_bytes: int = 0
    status: int | None = None
    files: list["ReceivedFile"] = field(default_factory=list)
    """What a form that is read whole brought, kept by Mattermost or not."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """The other fields of such a form."""

    def note_file(self, form_field: str, name: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.files.append(ReceivedFile(form_field, name, len(content), digest))

    def as_json(self) -> dict[str, object]:
        return {
            "endpoint": self.endpoint,
            "target": self.target,
            "headers": self.headers,
            "body_bytes": self.body_bytes,
            "status": self.status,
            "files": [asdict(file) for file in self.files],
            "values": self.values,
        }


class Journal:
    def __init__(self) -> None:
        self._recent: deque[Entry] = deque(maxlen=_RECENT)
        self._uploads: deque[Entry] = deque(maxlen=_RECENT)
        self._requests: Counter[str] = Counter()
        self.connections_opened = 0
        self.connections_open = 0
        """Of HTTP; WebSockets are not counted."""

    def begin(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> Entry:
        entry = Entry(
            endpoint=_endpoint(method, target),
            target=target.decode("latin-1"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
        )
        if not entry.target.startswith("/standin/"):
            self._recent.append(entry)
            self._requests[entry.endpoint] += 1
            if _UPLOADS.fullmatch(entry.endpoint):
                self._uploads.append(entry)
        return entry

    def reset(self) -> None:
        self._recent.clear()
        self._uploads.clear()
        self._requests.clear()
        self.connections_opened = 0

    def as_json(self) -> dict[str, object]:
        return {
            "requests": dict(self._requests),
            "recent": [entry.as_json() for entry in self._recent],
            "uploads": [entry.as_json() for entry in self._uploads],
            "connections": {"opened": self.connections_opened, "open": self.connections_open},
        }


def _endpoint(method: str, target: bytes) -> str:
    try:
        path, _ = parse_target(target)
    except TargetError:
        path = target.decode("latin-1")
    return f"{method} {_ID.sub('{id}', clean_path(path))}"
