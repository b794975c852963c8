"""How the address of a ledger is read."""

import ssl
from pathlib import Path

import pytest
import trustme

from gateway.ledger.engines import ledger_from
from gateway.ledger.quotas import LedgerUnavailable, Usage
from gateway.ledger.redis_client import RedisAddress
from gateway.ledger.redis_ledger import RedisLedger
from gateway.ledger.sqlite import SQLiteLedger
from tests.support.valkey import ValkeyServer

from .lossy import lossy_way
from .support import TODAY, claim


@pytest.mark.parametrize(
    ("url", "kind", "tls", "hosts", "service", "database"),
    [
        ("redis://localhost", "", False, [("localhost", 6379)], "mymaster", 0),
        ("rediss://:secret@a.example:6380/3", "", True, [("a.example", 6380)], "mymaster", 3),
        ("valkey://10.0.0.1:1/0", "", False, [("10.0.0.1", 1)], "mymaster", 0),
        ("redis://[::1]:7/0", "", False, [("::1", 7)], "mymaster", 0),
        (
            "redis+sentinel://u:p@a,b:7/uploads/2",
            "sentinel", False, [("a", 26379), ("b", 7)], "uploads", 2,
        ),
        ("rediss+cluster://a:1,b", "cluster", True, [("a", 1), ("b", 6379)], "mymaster", 0),
    ],
)  # fmt: skip
def test_addresses(
    url: str, kind: str, tls: bool, hosts: list[tuple[str, int]], service: str, database: int
) -> None:
    found = RedisAddress(url)
    assert (found.kind, found.tls, found.hosts) == (kind, tls, hosts)
    assert (found.service, found.database) == (service, database)
    assert "secret" not in f"{found} {found!r}"


def test_the_address_chooses_the_engine() -> None:
    engines = {
        "sqlite:////var/lib/x.db": SQLiteLedger,
        "redis://localhost": RedisLedger,
        "valkey+cluster://a,b": RedisLedger,
    }
    for url, engine in engines.items():
        assert type(ledger_from(url, lease=1, timeout=1)) is engine


async def test_a_server_with_tls(valkey: ValkeyServer, tmp_path: Path) -> None:
    """It is believed if it is signed by whom we trust, and has the name that we asked for."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    valkey.command("FLUSHALL")
    async with lossy_way(valkey.port, tls) as way:
        url = f"rediss://localhost:{way.port}/0"
        ledger = ledger_from(url, lease=60, timeout=5, ca_file=ca_file)
        await ledger.open()
        await ledger.settle(await ledger.reserve([claim(600)]), 500)
        assert await ledger.usage("user:ada", TODAY) == Usage(500, 0)
        await ledger.close()
        with pytest.raises(LedgerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await ledger_from(url, lease=60, timeout=5).open()
        wrong = f"rediss://127.0.0.1:{way.port}/0"
        with pytest.raises(LedgerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await ledger_from(wrong, lease=60, timeout=5, ca_file=ca_file).open()
