"""The ledger's SQLite file, spoken to synchronously and without ever waiting.

``used`` has what is stored, ``held`` what the processes (owners) hold for running uploads,
``owners`` their leases, ``sessions`` the upload sessions, and ``notices`` what processes tell each
other. What an owner holds that is due is
held by its negative, which has a lease of its own, so that gateways that know nothing of this see
one more owner. When such a lease ends, what was due is booked, and remembered in ``lapsed``, in
case that its owner lives and settles it after all. A commit is one append to the
write-ahead log without an fsync (``synchronous=NORMAL``): what is committed survives the death of
the process; a power cut can take back the commits since the last checkpoint, and leaves a
consistent file.

sqlite3.Error and OSError end here, as :class:`LedgerBusy` or :class:`LedgerUnavailable`.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.ledger.book import Slot
from gateway.ledger.notices import SCHEMA as NOTICES_SCHEMA
from gateway.ledger.notices import NoticeRows
from gateway.ledger.quotas import LedgerUnavailable, Usage
from gateway.ledger.sessions import SCHEMA as SESSIONS_SCHEMA
from gateway.ledger.sessions import SESSIONS, SessionRows

_VERSION = 4
# A commit writes whole pages to the log. Rows are short, so small pages halve its cost.
_PAGE_SIZE = 1024
# Checkpoint once the log is this long, in bytes.
_LONG_LOG = 8 * 2**20
_PRUNED_AT_ONCE = 1000

_SCHEMA = """
CREATE TABLE owners (
    owner INTEGER PRIMARY KEY,
    renewed REAL NOT NULL,
    lease REAL NOT NULL
);
CREATE TABLE used (
    ends INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    key TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (ends, starts, key)
) WITHOUT ROWID;
CREATE TABLE held (
    ends INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    key TEXT NOT NULL,
    owner INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (ends, starts, key, owner)
) WITHOUT ROWID;
"""

_LAPSED_SCHEMA = """
CREATE TABLE lapsed (
    owner INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    starts INTEGER NOT NULL,
    key TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    lapsed REAL NOT NULL,
    PRIMARY KEY (owner, ends, starts, key)
) WITHOUT ROWID;
"""

_MISSING = {
    0: _SCHEMA + SESSIONS_SCHEMA + _LAPSED_SCHEMA + NOTICES_SCHEMA,
    1: SESSIONS_SCHEMA + _LAPSED_SCHEMA + NOTICES_SCHEMA,
    2: _LAPSED_SCHEMA + NOTICES_SCHEMA,
    3: NOTICES_SCHEMA,
}
"""What files of older versions lack; an empty one has version 0."""

_USAGE = """
SELECT (SELECT bytes FROM used WHERE ends = ? AND starts = ? AND key = ?),
       (SELECT sum(bytes) FROM held WHERE ends = ? AND starts = ? AND key = ? AND abs(owner) != ?)
"""
_ADD_USED = """
INSERT INTO used VALUES (?, ?, ?, ?)
ON CONFLICT (ends, starts, key) DO UPDATE SET bytes = bytes + excluded.bytes
"""
_SET_USED = """
INSERT INTO used VALUES (?, ?, ?, ?)
ON CONFLICT (ends, starts, key) DO UPDATE SET bytes = excluded.bytes
"""
_TAKE_FROM_USED = """
UPDATE used SET bytes = max(bytes - ?, 0) WHERE ends = ? AND starts = ? AND key = ?
"""
_ENTRIES = """
SELECT ends, starts, key, sum(used), sum(held) FROM (
    SELECT ends, starts, key, bytes AS used, 0 AS held FROM used
    UNION ALL SELECT ends, starts, key, 0, bytes FROM held
) WHERE ends > ? GROUP BY ends, starts, key
"""
_SET_HELD = """
INSERT INTO held VALUES (?, ?, ?, ?, ?)
ON CONFLICT (ends, starts, key, owner) DO UPDATE SET bytes = excluded.bytes
"""
_DROP_HELD = "DELETE FROM held WHERE ends = ? AND starts = ? AND key = ? AND owner = ?"
_LEASES = "SELECT min(renewed + lease), max(renewed), max(owner = ?) FROM owners WHERE owner > 0"
_RENEW = """
INSERT INTO owners VALUES (?, ?, ?)
ON CONFLICT (owner) DO UPDATE SET renewed = excluded.renewed, lease = excluded.lease
"""
_ORPHANED = f"held.owner NOT IN (SELECT owner FROM owners) AND held.owner != {SESSIONS}"  # noqa: S608 - a constant
_ORPHANED_DUE = f"""
SELECT owner, ends, starts, key, bytes FROM held WHERE owner < 0 AND {_ORPHANED}
"""  # noqa: S608 - a constant
_DROP_ORPHANED = f"DELETE FROM held WHERE {_ORPHANED}"  # noqa: S608 - a constant
_ADD_LAPSED = """
INSERT INTO lapsed VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, ends, starts, key) DO UPDATE SET bytes = bytes + excluded.bytes
"""
_LAPSED = "SELECT bytes, ends, starts, key FROM lapsed WHERE owner = ?"
_PRUNE = f"""
DELETE FROM used WHERE (ends, starts, key) IN
    (SELECT ends, starts, key FROM used WHERE ends <= ? LIMIT {_PRUNED_AT_ONCE})
