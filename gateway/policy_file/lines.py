"""In which line of a TOML document each of its keys and values begins.

``tomllib`` tells it of errors in the syntax only. What it has read without one is scanned here
again, so that what is wrong with the values can be told with a line as well.
"""

import re
import tomllib
from collections.abc import Mapping

Path = tuple[str | int, ...]
"""Keys, and the places of items in lists."""

_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_KEY = re.compile(
    r"""
    (?: [A-Za-z0-9_-]+ | "(?:\\.|[^"\\])*" | '[^']*' )
    (?: [ \t]*\.[ \t]* (?: [A-Za-z0-9_-]+ | "(?:\\.|[^"\\])*" | '[^']*' ) )*
    """,
    re.X,
)
_SCALAR = re.compile(
    r'''
    """ (?:\\.|[^\\])*? "{3,5} (?!")  |  \'\'\' .*? '{3,5} (?!')
    | "(?:\\.|[^"\\])*" | '[^']*' | [^,\]}#\n]+
    ''',
    re.X | re.S,
)


def lines_of(text: str) -> Mapping[Path, int]:
    """The line of each key and each item of ``text``, which is valid TOML; the first is 1."""
    return _Scan(text.replace("\r\n", "\n")).lines


def line_of(lines: Mapping[Path, int], path: Path) -> int | None:
    """The line of what is at ``path``, or else of what it is in."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)


class _Scan:
    """One pass over a document."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._tables: dict[Path, int] = {}
        """How many tables each array of tables has."""
        table: Path = ()
        self._take(_BLANK)
        while self._at < len(text):
            if text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._take(_BLANK)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        taken = match[0] if match else self._text[self._at :]
        self._at += len(taken)
        self._line += taken.count("\n")
        return taken

    def _skip(self, characters: int = 1) -> None:
        self._at += characters
        self._take(_BLANK)

    def _header(self) -> Path:
        line = self._line
        in_array = self._text.startswith("[[", self._at)
        self._skip(2 if in_array else 1)
        *outer, last = self._key()
        table: Path = ()
        for part in outer:
            self.lines.setdefault((*table, part), line)
            table = self._newest((*table, part))
        table = (*table, last)
        self.lines.setdefault(table, line)
        if in_array:
            self._tables[table] = self._tables.get(table, 0) + 1
            table = self._newest(table)
            self.lines[table] = line
        self._take(_BLANK)
        self._skip(2 if in_array else 1)
        return table

    def _newest(self, table: Path) -> Path:
        return (*table, self._tables[table] - 1) if table in self._tables else table

    def _key(self) -> list[str]:
        keys = []
        found = tomllib.loads(f"{self._take(_KEY)} = 0")
        while isinstance(found, dict):
            ((key, found),) = found.items()
            keys.append(key)
        return keys

    def _pair(self, table: Path) -> None:
        line = self._line
        path = table
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._take(_BLANK)
        self._skip()  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._text.startswith("[", self._at):
            self._list(path)
        elif self._text.startswith("{", self._at):
            self._inline_table(path)
        else:
            self._take(_SCALAR)

    def _list(self, path: Path) -> None:
        self._skip()
        number = 0
        while not self._closes("]"):
            self.lines[*path, number] = self._line
            self._value((*path, number))
            number += 1
            self._separator()
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._skip()
        while not self._closes("}"):
            self._pair(path)
            self._separator()
        self._at += 1

    def _closes(self, bracket: str) -> bool:
        return self._text.startswith(bracket, self._at) or self._at >= len(self._text)

    def _separator(self) -> None:
        self._take(_BLANK)
        if self._text.startswith(",", self._at):
            self._skip()
