"""The measurements, each from its targets' start to its table."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import load, measurements, peers
from bench.measurements import MIB
from bench.peers import AUDITED, DIRECT, GATEWAY, NGINX, NGINX_AUTH, QUIET, TRACED, Target
from bench.processes import Address, await_quiet
from bench.report import Check, Reading, Table
from gateway.standin.process import StandInProcess

SMALL, COST, RAW, BUFFER, FORM, MEMORY, STANDIN = MEASUREMENTS = (
    "small",
    "cost",
    "raw",
    "buffer",
    "form",
    "memory",
    "standin",
)
_PATIENCE = 10.0
"""Seconds to wait for a machine that is busy with something else."""
_TIE = 0.85
"""Two medians closer than this cannot be told apart here."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long and how often; sizes in bytes, times in seconds."""

    rounds: int
    small_seconds: float
    warm_up_seconds: float
    large_size: int
    slow_count: int
    slow_size: int
    slow_seconds: float


FULL = Effort(5, 5.0, 2.0, 512 * MIB, 50, 50 * MIB, 10.0)
QUICK = Effort(2, 1.0, 1.0, 128 * MIB, 20, 10 * MIB, 2.0)


class Bench:
    """Measures the chosen proxies, started afresh for each measurement."""

    def __init__(self, effort: Effort, proxies: Sequence[str], folder: Path) -> None:
        self._effort = effort
        self._proxies = proxies
        self._folder = folder
        self.readings = 0
        self.disturbed = 0
        """How many readings began although other programs kept the machine busy."""

    def measure(self, name: str) -> Table:
        """``name`` is one of MEASUREMENTS."""
        measurement = {
            SMALL: self._small,
            COST: self._cost,
            RAW: self._raw,
            BUFFER: self._buffer,
            FORM: self._form,
            MEMORY: self._memory,
            STANDIN: self._standin,
        }
        return measurement[name]()

    def _small(self) -> Table:
        note = (
            f"A PNG of 16 KiB, sent raw over {load.CONNECTIONS} connections by wrk for "
            f"{self._effort.small_seconds:.0f} s per round; the sink is nginx."
        )
        return self._small_uploads("Small uploads", note, self._proxies, NGINX)

    def _cost(self) -> Table:
        note = (
            "The same, through the gateway with and without what it tells of itself. Metrics are "
            "always on, and are scraped in none of them."
        )
        return self._small_uploads("What telling costs", note, peers.VARIANTS, QUIET)

    def _small_uploads(
        self, title: str, note: str, proxies: Sequence[str], compared_with: str
    ) -> Table:
        picture = self._folder / "picture.png"
        picture.write_bytes(load.picture())
        with self._targets(peers.sink_that_is_fast, proxies) as targets:
            for target in targets:
                load.send_small(target.address, picture, self._effort.warm_up_seconds)
            readings = self._in_turn(
                title.lower(),
                targets,
                lambda target: measurements.small_uploads(
                    target, picture, self._effort.small_seconds
                ),
            )
        return Table(
            title,
            note,
            (
                measurements.UPLOADS_PER_SECOND,
                measurements.CPU_PER_UPLOAD,
                measurements.SLOWEST_PERCENT,
            ),
            readings,
            compared_with=compared_with,
        )

    def _raw(self) -> Table:
        size = self._effort.large_size
        with load.filler_file(size) as file:
            upload = load.raw_upload(size, file)
            how = "as the body of the request, from a file by sendfile(2)"
            return self._large("Large uploads, raw", how, upload)

    def _buffer(self) -> Table:
        upload = load.raw_upload(self._effort.large_size)
        how = (
            "as the body of the request, from one buffer that is sent again and again and so "
            "costs its sender less than any file"
        )
        return self._large("Large uploads, raw, from a buffer", how, upload)

    def _form(self) -> Table:
        size = self._effort.large_size
        with load.filler_file(size) as file:
            upload = load.form_upload(size, filler_file=file)
            how = (
                "as multipart/form-data, from a file by sendfile(2); the gateway parses the form "
                "and forwards the file raw"
            )
            return self._large("Large uploads, form", how, upload)

    def _memory(self) -> Table:
        effort = self._effort
        upload = load.raw_upload(effort.slow_size)
        with self._targets(peers.sink_that_counts) as targets:
            proxies = [target for target in targets if target.pid is not None]
            send = partial(
                measurements.slow_uploads,
                upload=upload,
                count=effort.slow_count,
                seconds=effort.slow_seconds,
            )
            readings = {target.name: [self._read(target, send)] for target in proxies}
        return Table(
            "Memory",
            f"Resident memory of all processes of a proxy, freshly started, during "
            f"{effort.slow_count} parallel raw uploads of {effort.slow_size // MIB} MiB, each "
            f"spread over {effort.slow_seconds:.0f} s. Less is better.",
            (measurements.PEAK, measurements.BEFORE, measurements.GROWTH),
            readings,
            compared_with=NGINX,
        )

    def _standin(self) -> Table:
        """A form sent to the stand-in for Mattermost, which stores it, and through the gateway."""
        size = self._effort.large_size
        folder = self._folder / "standin"
        with (
            StandInProcess(folder, max_file_size=2 * size) as mattermost,
            peers.proxy(GATEWAY, Address(mattermost.port), self._folder) as gateway,
        ):
            upload = load.form_upload(size, mattermost.channel_id, mattermost.user_token)
            targets = [Target(DIRECT, Address(mattermost.port)), gateway]

            def send(target: Target) -> Reading:
                reading = measurements.timed_upload(target, upload)
                _remove_files(folder / "files")
                return reading

            for target in targets:
                send(target)
            readings = self._in_turn("form to the stand-in", targets, send)
        return Table(
            "Forms, stored",
            f"One file of {size // MIB} MiB as multipart/form-data, `channel_id` first, to the "
            "stand-in for Mattermost (`direct`) and through the gateway; the stand-in keeps the "
            "file on disk.",
            (measurements.MB_PER_SECOND, measurements.CPU_PER_GIB),
            readings,
            compared_with=DIRECT,
        )

    def _large(self, title: str, how: str, upload: load.Upload) -> Table:
        with self._targets(peers.sink_that_counts) as targets:
            sink = targets[0].address
            send = partial(measurements.large_upload, upload=upload, counting=sink)
            for target in targets:
                send(target)
            readings = self._in_turn(title.lower(), targets, send)
        return Table(
            title,
            f"One file of {upload.file_size // MIB} MiB at a time, {how}; the sink reads all of it "
            "before it answers. MB are millions of bytes; CPU time is the proxy's.",
            (measurements.MB_PER_SECOND, measurements.CPU_PER_GIB),
            readings,
            compared_with=NGINX,
        )

    @contextmanager
    def _targets(
        self,
        sink: Callable[[Path], AbstractContextManager[Target]],
        proxies: Sequence[str] | None = None,
    ) -> Iterator[list[Target]]:
        """The sink, then ``proxies`` (those that were chosen) in front of it."""
        with ExitStack() as stack:
            started = [stack.enter_context(sink(self._folder))]
            for name in self._proxies if proxies is None else proxies:
                proxy = peers.proxy(name, started[0].address, self._folder)
                started.append(stack.enter_context(proxy))
            yield started

    def _in_turn(
        self, what: str, targets: Sequence[Target], once: Callable[[Target], Reading]
    ) -> dict[str, list[Reading]]:
        readings: dict[str, list[Reading]] = {target.name: [] for target in targets}
        for number in range(1, self._effort.rounds + 1):
            print(f"{what}: round {number} of {self._effort.rounds} …", file=sys.stderr)
            for target in targets:
                readings[target.name].append(self._read(target, once))
        return readings

    def _read(self, target: Target, once: Callable[[Target], Reading]) -> Reading:
        self.readings += 1
        self.disturbed += not await_quiet(_PATIENCE)
        return once(target)


