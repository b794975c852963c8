"""``mattermost-upload-gateway keys create | list | revoke``: they need none of the settings but
``GATEWAY_API_KEYS_FILE``."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.ledger.language import format_limit, shown_limit
from gateway.machines.key_file import KeyFileError, add_key, parse_keys, remove_key
from gateway.machines.keys import ApiKey, digest, new_key
from gateway.machines.watched import FileProblem, read_file
from gateway.settings import PREFIX
from gateway.units import format_size, parse_duration

_FILE = f"{PREFIX}API_KEYS_FILE"
_NEVER = "never"
_LISTS = ("channels", "endpoints", "types", "addresses", "allow")
_TEXTS = ("account", "max_size", "quota")


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``keys`` to the command line."""
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    kinds = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = kinds.add_parser("create", help="make a key, and print it once")
    create.add_argument("--name", required=True, help="of the key, as the log will show it")
    create.add_argument("--account", help="whose Mattermost account it stands for")
    create.add_argument(
        "--expires", default="90d", metavar="TIME", help="after this time; never (default: 90d)"
    )
    create.add_argument("--channels", metavar="LIST", help="team-name/channel-name, or ids")
    create.add_argument("--endpoints", metavar="LIST", help="of uploads (default: files,uploads)")
    create.add_argument("--max-size", metavar="SIZE", help="of a file, for example 50MiB")
    create.add_argument("--types", metavar="LIST", help="content types, as in policies")
    create.add_argument("--addresses", metavar="LIST", help="networks of clients (CIDR)")
    create.add_argument("--quota", metavar="QUOTA", help="for example 1GiB/day")
    create.add_argument("--allow", metavar="LIST", help="files:read, posts:create")
    create.set_defaults(command=_command(_create))
    listing = kinds.add_parser("list", help="show all keys, but for the keys themselves")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(command=_command(_list))
    revoke = kinds.add_parser("revoke", help="take a key out of use, within a second")
    revoke.add_argument("name")
    revoke.set_defaults(command=_command(_revoke))
    for command in (create, listing, revoke):
        command.add_argument(
            "--file", type=Path, default=os.environ.get(_FILE), help=f"default: {_FILE}"
        )


def _command(
    run: Callable[[argparse.Namespace], None],
) -> Callable[[argparse.Namespace], None]:
    """``run``, whose problems end the process with status 1."""

    def command(options: argparse.Namespace) -> None:
        if options.file is None:
            print(f"{_FILE} or --file says where the keys are.", file=sys.stderr)
            sys.exit(2)
        options.file = Path(options.file)
        try:
            run(options)
        except FileProblem as error:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            sys.exit(1)
        except KeyFileError as error:
            print(error, file=sys.stderr)
            sys.exit(1)

    return command


def _create(options: argparse.Namespace) -> None:
    key, now = new_key(), datetime.now(UTC).replace(microsecond=0)
    fields: dict[str, object] = {"hash": digest(key)}
    given = vars(options)
    fields |= {name: given[name] for name in _TEXTS if given[name] is not None}
    fields |= {name: _items(given[name]) for name in _LISTS if given[name] is not None}
    fields["created"] = now
    if options.expires != _NEVER:
        fields["expires"] = now + _duration(options.expires)
    add_key(options.file, options.name, fields)
    print(key)
    print(
        f"This is the key {options.name}. It is shown only this once: keep it where your program "
        f"finds it, as a secret.\nIt expires {_expiry(fields.get('expires'))}.",
        file=sys.stderr,
    )


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _duration(text: str) -> timedelta:
    try:
        return timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        raise KeyFileError(f"--expires {text}: expected a time such as 90d, or never") from None


def _expiry(time: object) -> str:
    return f"at {time:%Y-%m-%d %H:%M} UTC" if isinstance(time, datetime) else _NEVER


def _revoke(options: argparse.Namespace) -> None:
    remove_key(options.file, options.name)
    print(f"The key {options.name} is revoked.")


def _list(options: argparse.Namespace) -> None:
    keys = list(parse_keys(read_file(options.file)))
    now = datetime.now(UTC)
    if options.json:
        print(json.dumps([_described(key, now) for key in keys], indent=2))
        return
    rows = [("name", "account", "state", "limits")]
    rows += [(key.name, key.account, _state(key, now), _limits(key)) for key in keys]
    _print_table(rows)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def _state(key: ApiKey, now: datetime) -> str:
    if key.has_expired(now):
        return "expired"
    return f"until {key.expires:%Y-%m-%d}" if key.expires else "without end"


def _described(key: ApiKey, now: datetime) -> dict[str, object]:
    limits = key.limits
    return {
        "name": key.name,
        "account": key.account,
        "created": key.created.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
        "expired": key.has_expired(now),
        "endpoints": sorted(limits.endpoints),
        "channels": sorted(limits.channels),
        "max_size": limits.max_file_size if limits.has_max_file_size else None,
        "addresses": [str(network) for network in limits.networks],
        "quota": format_limit(limits.quota) if limits.quota else None,
        "allow": sorted(limits.permissions),
    }


def _limits(key: ApiKey) -> str:
    limits = key.limits
    said = [*sorted(limits.endpoints), *sorted(limits.channels), *sorted(limits.permissions)]
    if limits.has_max_file_size:
        said.append(format_size(limits.max_file_size))
    if limits.quota is not None:
        said.append(shown_limit(limits.quota))
    said += [f"from {network}" for network in limits.networks]
    return ", ".join(said)