"""  # noqa: S608 - a constant


class Renewal(NamedTuple):
    """What came of renewing a lease."""

    was_held: bool
    """False if it had been ended, now or before."""
    lapsed: list[tuple[str, int]]
    """Keys to which something was booked that was due from owners whose lease ended."""


class LedgerBusy(Exception):
    """Another process is writing; a moment later it may work."""


class LedgerFile:
    """One connection, opened when it is needed and opened anew after trouble."""

    def __init__(self, path: Path) -> None:
        self._file = path.resolve()
        self._path = str(self._file)
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)

    @contextmanager
    def transaction(self, owner: int) -> Iterator["Transaction"]:
        """All that ``owner`` does inside is written, or nothing is.

        Raises LedgerBusy or LedgerUnavailable, at once.
        """
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            yield Transaction(connection, owner)
            connection.execute("COMMIT")
        except BaseException as error:
            if _is_busy(error):  # only BEGIN can be, and has nothing to roll back
                raise LedgerBusy from error
            self.close()  # which rolls back
            if isinstance(error, sqlite3.Error | OSError):
                raise LedgerUnavailable(
                    f"the quota ledger {self._path} cannot be used: {error}"
                ) from error
            raise

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _connected(self) -> sqlite3.Connection:
        """The connection to the file that is at the path now."""
        if self._connection is not None:
            with contextlib.suppress(FileNotFoundError):
                found = os.stat(self._path)  # noqa: PTH116 - on the path of every upload
                if (found.st_dev, found.st_ino) == self._identity:
                    return self._connection
            self.close()
        with _locked(self._file.parent):
            _create(self._file)
            connection = _connect(self._file, patience=0)
            try:
                _prepare(connection)
                found = self._file.stat()
            except BaseException:
                connection.close()
                raise
        self._connection, self._identity = connection, (found.st_dev, found.st_ino)
        return connection

    def entries(self, now: float) -> list[tuple[Slot, Usage]]:
        """All accounts in windows that have not ended, as they were last written: for another
        thread, on a connection of its own, since there may be very many.

        Raises LedgerUnavailable.
        """
        try:
            with contextlib.closing(_connect(self._file, patience=1.0)) as connection:
                rows = connection.execute(_ENTRIES, (now,)).fetchall()
        except sqlite3.Error as error:
            raise LedgerUnavailable(
                f"the quota ledger {self._path} cannot be read: {error}"
            ) from error
        return [((end, start, key), Usage(used, held)) for end, start, key, used, held in rows]

    def log_is_long(self) -> bool:
        """Whether :meth:`checkpoint` is due."""
        try:
            return _beside(self._file, "-wal").stat().st_size > _LONG_LOG
        except OSError:
            return False

    def checkpoint(self) -> None:
        """Copy the log into the file, with fsyncs: for another thread, on a connection of its own.

        Trouble is left to those who write, and tell somebody.
        """
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(_connect(self._file, patience=1.0)) as connection,
        ):
            if _version(connection) != _VERSION:
                return  # somebody is making a new file
            # Most is copied while others write, so that TRUNCATE locks them out for little.
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            # The first commit in an empty log syncs the log's header. Make it here.
            connection.execute(f"PRAGMA user_version = {_VERSION}")


class Transaction:
    """What an owner can ask and tell inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, owner: int) -> None:
        self._connection = connection
        self._owner = owner
        self._usages: dict[Slot, Usage] = {}

    def usage(self, slot: Slot) -> Usage:
        """What was stored, and held by other owners, when this began.

        Sessions that were touched since then count as they are now.
        """
        usage = self._usages.get(slot)
        if usage is None:
            row = self._connection.execute(_USAGE, (*slot, *slot, self._owner)).fetchone()
            usage = self._usages[slot] = Usage(row[0] or 0, row[1] or 0)
        return usage

    @property
    def sessions(self) -> SessionRows:
        """Upload sessions; to touch them can change what was read before."""
        self._usages.clear()
        return SessionRows(self._connection)

    @property
    def notices(self) -> NoticeRows:
        return NoticeRows(self._connection)

    def add_used(self, amounts: Sequence[tuple[Slot, int]]) -> None:
        if amounts:
            self._connection.executemany(_ADD_USED, [(*slot, amount) for slot, amount in amounts])

    def set_used(self, slot: Slot, amount: int) -> None:
        self._connection.execute(_SET_USED, (*slot, amount))
        # What has lapsed counts in no other way any more.
        forget = "DELETE FROM lapsed WHERE ends = ? AND starts = ? AND key = ?"
        self._connection.execute(forget, slot)

    def set_held(self, amounts: Sequence[tuple[Slot, int]]) -> None:
        """What the owner holds and is not due."""
        self._set_held(self._owner, amounts)

    def set_due(self, amounts: Sequence[tuple[Slot, int]]) -> None:
        """What the owner holds that is due."""
        self._set_held(-self._owner, amounts)

    def _set_held(self, owner: int, amounts: Sequence[tuple[Slot, int]]) -> None:
        if not amounts:
            return
        if some := [(*slot, owner, amount) for slot, amount in amounts if amount]:
            self._connection.executemany(_SET_HELD, some)
        if none := [(*slot, owner) for slot, amount in amounts if not amount]:
            self._connection.executemany(_DROP_HELD, none)

    def leases_are_fine(self, now: float) -> bool:
        """Whether the owner has a lease and all leases run now."""
        ends, renewed, known = self._connection.execute(_LEASES, (self._owner,)).fetchone()
        return bool(known) and renewed <= now < ends

    def renew(self, now: float, lease: float) -> Renewal:
        """Renew the owner's lease, end those that ran out, book or release what they held."""
        owner = self._owner
        self._usages.clear()
        execute = self._connection.execute
        # A clock that was put back must not make the leases of dead owners longer.
        execute("UPDATE owners SET renewed = ? WHERE renewed > ?", (now, now))
        execute("DELETE FROM owners WHERE renewed + lease <= ?", (now,))
        known = execute("SELECT 1 FROM owners WHERE owner = ?", (owner,)).fetchone()
        for number in (owner, -owner):
            execute(_RENEW, (number, now, lease))
        if known is None:
            self._take_back(-owner)
        lapsed = self._book_orphaned(now)
        execute(_DROP_ORPHANED)
        return Renewal(known is not None, lapsed)

    def _book_orphaned(self, now: float) -> list[tuple[str, int]]:
        rows = self._connection.execute(_ORPHANED_DUE).fetchall()
        if rows:
            self._connection.executemany(_ADD_USED, [row[1:] for row in rows])
            self._connection.executemany(_ADD_LAPSED, [(*row, now) for row in rows])
        return [(key, amount) for *_, key, amount in rows]

    def _take_back(self, owner: int) -> None:
        """``owner`` lives, and holds what was booked."""
        rows = self._connection.execute(_LAPSED, (owner,)).fetchall()
        self._connection.executemany(_TAKE_FROM_USED, rows)
        self._connection.execute("DELETE FROM lapsed WHERE owner = ?", (owner,))

    def leave(self) -> None:
        """End the lease of the owner, who holds nothing any more but what is due."""
        self._connection.execute("DELETE FROM owners WHERE abs(owner) = ?", (self._owner,))

    def prune(self, before: float) -> None:
        """Forget windows that ended before, some thousand at once."""
        self._connection.execute(_PRUNE, (before,))

    def prune_lapsed(self, before: float) -> None:
        """Forget what was booked before for owners that did not come back."""
        self._connection.execute("DELETE FROM lapsed WHERE lapsed <= ?", (before,))


