"""Who has used how much of which quota."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

from gateway.ledger.engine import Entry, Ledger
from gateway.ledger.quotas import ROLES, Quota, account_of, key_of
from gateway.ledger.windows import Window, window


class Standing(NamedTuple):
    """An account's use of one quota; without a quota, where none is set any more."""

    entry: Entry
    quota: Quota | None

    @property
    def taken(self) -> int:
        return sum(self.entry.usage)

    @property
    def share(self) -> float:
        """How much of the limit is taken."""
        return self.taken / self.quota.limit if self.quota else 0.0


class Standings:
    """The ledger, seen by the quotas that are set."""

    def __init__(
        self,
        ledger: Ledger,
        quotas: Iterable[Quota],
        zone: tzinfo = UTC,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        # Of several for the same, that of the settings is shown, or that of the first rule.
        found: dict[str, Quota] = {}
        for quota in quotas:
            found.setdefault(quota.name, quota)
        self._quotas = list(found.values())
        self.zone = zone
        self._now = clock()

    def window(self, quota: Quota) -> Window:
        return window(quota.period, self._now, self.zone)

    async def all(self) -> list[Standing]:
        """Those first who are next to their limit. Raises LedgerUnavailable."""
        entries = await self._ledger.entries()
        return await asyncio.to_thread(self._sorted, entries)  # there may be very many

    def _sorted(self, entries: Sequence[Entry]) -> list[Standing]:
        return sorted(self._standings(entries), key=lambda s: (-s.share, -s.taken, s.entry.key))

    async def of(self, account: str) -> list[Standing]:
        """What ``account`` has of each quota, and a user also as whoever has a role.

        Raises LedgerUnavailable.
        """
        scope, _, name = account.partition(":")
        found = {}
        for quota in self._quotas:
            if quota.scope == scope or (scope == "user" and quota.scope in ROLES):
                charged = account if quota.scope == scope else f"{quota.scope}:{name}"
                key, when = key_of(charged, quota.unit), self.window(quota)
                usage = await self._ledger.usage(key, when)
                # That a user may have a role is no reason to show what it would allow.
                if quota.scope == scope or any(usage):
                    found[key, when] = Standing(Entry(key, when, usage), quota)
        entries = await self._ledger.entries()
        own = [entry for entry in entries if account_of(entry.key)[0] == account]
        for standing in self._standings(own):
            found.setdefault((standing.entry.key, standing.entry.window), standing)
        return list(found.values())

    def _standings(self, entries: Sequence[Entry]) -> list[Standing]:
        by_what: dict[tuple[str, str, Window], Quota] = {}
        for quota in self._quotas:
            by_what.setdefault((quota.scope, quota.unit, self.window(quota)), quota)
        found = []
        for entry in entries:
            account, unit = account_of(entry.key)
            what = (account.partition(":")[0], unit, entry.window)
            found.append(Standing(entry, by_what.get(what)))
        return found
