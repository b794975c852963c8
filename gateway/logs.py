"""Logs: one line per event on standard output, in one of several formats.

The fields of a line never hold secrets: callers pass what may be shown, and this module has no
access to requests.
"""

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from traceback import format_exception
from typing import TextIO

from gateway.log_formats import FORMATS, REQUEST, Clock, Fields

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_PIECE = 4096
"""Bytes that a pipe takes in one piece whatever else is written to it (PIPE_BUF, pipe(7))."""


Line = tuple[str, str, Fields]
"""Level, event, and what else there is to say."""


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
        self._clock = Clock()

    def enabled(self, level: str) -> bool:
        return LEVELS[level] >= self._threshold

    def write(self, level: str, event: str, fields: Fields) -> None:
        if not self.enabled(level):
            return
        if self._format.others is not None and event != REQUEST:
            line = self._format.others(self._clock.now(), level, event, fields)
            self._put([line], self._others.fileno())
            return
        self.write_together([(level, event, fields)])

    def write_together(self, lines: Sequence[Line]) -> None:
        """Write ``lines`` of requests that are ``enabled``, in pieces of several."""
        now, render = self._clock.now(), self._render
        piece: list[bytes] = []
        room = _PIECE
        for level, event, fields in lines:
            line = render(now, level, event, fields)
            room -= len(line) + 1
            if room < 0 and piece:
                self._put(piece, self._descriptor)
                piece, room = [], _PIECE - len(line) - 1
            piece.append(line)
        if piece:
            self._put(piece, self._descriptor)

    def _put(self, lines: list[bytes], descriptor: int) -> None:
        with suppress(OSError):  # if nobody reads the log any more, uploads go on
            os.write(descriptor, b"\n".join([*lines, b""]))

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
