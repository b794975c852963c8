"""Raising the curtain, telling the story, and leaving no process and no file behind."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from gateway.demo.chapters import tell
from gateway.demo.curl import Unanswered, Uploader
from gateway.demo.samples import PICTURE, PROGRAM, RULES, write_samples
from gateway.demo.servers import GatewayProcess
from gateway.demo.stage import NotAsTold, Stage
from gateway.demo.terminal import Terminal
from gateway.standin.process import StandInProcess

_INTERRUPTED = 130  # what shells report for Ctrl-C
_LAST_LINES = 5


def tour(*, keep_serving: bool) -> None:
    """Give the tour on standard output, and with ``keep_serving`` let both servers run until
    Ctrl-C. Ends the process with status 1 if anything was otherwise than told."""
    terminal = Terminal.on(sys.stdout)
    try:
        with _signals_as_exceptions(), _curtain(terminal) as stage:
            _perform(stage, keep_serving=keep_serving)
    except (NotAsTold, Unanswered, TimeoutError) as problem:
        terminal.failure(f"The demo ends here. {problem}")
        sys.exit(1)
    except KeyboardInterrupt:
        terminal.say("Stopped. Both servers have ended, and their folder is gone.")
        sys.exit(0 if keep_serving else _INTERRUPTED)
    except BrokenPipeError:
        # Nobody reads on; Python would complain once more when it flushes the output at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _perform(stage: Stage, *, keep_serving: bool) -> None:
    began = time.monotonic()
    stage.terminal.title("Mattermost upload gateway: a guided tour")
    people = tell(stage)
    stage.terminal.chapter(9, "The end")
    stage.terminal.gap()
    stage.terminal.fact(
        f"Everything was as told: {len(stage.stored)} files stored, {len(stage.refused)} refused, "
        f"in {time.monotonic() - began:.1f} seconds."
    )
    if keep_serving:
        _invite(stage, *people)
        stage.gateway.wait()
        raise NotAsTold("The gateway should run until Ctrl-C. But: it ended by itself")
    stage.terminal.say("To try things yourself, run the demo again with --serve.")
    stage.terminal.gap()


def _invite(stage: Stage, alice: Uploader, guest: Uploader) -> None:
    terminal = stage.terminal
    terminal.say(
        "Both servers keep running until Ctrl-C. Paste this into another terminal, and all "
        "commands of the tour work there:"
    )
    terminal.gap()
    url = stage.gateway.url
    variables = alice.variables(url) | guest.variables(url)
    variables |= {"ADMIN": stage.gateway.admin_url, "PID": str(stage.gateway.pid)}
    terminal.block([f"cd {stage.folder}", *(f'{k}="{v}"' for k, v in variables.items())])
    terminal.say("For example:")
    terminal.gap()
    for name in (PICTURE, PROGRAM):
        terminal.block(alice.as_form(name, "application/octet-stream").command)
    terminal.block(
        [
            "curl $ADMIN/readyz",
            "curl -s $ADMIN/metrics | grep ^upload_gateway_files_total",
            f"tail -n 1 {stage.gateway.log_file}",
        ]
    )
    terminal.gap()


@contextmanager
def _curtain(terminal: Terminal) -> Iterator[Stage]:
    """Both servers, running in a folder for the time being."""
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="upload-gateway-demo-")))
        files = folder / "files"
        files.mkdir()
        write_samples(files)
        mattermost = held.enter_context(StandInProcess(folder / "mattermost"))
        settings = {
            "GATEWAY_UPSTREAM_URL": mattermost.url,
            "GATEWAY_MAX_FILE_SIZE": "1MiB",
            "GATEWAY_QUOTAS": "user 1.5MiB/day",
        }
        rules = {"GATEWAY_POLICY_FILE": str(files / RULES)}
        gateway = held.enter_context(GatewayProcess(folder, settings | rules))
        try:
            yield Stage(terminal, mattermost, gateway, settings, files)
        except (NotAsTold, Unanswered):
            terminal.say("The last lines of the gateway's log:")
            for line in gateway.log_file.read_text(encoding="utf-8").splitlines()[-_LAST_LINES:]:
                terminal.faint(line)
            raise


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """SIGTERM and SIGHUP end the tour as Ctrl-C does: with everything put away."""
    handlers = {
        signal.SIGINT: signal.default_int_handler,  # which shells switch off in the background
        signal.SIGTERM: _leave,
        signal.SIGHUP: _leave,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
