"""Which engine keeps the ledger: its address tells."""

from pathlib import Path

from gateway.ledger.engine import Lapsed, Ledger
from gateway.ledger.redis_ledger import RedisLedger
from gateway.ledger.sqlite import SQLiteLedger

_SQLITE = "sqlite:///"


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
    if not url.startswith(_SQLITE):
        return RedisLedger(url, lease=lease, timeout=timeout, ca_file=ca_file, on_lapse=on_lapse)
    path = Path(url.removeprefix(_SQLITE))
    return SQLiteLedger(path, lease=lease, busy_timeout=timeout, on_lapse=on_lapse)