def _remove_files(folder: Path) -> None:
    """So that the next file is written to the same memory; new memory costs more than it all."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


def checks(tables: Mapping[str, Table]) -> list[Check]:
    """What the project promises of itself, as far as it was measured."""
    as_without = "as fast as without"
    wanted = (
        (RAW, GATEWAY, NGINX, "large raw uploads, as fast as nginx by default", 1.5, True),
        (SMALL, GATEWAY, NGINX, "small uploads, as fast as nginx without any rule", 0.35, True),
        (STANDIN, GATEWAY, DIRECT, "forms, as fast as without the gateway", _TIE, True),
        (COST, GATEWAY, QUIET, f"small uploads with a log, {as_without}", 0.9, True),
        (COST, AUDITED, QUIET, f"small uploads with log and audit log, {as_without}", 0.9, True),
        (COST, TRACED, QUIET, f"small uploads with all that and traces, {as_without}", 0.9, False),
        (SMALL, GATEWAY, NGINX_AUTH, "small uploads, as fast as nginx's auth_request", 1.0, False),
    )  # fmt: skip
    found = []
    for measured, target, peer, claim, at_least, floor in wanted:
        ratio = tables[measured].ratio(target, peer) if measured in tables else None
        if ratio is not None:
            found.append(Check(claim, ratio, at_least, floor))
    return found
