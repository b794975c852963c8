"""``mattermost-upload-gateway audit verify``: it needs none of the settings."""

import argparse
import sys
from pathlib import Path

from gateway.audit.chain import Link
from gateway.audit.file import read_head
from gateway.audit.verify import Bad, Verified, verify


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``audit`` to the command line."""
    audit = commands.add_parser("audit", help="see whether an audit log is as it was written")
    kinds = audit.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = kinds.add_parser(
        "verify",
        help="find the first line that was changed, or follows one that is missing",
        description="The status is 1 if the log is not as it was written, 2 if it cannot be read.",
    )
    check.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="of one log, oldest first; also .gz"
    )
    check.add_argument(
        "--head",
        type=_link,
        metavar="NUMBER:HASH",
        help="the last line, as an earlier run told (default: FILE.head beside the last file, if "
        "it is there)",
    )
    check.add_argument(
        "--after",
        type=_link_or_any,
        default=Link(),
        metavar="NUMBER:HASH",
        help="the line before the first one of the files, if that is not the first of all; or any",
    )
    check.set_defaults(command=_verify)


def _link(text: str) -> Link:
    number, _, digest = text.partition(":")
    return Link(int(number), digest)


def _link_or_any(text: str) -> Link | None:
    return None if text == "any" else _link(text)


def _verify(options: argparse.Namespace) -> None:
    files = options.files
    try:
        noted = None if options.head else _noted(files[-1])
        result = verify(files, options.head or noted, options.after)
        if isinstance(result, Verified) and noted is not None:
            result = _without_more(result, files[-1])
    except (OSError, EOFError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if isinstance(result, Bad):
        print(result, file=sys.stderr)
        sys.exit(1)
    print(f"Lines {result.first} to {result.last.number} are as they were written.")
    print(f"The last one is {result.last}")


def _noted(path: Path) -> Link | None:
    """What the head file beside ``path`` says. Raises OSError and ValueError."""
    try:
        return read_head(path).link
    except FileNotFoundError:
        return None


def _without_more(result: Verified, path: Path) -> Verified | Bad:
    """Whether there are no lines behind the last one, which the gateway may write on meanwhile."""
    noted = _noted(path)
    if noted is not None and noted.number < result.last.number:
        more = result.last.number - noted.number
        return Bad(path, 0, f"{more} lines are behind the one that was written last")
    return result
