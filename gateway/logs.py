"""Logs: one line per event on standard output, in one of several formats.

The fields of a line never hold secrets: callers pass what may be shown, and this module has no
access to requests.
"""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from traceback import format_exception
from typing import TextIO

from gateway.log_formats import FORMATS, REQUEST, Clock, Fields

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_PIECE = 4096
"""Bytes that a pipe takes in one piece whatever else is written to it (PIPE_BUF, pipe(7))."""


class Log:
    """Writes events of ``level`` and above, the lines of several processes kept apart."""

    def __init__(
        self,
        format_: str,
        level: str,
        stream: TextIO = sys.stdout,
        others: TextIO = sys.stderr,
    ) -> None:
        """``others`` gets what is no request, where the format is one for requests alone."""
        self._format = FORMATS[format_]
        self.tells_visitor = self._format.tells_visitor
        """Whether lines of requests tell what the client says of itself."""
        self._render = self._format.render
        self._others = others
        self._threshold = LEVELS[level]
        self._stream = stream  # kept: once closed, its descriptor is somebody else's
        self._descriptor = stream.fileno()
        self._waiting: list[tuple[str, str, Fields]] = []
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        self._clock = Clock()

    def enabled(self, level: str) -> bool:
        return LEVELS[level] >= self._threshold

    def write(self, level: str, event: str, fields: dict[str, object]) -> None:
        if LEVELS[level] < self._threshold:
            return
        if self._format.others is not None and event != REQUEST:
            line = self._format.others(self._clock.now(), level, event, fields)
            self._put(line + b"\n", self._others.fileno())
            return
        self._waiting.append((level, event, fields))
        self.flush()

    def gather_with(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """From now on write what comes in one round of the event loop in one piece."""
        self._call_soon = call_soon

    def write_soon(self, level: str, event: str, fields: dict[str, object]) -> None:
        """As ``write``, but at the end of the event loop's present round."""
        if LEVELS[level] < self._threshold:
            return
        if self._call_soon is None:
            self.write(level, event, fields)
            return
        if not self._waiting:
            self._call_soon(self.flush)
        self._waiting.append((level, event, fields))

    def flush(self) -> None:
        """Write what waits, in whole lines."""
        waiting, self._waiting = self._waiting, []
        # One after the other, they cost less than each on its own where it comes up.
        now, render = self._clock.now(), self._render
        piece = b""
        for level, event, fields in waiting:
            line = render(now, level, event, fields) + b"\n"
            if piece and len(piece) + len(line) > _PIECE:
                self._put(piece, self._descriptor)
                piece = b""
            piece += line
        if piece:
            self._put(piece, self._descriptor)

    def _put(self, piece: bytes, descriptor: int) -> None:
        with suppress(OSError):  # if nobody reads the log any more, uploads go on
            os.write(descriptor, piece)

    def info(self, event: str, **fields: object) -> None:
        self.write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self.write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self.write("error", event, fields)


class LibraryHandler(logging.Handler):
    """What libraries say through ``logging`` comes out as events of the same log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1]:
            fields["traceback"] = "".join(format_exception(record.exc_info[1]))
        level = "error" if record.levelno >= 40 else "warning" if record.levelno >= 30 else "info"
        self._log.write(level, "library", fields)


def capture_libraries(log: Log) -> None:
    """Route the standard library's logging into ``log``."""
    root = logging.getLogger()
    root.handlers = [LibraryHandler(log)]
    root.setLevel(logging.WARNING)
