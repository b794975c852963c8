"""The notice board in the ledger's file: short texts that each process puts up for all others."""

import sqlite3

SCHEMA = """
CREATE TABLE notices (
    name TEXT PRIMARY KEY,
    ends REAL NOT NULL,
    text TEXT NOT NULL
) WITHOUT ROWID;
"""

_POST = """
INSERT INTO notices VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET ends = excluded.ends, text = excluded.text
"""


class NoticeRows:
    """The notices within one transaction. Times are seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def post(self, name: str, text: str, ends: float) -> None:
        self._connection.execute(_POST, (name, ends, text))

    def read(self, prefix: str, now: float) -> dict[str, str]:
        """Those whose names begin with ``prefix``."""
        query = "SELECT name, text FROM notices WHERE substr(name, 1, ?) = ? AND ends > ?"
        return dict(self._connection.execute(query, (len(prefix), prefix, now)).fetchall())

    def prune(self, now: float) -> None:
        """Take down those whose time is over."""
        self._connection.execute("DELETE FROM notices WHERE ends <= ?", (now,))
