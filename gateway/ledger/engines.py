"""Which engine keeps the ledger: its address tells."""

from importlib.util import find_spec
from pathlib import Path

from gateway.ledger.engine import Lapsed, Ledger
from gateway.ledger.sqlite import SQLiteLedger

_SQLITE = "sqlite:///"
_LIBRARIES = ("redis", "hiredis")
"""Of the extra ``redis``."""


def ledger_from(
    url: str,
    *,
    lease: float,
    timeout: float,
    ca_file: Path | None = None,
    on_lapse: Lapsed = lambda *_: None,
) -> Ledger:
    """The ledger at ``url``; seconds. Nothing is opened yet.

    ``ca_file`` has whom a server with TLS must be signed by, if the system does not know them.
    """
    if url.startswith(_SQLITE):
        path = Path(url.removeprefix(_SQLITE))
        return SQLiteLedger(path, lease=lease, busy_timeout=timeout, on_lapse=on_lapse)
    # Its libraries are not installed everywhere.
    from gateway.ledger.redis_ledger import RedisLedger

    return RedisLedger(url, lease=lease, timeout=timeout, ca_file=ca_file, on_lapse=on_lapse)


def missing_for(url: str) -> tuple[str, ...]:
    """The libraries that a ledger at ``url`` needs and that are not installed."""
    if url.startswith(_SQLITE):
        return ()
    return tuple(name for name in _LIBRARIES if find_spec(name) is None)
