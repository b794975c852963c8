"""``mattermost-upload-gateway quota …``: what accounts have used of their quotas."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from gateway.configuration import file_rules_from, quotas_from
from gateway.ledger.engine import Ledger
from gateway.ledger.engines import ledger_from
from gateway.ledger.language import parse_quota, parse_zone
from gateway.ledger.quotas import SCOPES, LedgerUnavailable, account_of, key_of
from gateway.ledger.standings import Standing, Standings
from gateway.settings import Settings
from gateway.units import format_size

_LEASE = 60.0
_HEADER = ("account", "quota", "limit", "used", "reserved", "taken", "resets")


class _Books(NamedTuple):
    """The ledger, and what it says."""

    ledger: Ledger
    standings: Standings


def add_quota_command(commands: Any, settings: Callable[[], Settings]) -> None:
    """Teach the command line ``quota``; ``settings`` are read when it is called."""
    parser = commands.add_parser("quota", help="what is used of quotas")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, do: Callable[..., Awaitable[list[Standing]]], about: str) -> Any:
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
    settings: Settings, options: argparse.Namespace, do: Callable[..., Awaitable[list[Standing]]]
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
    settings: Settings, options: argparse.Namespace, do: Callable[..., Awaitable[list[Standing]]]
) -> tuple[list[Standing], tzinfo]:
    ledger = ledger_from(
        settings.ledger_url,
        lease=_LEASE,
        timeout=settings.ledger_timeout,
        ca_file=settings.ledger_ca_file,
    )
    await ledger.open()
    try:
        zone = parse_zone(settings.quota_timezone)
        standings = Standings(ledger, quotas_from(settings, file_rules_from(settings)), zone)
        return await do(_Books(ledger, standings), options), zone
    finally:
        await ledger.close()


async def _list(books: _Books, options: argparse.Namespace) -> list[Standing]:
    return (await books.standings.all())[: options.top]


async def _show(books: _Books, options: argparse.Namespace) -> list[Standing]:
    return await books.standings.of(options.account)


async def _set(books: _Books, options: argparse.Namespace) -> list[Standing]:
    scope = options.account.partition(":")[0]
    wanted = parse_quota(f"{scope} {options.amount}")
    if wanted.unit == "uploads":
        raise ValueError("uploads that run at once cannot be set")
    key = key_of(options.account, wanted.unit)
    await books.ledger.correct(key, books.standings.window(wanted), wanted.limit)
    return await books.standings.of(options.account)


async def _reset(books: _Books, options: argparse.Namespace) -> list[Standing]:
    for row in await books.standings.of(options.account):
        if row.entry.usage.used:
            await books.ledger.correct(row.entry.key, row.entry.window, 0)
    return await books.standings.of(options.account)


def _described(row: Standing, zone: tzinfo) -> dict[str, object]:
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


def _table(rows: Sequence[Standing], zone: tzinfo = UTC) -> str:
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
