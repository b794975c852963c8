"""``./scripts/bench``: sink, peers and gateway, measured in turn, in one run."""

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import load, peers, report
from bench.processes import BenchError
from bench.suite import COST, FULL, MEASUREMENTS, QUICK, SMALL, STANDIN, Bench, checks

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    try:
        return _run(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute or so, to look; no page")
    parser.add_argument(
        "--only",
        type=_choice(MEASUREMENTS),
        default=list(MEASUREMENTS),
        metavar="A,B",
        help=f"measurements, of {', '.join(MEASUREMENTS)}; no page is written",
    )
    parser.add_argument(
        "--targets",
        type=_choice(peers.PROXIES),
        default=list(peers.PROXIES),
        metavar="A,B",
        help=f"proxies, of {', '.join(peers.PROXIES)}; no page is written",
    )
    parser.add_argument(
        "--assert",
        action="store_true",
        dest="hold",
        help="exit with 1 when a floor is missed",
    )
    return parser.parse_args()


def _choice(known: Sequence[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        wanted = text.split(",")
        unknown = set(wanted) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not among {', '.join(known)}")
        return [name for name in known if name in wanted]

    return parse


def _run(options: argparse.Namespace) -> int:
    if peers.GATEWAY not in options.targets:
        options.only = [name for name in options.only if name not in (COST, STANDIN)]
    wrk = load.wrk_version() if {SMALL, COST} & {*options.only} else None
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(QUICK if options.quick else FULL, options.targets, Path(folder))
        tables = {name: bench.measure(name) for name in options.only}
    machine = report.machine(wrk, bench.disturbed, bench.readings)
    found = checks(tables)
    results = [report.rendered(table) for table in tables.values()]
    if found:
        results.append(report.verdicts(found))
    print("\n\n".join([machine, *results]))
    partial_run = len(options.only) < len(MEASUREMENTS) or len(options.targets) < len(peers.PROXIES)
    if not options.quick and not partial_run:
        command = shlex.join(["./scripts/bench", *sys.argv[1:]])
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(report.document(command, machine, peers.LEGEND, results))
    failed = any(check.floor and not check.passed for check in found)
    return 1 if options.hold and failed else 0


if __name__ == "__main__":
    sys.exit(main())
