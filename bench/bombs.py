"""What archives cost that are made to cost much: ``python -m bench.bombs``.

Each is looked into by a process of its own, with the default rules. Memory is what that process
needs at most besides what it needed before.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.inspection.archives.look import look_into
from gateway.inspection.detector import Detector
from gateway.policy.rules import ArchiveRules
from tests.inspection.archives.bombs import BOMBS

_MIB = 2**20


def _peak() -> int:
    """Bytes; of this process only, unlike getrusage's, which begins with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _look(file: str, content_type: str) -> None:
    detect = Detector().detect
    detect(b"x")
    before = _peak()
    begun = time.perf_counter()
    with Path(file).open("rb") as opened:
        contents = look_into(opened, content_type, ArchiveRules().limits, detect)
    seconds = time.perf_counter() - begun
    told = {problem.trouble for problem in contents.problems}
    told |= {entry.trouble for entry in contents.entries if entry.trouble is not None}
    found = ", ".join(sorted(told))
    print(json.dumps({"seconds": seconds, "memory": _peak() - before, "found": found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--look", nargs=2, help=argparse.SUPPRESS)
    look = parser.parse_args().look
    if look:
        _look(*look)
        return
    print("| bomb | bytes | found | seconds | MiB |\n| --- | ---: | --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bomb")
        for name, bomb in BOMBS.items():
            size = file.write_bytes(bomb.make())
            command = (sys.executable, "-m", "bench.bombs", "--look", file, bomb.content_type)
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            told = json.loads(done.stdout)
            memory = told["memory"] / _MIB
            print(f"| {name} | {size:,} | {told['found']} | {told['seconds']:.2f} | {memory:.1f} |")


if __name__ == "__main__":
    main()
