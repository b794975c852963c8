"""Which engine keeps the ledger: its address tells."""

from pathlib import Path

from gateway.ledger.engine import Ledger
from gateway.ledger.redis_ledger import RedisLedger
from gateway.ledger.sqlite import SQLiteLedger

_SQLITE = "sqlite:///"


def ledger_from(url: str, *, lease: float, timeout: float) -> Ledger:
    """The ledger at ``url``; seconds. Nothing is opened yet."""
    if not url.startswith(_SQLITE):
        return RedisLedger(url, lease=lease, timeout=timeout)
    return SQLiteLedger(Path(url.removeprefix(_SQLITE)), lease=lease, busy_timeout=timeout)
