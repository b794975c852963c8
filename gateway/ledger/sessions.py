"""Upload sessions in the ledger's file: what each holds, and a note for whoever continues it.

A session belongs to no process. What all sessions hold together of an account is one row of
``held``, under an owner of their own, so that to know an account's usage costs the same however
many sessions are open. Each one's share is in its own row, which outlives its expiry for as long
as its windows are kept: bytes that were stored are booked even if the session expired meanwhile.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence

from gateway.ledger.book import Slot
from gateway.ledger.quotas import charge

SESSIONS = 0
"""The owner of what sessions hold; it has no lease."""

SCHEMA = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    renewed REAL NOT NULL,
    ttl REAL NOT NULL,
    note TEXT, -- NULL once expired
    due INTEGER NOT NULL, -- bytes to be booked when it expires
    ends INTEGER NOT NULL, -- of its last window
    held TEXT NOT NULL -- [[end, start, key, amount], ...] in JSON
) WITHOUT ROWID;
"""

_EXPIRED_AT_ONCE = 1000
_MONTH = 31 * 86_400
_ADD_HELD = """
INSERT INTO held VALUES (?, ?, ?, ?, ?)
ON CONFLICT (ends, starts, key, owner) DO UPDATE SET bytes = bytes + excluded.bytes
"""
_DROP_EMPTY = """
DELETE FROM held WHERE ends = ? AND starts = ? AND key = ? AND owner = ? AND bytes <= 0
"""
_ALIVE = "id = ? AND note IS NOT NULL AND renewed + ttl > ?"

_KEEP = f"""
UPDATE sessions SET note = ?, renewed = ?, due = coalesce(?, due) WHERE {_ALIVE} AND note = ?
"""  # noqa: S608 - a constant


class SessionRows:
    """The sessions within one transaction. Times are seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def open(
        self,
        session_id: str,
        amounts: Sequence[tuple[Slot, int]],
        *,
        note: str,
        now: float,
        ttl: float,
    ) -> None:
        """A new session that holds ``amounts``, for ``ttl`` seconds unless it is kept."""
        self.end(session_id)  # none has this id, but for an accident
        # What a quota without an end would keep for ever is kept for a month.
        later = int(now + ttl) + _MONTH
        ends = max((min(slot[0], later) for slot, _ in amounts), default=0)
        held = json.dumps([(*slot, amount) for slot, amount in amounts])
        self._connection.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?, 0, ?, ?)",
            (session_id, now, ttl, note, ends, held),
        )
        self._hold(amounts)

    def note(self, session_id: str, now: float) -> str | None:
        """The note of a session that has not expired."""
        query = f"SELECT note FROM sessions WHERE {_ALIVE}"  # noqa: S608 - a constant
        row = self._connection.execute(query, (session_id, now)).fetchone()
        return None if row is None else str(row[0])

    def keep(self, session_id: str, note: str, *, was: str, due: int | None, now: float) -> bool:
        """Renew a session and replace its note; False if it expired or its note is another.

        ``due`` bytes are booked should it expire; None leaves that as it was.
        """
        cursor = self._connection.execute(_KEEP, (note, now, due, session_id, now, was))
        return cursor.rowcount == 1

    def renew(self, session_ids: Collection[str], now: float) -> None:
        """Nothing to those that have expired."""
        self._connection.executemany(
            f"UPDATE sessions SET renewed = ? WHERE {_ALIVE}",  # noqa: S608 - a constant
            [(now, session_id, now) for session_id in session_ids],
        )

    def end(self, session_id: str) -> list[Slot]:
        """Forget a session, expired or not. Returns whom to charge; nobody the second time."""
        row = self._connection.execute(
            "SELECT held, note IS NULL FROM sessions WHERE id = ?", (session_id,)
        ).fetchone()
        if row is None:
            return []
        self._connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
        amounts, expired = _amounts(row[0]), row[1]
        if not expired:
            self._release(amounts)
        return [slot for slot, _ in amounts]

    def expire(self, now: float) -> list[tuple[Slot, int]]:
        """End those whose time is over, some at once, and release what they held.

        Returns the amounts to be booked.
        """
        execute = self._connection.execute
        # A clock that was put back must not make the time of a session longer.
        execute("UPDATE sessions SET renewed = ? WHERE renewed > ?", (now, now))
        rows = execute(
            "SELECT id, held, due FROM sessions WHERE note IS NOT NULL AND renewed + ttl <= ?"
            " LIMIT ?",
            (now, _EXPIRED_AT_ONCE),
        ).fetchall()
        booked = []
        for session_id, held, due in rows:
            if due:
                booked += charges(self.end(session_id), due, 1)
            else:
                execute("UPDATE sessions SET note = NULL WHERE id = ?", (session_id,))
                self._release(_amounts(held))
        return booked

    def prune(self, before: float) -> None:
        """Forget expired ones whose windows ended before."""
        self._connection.execute("DELETE FROM sessions WHERE note IS NULL AND ends <= ?", (before,))

    def _hold(self, amounts: Sequence[tuple[Slot, int]]) -> None:
        rows = [(*slot, SESSIONS, amount) for slot, amount in amounts]
        self._connection.executemany(_ADD_HELD, rows)

    def _release(self, amounts: Sequence[tuple[Slot, int]]) -> None:
        self._hold([(slot, -amount) for slot, amount in amounts])
        self._connection.executemany(_DROP_EMPTY, [(*slot, SESSIONS) for slot, _ in amounts])


def charges(slots: Sequence[Slot], stored: int, files: int) -> list[tuple[Slot, int]]:
    """What is booked to each of ``slots``, where that is anything."""
    amounts = [(slot, charge(slot[2], stored, files)) for slot in slots]
    return [(slot, amount) for slot, amount in amounts if amount]


def _amounts(held: str) -> list[tuple[Slot, int]]:
    return [((end, start, key), amount) for end, start, key, amount in json.loads(held)]
