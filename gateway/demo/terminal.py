"""How the demo looks in a terminal: text of at most ``width`` columns, coloured where wanted."""

import io
import os
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Self, TextIO

_NARROWEST = 60
_WIDEST = 96
_INDENT = "   "

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Writes the tour's parts, each in its own look."""

    def __init__(self, stream: TextIO, *, width: int, colour: bool) -> None:
        self._stream = stream
        self._width = width
        self._colour = colour

    @classmethod
    def on(cls, stream: TextIO, environ: Mapping[str, str] = os.environ) -> Self:
        """Coloured on a terminal, unless it is a dumb one or NO_COLOR is set (no-color.org)."""
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # rather "?" than no tour without UTF-8
        plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
        columns = shutil.get_terminal_size((88, 24)).columns
        width = min(max(columns, _NARROWEST), _WIDEST)
        return cls(stream, width=width, colour=stream.isatty() and not plain)

    def title(self, text: str) -> None:
        self._write("", self._styled(f" {text}", "bold"), f" {'═' * (self._width - 2)}")

    def chapter(self, number: int, text: str) -> None:
        rule = "─" * (self._width - len(text) - 7)
        self._write(
            "", f" {self._styled(f'{number}  {text}', 'bold')}  {self._styled(rule, 'dim')}"
        )

    def say(self, text: str) -> None:
        """A paragraph."""
        self._write("", *self._wrapped(text, _INDENT))

    def heading(self, text: str) -> None:
        """What the next lines are about."""
        self._write("", *(self._styled(line, "cyan") for line in self._wrapped(text, _INDENT)))

    def command(self, lines: Sequence[str]) -> None:
        """What one would type."""
        first, *rest = lines
        self._write(f"{_INDENT}{self._styled('$', 'dim')} {first}")
        self._write(*(f"{_INDENT}  {line}" for line in rest))

    def block(self, lines: Sequence[str]) -> None:
        """Lines to be copied as they are."""
        self._write(*(_INDENT + line for line in lines))

    def answer(self, status: int, text: str) -> None:
        style = "green" if status < 400 else "yellow"
        self._write(f"{_INDENT}{self._styled(str(status), 'bold', style)} {text}")

    def quote(self, text: str) -> None:
        """What somebody reads on their screen."""
        bar = self._styled("│", "yellow")
        self._write(*(f"{_INDENT}{bar} {line}" for line in self._wrapped(text, "", 5)))

    def fact(self, text: str) -> None:
        """Something that was told and has been checked."""
        self._mark("✓", "green", text)

    def failure(self, text: str) -> None:
        self._mark("✗", "red", text)

    def faint(self, text: str) -> None:
        """Something to glance at, broken where it must be."""
        for line in textwrap.wrap(text, self._width - 3, break_on_hyphens=False):
            self._write(_INDENT + self._styled(line, "dim"))

    def table(self, rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Columns as wide as they must be; those in ``right`` are flush right."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (
                cell.rjust(width) if number in right else cell.ljust(width)
                for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self._write(_INDENT + "  ".join(cells).rstrip())

    def gap(self) -> None:
        self._write("")

    def _mark(self, sign: str, style: str, text: str) -> None:
        first, *rest = self._wrapped(text, "", 5)
        self._write(f"{_INDENT}{self._styled(sign, 'bold', style)} {first}")
        self._write(*(f"{_INDENT}  {line}" for line in rest))

    def _wrapped(self, text: str, indent: str, margin: int = 0) -> list[str]:
        return textwrap.wrap(
            text, self._width - margin, initial_indent=indent, subsequent_indent=indent
        )

    def _styled(self, text: str, *styles: str) -> str:
        if not self._colour:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

    def _write(self, *lines: str) -> None:
        for line in lines:
            self._stream.write(line + "\n")
        self._stream.flush()
