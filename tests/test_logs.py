"""Logs: one line for each event, whatever is in it, and never a reason to stop."""

import json
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.logs import Line, Log, capture_libraries


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with path.open("w") as file:
        yield Log("json", "info", file)


@pytest.fixture
def console(path: Path) -> Iterator[Log]:
    with path.open("w") as file:
        yield Log("console", "info", file)


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line(log: Log, path: Path) -> None:
    log.info("started", listen="127.0.0.1:80", workers=2, detail=None, nested={"a": [1, True]})
    (line,) = lines(path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "event": "started",
        "listen": "127.0.0.1:80",
        "workers": 2,
        "detail": None,
        "nested": {"a": [1, True]},
    }


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_levels(level: str, written: list[str], path: Path) -> None:
    with path.open("w") as file:
        log = Log("json", level, file)
        log.info("one")
        log.warning("two")
        log.error("three")
    assert [line["level"] for line in lines(path)] == written
    assert [name for name in ("info", "warning", "error") if log.enabled(name)] == written


ODD = {
    "line ends": "a\r\nb\u2028c\x85d\u2029e",
    "quotes": 'say "hello"\\',
    "colours": "\x1b[31mred",
    "a zero": "a\0b",
    "other scripts": "Größe 漢字 \N{WAVING HAND SIGN}",
    "a lone surrogate": "\udcff",
    "nothing": "",
    "a path": Path("/tmp"),
    "an exception": ValueError("a\nb"),
    "bytes": b"\xff",
    "a large number": 2**70,
    "a set": {1},
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_value_stays_on_its_line(kind: str, log: Log, path: Path) -> None:
    log.info("first", value=ODD[kind])
    log.info("second")
    raw = path.read_bytes()
    assert raw.count(b"\n") == 2
    assert len(raw.decode().splitlines()) == 2
    first, second = (json.loads(line) for line in raw.split(b"\n")[:2])
    assert second["event"] == "second"
    if isinstance(ODD[kind], str) and kind != "a lone surrogate":
        assert first["value"] == ODD[kind]


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_value_stays_on_its_line_on_a_console(kind: str, console: Log, path: Path) -> None:
    console.info("first", value=ODD[kind])
    console.info("second")
    raw = path.read_bytes()
    first, second, rest = raw.split(b"\n")
    assert b"first" in first
    assert b"second" in second
    assert rest == b""
    assert all(byte >= 0x20 for byte in first)
    assert len(first.decode().splitlines()) == 1


def test_a_line_on_a_console(console: Log, path: Path) -> None:
    console.warning(
        "request", path="/a", name="two words", n=1, d=0.12345678, x=None, e="a=b", empty="", l=[1]
    )
    line = path.read_text().rstrip()
    when, level, event, rest = line.split(maxsplit=3)
    assert when.endswith("Z")
    assert (level, event) == ("WARNING", "request")
    assert rest == 'path=/a name="two words" n=1 d=0.123457 x=null e="a=b" empty="" l=[1]'


def test_lines_of_many_threads_do_not_mix(log: Log, path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(50):
            log.info("event", number=number, filler="x" * 1000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(path)) == 400


def test_nobody_reads_the_log_any_more() -> None:
    """A broken pipe is no reason to refuse uploads."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as file:
        log = Log("json", "info", file)
        os.close(reader)
        log.info("still", here=True)


# What libraries say.


@pytest.fixture
def captured(log: Log) -> Iterator[Log]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    capture_libraries(log)
    yield log
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("captured")
def test_what_libraries_say_becomes_an_event(path: Path) -> None:
    logging.getLogger("some.library").warning("careful with %s", "that")
    logging.getLogger("some.library").critical("too late")
    first, second = lines(path)
    assert (first["event"], first["level"]) == ("library", "warning")
    assert (first["logger"], first["message"]) == ("some.library", "careful with that")
    assert second["level"] == "error"


@pytest.mark.usefixtures("captured")
def test_what_libraries_tell_only_the_curious_is_left_out(path: Path) -> None:
    """httpx logs each address that it asks, query and all."""
    logging.getLogger("httpx").info("HTTP Request: GET http://chat/?access_token=secret")
    logging.getLogger("asyncio").debug("anything")
    assert path.read_text() == ""


@pytest.mark.usefixtures("captured")
def test_an_exception_comes_with_its_traceback(path: Path) -> None:
    try:
        raise ValueError("a reason")
    except ValueError:
        logging.getLogger("some.library").exception("failed")
    (line,) = lines(path)
    assert "ValueError: a reason" in line["traceback"]
    assert "test_logs.py" in line["traceback"]


def test_what_is_written_together_comes_in_pieces_that_a_pipe_takes_whole() -> None:
    packets, stream = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    packets.settimeout(5)
    with packets, os.fdopen(stream.detach(), "w") as file:
        lines: list[Line] = [
            ("info", "request", {"number": number, "padding": "x" * 1000}) for number in range(20)
        ]
        Log("json", "info", file).write_together(lines)
        pieces = [packets.recv(65536) for _ in range(7)]
        assert all(len(piece) <= 4096 and piece.endswith(b"\n") for piece in pieces)
        numbers = [json.loads(line)["number"] for piece in pieces for line in piece.splitlines()]
        assert numbers == [*range(20)]
