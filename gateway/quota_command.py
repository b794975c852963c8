"""``mattermost-upload-gateway quota …``: what accounts have used of their quotas."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, tzinfo
from itertools import chain
from typing import Any, NamedTuple

from gateway.configuration import file_rules_from
from gateway.ledger.engine import Entry, Ledger
from gateway.ledger.engines import ledger_from
from gateway.ledger.language import parse_quota, parse_quotas, parse_zone
from gateway.ledger.quotas import (
    ROLES,
    SCOPES,
    LedgerUnavailable,
    Quota,
    account_of,
    key_of,
)
from gateway.ledger.windows import Window, window
from gateway.settings import Settings
from gateway.units import format_size

_LEASE = 60.0
_HEADER = ("account", "quota", "limit", "used", "reserved", "taken", "resets")


class _Row(NamedTuple):
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


class _Books:
    """The ledger, as the settings describe it."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.ledger = ledger
        said = [parse_quotas(settings.quotas)]
        said += [rule.effects.quotas or () for rule in file_rules_from(settings)]
        # Of several for the same, that of the settings is shown, or that of the first rule.
        found: dict[str, Quota] = {}
        for quota in chain(*said):
            found.setdefault(quota.name, quota)
        self.quotas = list(found.values())
        self.zone = parse_zone(settings.quota_timezone)
        self.now = time.time()

    def row(self, entry: Entry) -> _Row:
        account, unit = account_of(entry.key)
        scope = account.partition(":")[0]
        for quota in self.quotas:
            if (quota.scope, quota.unit, self.window(quota)) == (scope, unit, entry.window):
                return _Row(entry, quota)
        return _Row(entry, None)

    def window(self, quota: Quota) -> Window:
        return window(quota.period, self.now, self.zone)

    async def rows(self) -> list[_Row]:
        """Those first who are next to their limit."""
        rows = [self.row(entry) for entry in await self.ledger.entries()]
        return sorted(rows, key=lambda row: (-row.share, -row.taken, row.entry.key))

    async def rows_of(self, account: str) -> list[_Row]:
        """What ``account`` has of each quota, and a user also as whoever has a role."""
        scope, _, name = account.partition(":")
        rows = {}
        for quota in self.quotas:
            if quota.scope == scope or (scope == "user" and quota.scope in ROLES):
                charged = account if quota.scope == scope else f"{quota.scope}:{name}"
                key, when = key_of(charged, quota.unit), self.window(quota)
                usage = await self.ledger.usage(key, when)
                # That a user may have a role is no reason to show what it would allow.
                if quota.scope == scope or any(usage):
                    rows[key, when] = _Row(Entry(key, when, usage), quota)
        for entry in await self.ledger.entries():
            if account_of(entry.key)[0] == account:
                rows.setdefault((entry.key, entry.window), self.row(entry))
        return list(rows.values())


def add_quota_command(commands: Any, settings: Callable[[], Settings]) -> None:
    """Teach the command line ``quota``; ``settings`` are read when it is called."""
    parser = commands.add_parser("quota", help="what is used of quotas")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, do: Callable[..., Awaitable[list[_Row]]], about: str) -> Any:
        found = actions.add_parser(name, help=about)
        found.add_argument("--json", action="store_true", help="for programs")
        found.set_defaults(command=lambda options: _run(settings(), options, do))
        return found

    listing = action("list", _list, "the accounts that are next to their limits")
    listing.add_argument("--top", type=int, default=20, help="how many (default 20)")
    action("show", _show, "all of one account").add_argument("account", type=_account)
    setting = action("set", _set, "let an account have used an amount, such as 300MiB/day")
    setting.add_argument("account", type=_account)
    setting.add_argument("amount", help="as a quota is written: 300MiB/day, 7 files/hour")
    action("reset", _reset, "let an account have used nothing").add_argument(
        "account", type=_account
    )


def _account(text: str) -> str:
    scope, _, name = text.partition(":")
    if text != "everyone" and (scope not in SCOPES or scope == "everyone" or not name):
        raise argparse.ArgumentTypeError("expected an account such as user:ID, team:ID, everyone")
    return text


def _run(
    settings: Settings, options: argparse.Namespace, do: Callable[..., Awaitable[list[_Row]]]
) -> None:
    try:
        rows, zone = asyncio.run(_with_ledger(settings, options, do))
    except LedgerUnavailable as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if options.json:
        print(json.dumps([_described(row, zone) for row in rows], ensure_ascii=False, indent=2))
    else:
        print(_table(rows, zone))


async def _with_ledger(
    settings: Settings, options: argparse.Namespace, do: Callable[..., Awaitable[list[_Row]]]
) -> tuple[list[_Row], tzinfo]:
    ledger = ledger_from(
        settings.ledger_url,
        lease=_LEASE,
        timeout=settings.ledger_timeout,
        ca_file=settings.ledger_ca_file,
    )
    await ledger.open()
    try:
        books = _Books(settings, ledger)
        return await do(books, options), books.zone
    finally:
        await ledger.close()


async def _list(books: _Books, options: argparse.Namespace) -> list[_Row]:
    return (await books.rows())[: options.top]


async def _show(books: _Books, options: argparse.Namespace) -> list[_Row]:
    return await books.rows_of(options.account)


async def _set(books: _Books, options: argparse.Namespace) -> list[_Row]:
    scope = options.account.partition(":")[0]
    wanted = parse_quota(f"{scope} {options.amount}")
    if wanted.unit == "uploads":
        raise ValueError("uploads that run at once cannot be set")
    key = key_of(options.account, wanted.unit)
    await books.ledger.correct(key, books.window(wanted), wanted.limit)
    return await books.rows_of(options.account)


async def _reset(books: _Books, options: argparse.Namespace) -> list[_Row]:
    for row in await books.rows_of(options.account):
        if row.entry.usage.used:
            await books.ledger.correct(row.entry.key, row.entry.window, 0)
    return await books.rows_of(options.account)


def _described(row: _Row, zone: tzinfo) -> dict[str, object]:
    account, unit = account_of(row.entry.key)
    quota, when = row.quota, row.entry.window
    return {
        "account": account,
        "quota": quota and quota.name,
        "unit": unit,
        "limit": quota and quota.limit,
        "used": row.entry.usage.used,
        "reserved": row.entry.usage.reserved,
        "resets": _time(when.end, zone) if when.ends else None,
    }


def _time(at: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at, zone).isoformat(timespec="minutes").replace("+00:00", "Z")


def _table(rows: Sequence[_Row], zone: tzinfo = UTC) -> str:
    lines: list[tuple[str, ...]] = [_HEADER]
    for row in rows:
        told = _described(row, zone)
        unit, usage = account_of(row.entry.key)[1], row.entry.usage
        lines.append(
            (
                str(told["account"]),
                str(told["quota"] or "(none)"),
                _amount(row.quota.limit, unit) if row.quota else "",
                *[_amount(amount, unit) for amount in usage],
                f"{row.share:.0%}" if row.quota else "",
                str(told["resets"] or "never"),
            )
        )
    if not rows:
        return "Nothing has been used."
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _amount(amount: int, unit: str) -> str:
    return format_size(amount) if unit == "bytes" else f"{amount} {unit}"
