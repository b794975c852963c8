"""The command line: ``mattermost-upload-gateway serve | check-config | demo | quota``."""

import argparse
import sys
from collections.abc import Sequence

from gateway import __version__
from gateway.composition import checked_settings
from gateway.ledger.quotas import LedgerUnavailable
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
        "check-config", help="print the effective settings and what is wrong with them"
    )
    check.set_defaults(command=_check_config)
    demo = commands.add_parser("demo", help="a guided tour on an embedded stand-in Mattermost")
    demo.add_argument(
        "--serve", action="store_true", help="keep everything running and print commands to try"
    )
    demo.set_defaults(command=_demo)
    add_quota_command(commands, checked_settings)
    return parser


def _serve(_: argparse.Namespace) -> None:
    run(checked_settings())


def _check_config(_: argparse.Namespace) -> None:
    settings = checked_settings()
    width = max(len(name) for name in AllSettings.model_fields) + len(PREFIX)
    for name in AllSettings.model_fields:
        value = shown_value(name, getattr(settings, name)) or "(none)"
        print(f"{PREFIX + name.upper():{width}}  {value}")
    print("\nThe settings are fine.")


def _demo(options: argparse.Namespace) -> None:
    from gateway.demo import tour

    tour(keep_serving=options.serve)