def _is_busy(error: BaseException) -> bool:
    """Of our folder's lock as well as of SQLite's own."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, BlockingIOError) or code & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time opens or creates; raises BlockingIOError if another one does."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _create(file: Path) -> None:
    """An empty file for the owner's eyes only, where there is none."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        # SQLite would open it for reading, and leave a log behind that nobody can write.
        if not os.access(file, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(errno.EACCES, "it is read-only", str(file)) from None
        return
    for ending in ("-wal", "-shm"):  # left behind by a file that somebody deleted
        _beside(file, ending).unlink(missing_ok=True)


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _connect(file: Path, *, patience: float) -> sqlite3.Connection:
    """``patience`` is how many seconds a statement may block on another process's lock."""
    return sqlite3.connect(
        f"{file.as_uri()}?mode=rw", uri=True, timeout=patience, isolation_level=None
    )


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _prepare(connection: sqlite3.Connection) -> None:
    """For the event loop, with tables."""
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    version = _version(connection)
    if version == _VERSION:
        return
    if version not in _MISSING:
        raise sqlite3.DatabaseError(f"it has version {version}, and {_VERSION} is understood")
    if version == 0:
        connection.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(
        f"BEGIN IMMEDIATE; {_MISSING[version]} PRAGMA user_version = {_VERSION}; COMMIT;"
    )
