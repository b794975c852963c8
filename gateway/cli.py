"""The command line: ``mattermost-upload-gateway serve | check-config | check | keys | …``."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway import __version__, audit_commands, key_commands
from gateway.checking.report import as_json, complaint, table
from gateway.composition import NO_SCANS, check_files
from gateway.configuration import checked_settings, file_rules_from
from gateway.endpoints import FILES, RULED
from gateway.ledger.quotas import LedgerUnavailable
from gateway.places import Place
from gateway.policy.circumstances import Circumstances, IdentityKind, Role
from gateway.policy_file.description import described
from gateway.quota_command import add_quota_command
from gateway.serving import CannotStart, run
from gateway.settings import PREFIX, AllSettings, SettingsError, shown_value


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in ``arguments``; ends the process with status 2 on bad settings."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        sys.exit(2)
    except (CannotStart, LedgerUnavailable) as error:
        print(f"The gateway cannot start: {error}", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mattermost-upload-gateway",
        description="Authenticates, inspects, limits and measures uploads on their way to "
        "Mattermost. Settings are environment variables; GATEWAY_UPSTREAM_URL is required.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the gateway (the default)")
    serve.set_defaults(command=_serve)
    check = commands.add_parser(
        "check-config",
        help="print the settings and rules as they will be, or what is wrong with them",
    )
    check.set_defaults(command=_check_config)
    _add_check(commands)
    key_commands.add_commands(commands)
    audit_commands.add_commands(commands)
    demo = commands.add_parser("demo", help="a guided tour on an embedded stand-in Mattermost")
    demo.add_argument(
        "--serve", action="store_true", help="keep everything running and print commands to try"
    )
    demo.set_defaults(command=_demo)
    add_quota_command(commands, checked_settings)
    return parser


def _add_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check",
        help="say what would become of files, without uploading them",
        description="Says of each file what the gateway sees, which rule decides, and what its "
        "user would be answered. Nothing is uploaded. The status is 0 if all of them would pass, "
        "1 if any would be refused, 2 if any cannot be checked.",
    )
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="on this machine")
    check.add_argument(
        "--as",
        dest="roles",
        action="append",
        choices=[str(role) for role in Role],
        metavar="ROLE",
        help="what its sender is: guest, user (the default) or bot; also team_admin or "
        "system_admin; can be given more than once",
    )
    check.add_argument("--user", default="", help="the name or id of its sender")
    check.add_argument("--team", default="", help="the name or id of the team that it is for")
    check.add_argument("--channel", default="", help="the name or id of the channel")
    check.add_argument(
        "--endpoint",
        default=FILES.name,
        choices=[*RULED],
        metavar="NAME",
        help="where it is sent to, as rules call it (the default is files: an attachment)",
    )
    check.add_argument(
        "--identity",
        default=str(IdentityKind.SESSION),
        choices=[str(kind) for kind in IdentityKind],
        metavar="KIND",
        help=f"how its sender is known: {', '.join(IdentityKind)} (the default is session)",
    )
    check.add_argument("--type", help="the content type that its sender says it has")
    check.add_argument("--json", action="store_true", help="print a list in JSON, for programs")
    check.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> None:
    # Mattermost is not asked.
    settings = checked_settings({f"{PREFIX}UPSTREAM_URL": "http://127.0.0.1:8065", **os.environ})
    checked, unread = asyncio.run(
        check_files(settings, options.files, _circumstances(options), options.type)
    )
    if checked or options.json:
        print(as_json(checked) if options.json else table(checked))
    print(*map(complaint, unread), sep="\n", end="\n" if unread else "", file=sys.stderr)
    if unread:
        sys.exit(2)
    if any(file.refusal for file in checked):
        sys.exit(1)


def _circumstances(options: argparse.Namespace) -> Circumstances:
    roles = {Role(role) for role in options.roles or []}
    if not roles & {Role.GUEST, Role.USER, Role.BOT}:
        roles.add(Role.USER)
    place = Place(
        frozenset(filter(None, [options.channel.removeprefix("~")])),
        frozenset(filter(None, [options.team])),
        Role.TEAM_ADMIN in roles,
    )
    return Circumstances(
        options.endpoint,
        IdentityKind(options.identity),
        frozenset(filter(None, [options.user.removeprefix("@")])),
        frozenset(roles - {Role.TEAM_ADMIN}),
        place,
    )


def _serve(_: argparse.Namespace) -> None:
    run(checked_settings())


def _check_config(_: argparse.Namespace) -> None:
    settings = checked_settings()
    width = max(len(name) for name in AllSettings.model_fields) + len(PREFIX)
    for name in AllSettings.model_fields:
        value = shown_value(name, getattr(settings, name)) or "(none)"
        print(f"{PREFIX + name.upper():{width}}  {value}")
    rules = file_rules_from(settings)
    if settings.policy_file is not None:
        print(f"\nThe rules in {settings.policy_file}, in their order:")
        print(*described(rules), sep="\n")
        print("Where none of them decides, the settings do.")
    if settings.scanner_url is not None and not any(rule.effects.scan for rule in rules):
        print(f"\nNothing is scanned: {PREFIX}SCANNER_URL is set, but {NO_SCANS}.")
    print("\nThe settings are fine.")


def _demo(options: argparse.Namespace) -> None:
    from gateway.demo import tour

    tour(keep_serving=options.serve)
