"""How a line of the log is written: for programs that collect logs, and for people.

No format lets a value end its line or pass for another field, whatever a client sends.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

Fields = dict[str, object]
Render = Callable[[str, str, str, Fields], bytes]
"""Time (RFC 3339), level, event, and what else there is to say → a line, without its end."""

REQUEST = "request"
"""The event of which each request has one."""

# JSON leaves them as they are, and some readers of logs take them for ends of lines.
_LINE_ENDS = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)


class Format(NamedTuple):
    """A way of writing lines."""

    render: Render
    tells_visitor: bool = False
    """Whether lines of requests have ``protocol``, ``referer`` and ``user_agent``."""
    others: Render | None = None
    """For events that are no requests, which then go to standard error."""


class Clock:
    """Tells the time in RFC 3339 with milliseconds; formatted once for each."""

    def __init__(self) -> None:
        self._second = 0
        self._formatted = ""
        self._millisecond = -1
        self._told = ""

    def now(self) -> str:
        millisecond = int(time.time() * 1000)
        if millisecond == self._millisecond:
            return self._told
        self._millisecond = millisecond
        second, fraction = divmod(millisecond, 1000)
        if second != self._second:
            self._second = second
            self._formatted = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._told = f"{self._formatted}.{fraction:03d}Z"
        return self._told


def encoded(document: object) -> bytes:
    """``document`` as JSON on one line."""
    try:
        line = orjson.dumps(document, str)
    except orjson.JSONEncodeError:  # a lone surrogate in what a client sent
        return json.dumps(document, default=str, separators=(",", ":")).encode()
    if not line.isascii():
        for end, escaped in _LINE_ENDS:
            line = line.replace(end, escaped)
    return line


def _json(when: str, level: str, event: str, fields: Fields) -> bytes:
    # Joined as text: to copy the fields costs half as much as to write them.
    beginning = f'{{"time":"{when}","level":"{level}","event":"{event}"'.encode()
    return beginning + (b"," + encoded(fields)[1:] if fields else b"}")


def _console(when: str, level: str, event: str, fields: Fields) -> bytes:
    shown = " ".join(f"{name}={_plain(value)}" for name, value in fields.items())
    return f"{when} {level.upper():7} {event} {shown}".rstrip().encode()


def _plain(value: object) -> str:
    """A value on one line: quoted where it could be mistaken for something else."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        bare = value.isascii() and value.isprintable() and value and not set(value) & set(' "=')
        return value if bare else json.dumps(value, ensure_ascii=not value.isprintable())
    return json.dumps(value, default=str)


def _logfmt(when: str, level: str, event: str, fields: Fields) -> bytes:
    """Names of what is in something else have both names, as in ``files.0.name``."""
    document = {"time": when, "level": level, "event": event, **fields}
    return " ".join(f"{name}={_plain(value)}" for name, value in _flat(document)).encode()


def _flat(document: Fields, prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in document.items():
        name = prefix + key
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list):
            yield from _flat({str(number): item for number, item in enumerate(value)}, f"{name}.")
        elif value is None or isinstance(value, str | int | float):
            yield name, value
        else:
            yield name, str(value)


ECS_VERSION = "8.17.0"
ECS_NAMES = {
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "user_id": "user.id",
    "bytes_received": "http.request.body.bytes",
    "bytes_sent": "http.response.body.bytes",
    "protocol": "http.version",
    "referer": "http.request.referrer",
    "user_agent": "user_agent.original",
    "detail": "error.message",
    "traceback": "error.stack_trace",
    "logger": "log.logger",
    "message": "message",
}
"""Names in the Elastic Common Schema (https://www.elastic.co/docs/reference/ecs); others are put
under ``upload_gateway``."""


def _ecs(when: str, level: str, event: str, fields: Fields) -> bytes:
    document: Fields = {
        "@timestamp": when,
        "log.level": level,
        "message": event,
        "ecs.version": ECS_VERSION,
        "service.name": "mattermost-upload-gateway",
        "event.dataset": "upload_gateway.log",
        "event.action": event,
    }
    for name, value in fields.items():
        document[ECS_NAMES.get(name, f"upload_gateway.{name}")] = value
    if event == REQUEST:
        _describe_request(document, fields)
    return encoded(document)


def _describe_request(document: Fields, fields: Fields) -> None:
    document["message"] = f"{fields['method']} {fields['path']} {fields['status']}"
    document["event.dataset"] = "upload_gateway.access"
    document["event.category"] = ["web"]
    document["event.outcome"] = "success" if fields["outcome"] == "accepted" else "failure"
    document["event.duration"] = int(float(str(fields["duration"])) * 1e9)
    client = document.pop("upload_gateway.client")
    document["client.address"] = client
    if client != "unknown":
        document["client.ip"] = client
    document["http.version"] = str(fields.get("protocol", "")).removeprefix("HTTP/")


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNSAFE = re.compile(r'[^ -~]|["\\]')


def _combined(when: str, _level: str, _event: str, fields: Fields) -> bytes:
    """Apache's "combined", with nginx' escapes: no quotation mark is within quotation marks."""
    day = f"{when[8:10]}/{_MONTHS[int(when[5:7]) - 1]}/{when[:4]}:{when[11:19]} +0000"
    method = fields["method"]
    asked = f"{method} {fields['path']} {fields.get('protocol', '-')}" if method else "-"
    client, user, asked, referer, agent = map(
        _safe,
        (
            fields["client"],
            fields.get("user_id") or "-",
            asked,
            fields.get("referer") or "-",
            fields.get("user_agent") or "-",
        ),
    )
    answer = f"{fields['status']} {fields.get('bytes_sent', '-')}"
    return f'{client} - {user} [{day}] "{asked}" {answer} "{referer}" "{agent}"'.encode()


def _safe(value: object) -> str:
    """What came as bytes is in Latin-1 here, and each byte that is not plain is escaped."""
    text = str(value).encode("latin-1", "backslashreplace").decode("latin-1")
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02X}", text)


FORMATS = {
    "json": Format(_json),
    "console": Format(_console),
    "logfmt": Format(_logfmt),
    "ecs": Format(_ecs, tells_visitor=True),
    "combined": Format(_combined, tells_visitor=True, others=_console),
}
