"""Requests, each as one would type it for curl and as the demo sends it."""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT = 10.0
_BOUNDARY = "------------------------d8b5cd7e1f3a"
_CURLS_LABEL = "application/x-www-form-urlencoded"
"""What curl calls every body unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Request:
    """``command`` is what one would type, the rest is what is sent."""

    command: tuple[str, ...]
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    body_stays_here: bool = False
    """Announce the body and ask before sending it, as curl does with more than 1 MiB. Only for
    requests that are answered without it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error_id(self) -> str:
        return str(self.json().get("id", ""))


class Unanswered(Exception):
    """A request was not answered; the text says why."""


def send(url: str, request: Request) -> Answer:
    """Send ``request`` to the server at ``url``. Raises Unanswered."""
    try:
        return _send(url, request)
    except (OSError, http.client.HTTPException) as error:
        told = f"{request.method} {url}{request.target} was not answered"
        raise Unanswered(f"{told}: {error or type(error).__name__}") from error


def _send(url: str, request: Request) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    with closing(connection):
        connection.putrequest(request.method, parts.path + request.target)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        if request.body:
            connection.putheader("Content-Length", str(len(request.body)))
        if request.body_stays_here:
            connection.putheader("Expect", "100-continue")
        connection.endheaders(None if request.body_stays_here else request.body or None)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())


def get(url: str, target: str, token: str) -> Answer:
    """A GET of which the tour shows no command."""
    return send(url, Request((), "GET", target, {"Authorization": f"Bearer {token}"}))


def ask(url: str, target: str) -> Request:
    """A GET by somebody who needs no login; ``url`` is what the command calls the server."""
    return Request((f"curl {url}{target}",), "GET", target)


def login(username: str, password: str) -> Request:
    document = json.dumps({"login_id": username, "password": password})
    command = ("curl -i $GATEWAY/api/v4/users/login \\", f"     -d '{document}'")
    headers = {"Content-Type": _CURLS_LABEL}
    return Request(command, "POST", "/api/v4/users/login", headers, document.encode())


@dataclass(frozen=True, slots=True)
class Uploader:
    """Somebody who uploads the files of ``folder`` into a channel."""

    folder: Path
    token: str
    channel_id: str
    variable: str = "AUTH"
    """What the commands call the header with the token."""

    @property
    def authorization(self) -> str:
        return f"Bearer {self.token}"

    def variables(self, gateway_url: str) -> dict[str, str]:
        """What the commands expect in the shell's environment."""
        return {
            "GATEWAY": gateway_url,
            self.variable: f"Authorization: {self.authorization}",
            "CHANNEL": self.channel_id,
        }

    def as_form(self, name: str, content_type: str) -> Request:
        """The way of browsers and apps."""
        start = (
            f"--{_BOUNDARY}\r\n"
            'Content-Disposition: form-data; name="channel_id"\r\n\r\n'
            f"{self.channel_id}\r\n"
            f"--{_BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        )
        content = (self.folder / name).read_bytes()
        return Request(
            command=(
                f'curl $GATEWAY/api/v4/files -H "${self.variable}" \\',
                f"     -F channel_id=$CHANNEL -F files=@{name}",
            ),
            method="POST",
            target="/api/v4/files",
            headers={
                "Authorization": self.authorization,
                "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
            },
            body=start.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode(),
        )

    def raw(
        self,
        name: str,
        *,
        content_type: str = "",
        path: str = "/api/v4/files",
        logged_in: bool = True,
    ) -> Request:
        """The way of scripts: the file is the whole body."""
        headers = {"Content-Type": content_type or _CURLS_LABEL}
        options = ""
        if logged_in:
            headers["Authorization"] = self.authorization
            options += f'-H "${self.variable}" '
        if content_type:
            options += f"-H content-type:{content_type} "
        return Request(
            command=(
                f'curl "$GATEWAY{path}?channel_id=$CHANNEL&filename={name}" \\',
                f"     {options}--data-binary @{name}",
            ),
            method="POST",
            target=f"{path}?channel_id={self.channel_id}&filename={name}",
            headers=headers,
            body=(self.folder / name).read_bytes(),
        )
