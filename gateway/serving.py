"""Running the gateway in one process, or as a supervisor of several workers.

One worker: this process serves clients and the admin port. Several: this process serves the
admin port, and each worker serves clients from the one socket that they share.
"""

import asyncio
import gc
import resource
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import uvicorn

from gateway.allocator import keep_freed_memory
from gateway.composition import Parts, gateway_app
from gateway.edge.protocol import GatewayServer, UploadProtocol
from gateway.logs import Log, capture_libraries
from gateway.metrics.cells import Cells, bury_worker, has_cells
from gateway.metrics.exposition import one_process, several_workers
from gateway.metrics.metrics import Metrics
from gateway.settings import PREFIX, Settings, split_address
from gateway.status.boards import FolderBoard, MemoryBoard
from gateway.status_parts import AdminSide, telling_of_uploads

BACKLOG = 2048
KEEP_ALIVE = 75
"""Seconds that an idle client connection is kept, as nginx does: longer than load balancers do."""
_RESTART_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_STABLE_AFTER = 60.0
_KILL_AFTER = 5.0


class CannotStart(Exception):
    """The gateway cannot start; the text says why, for the administrator."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises CannotStart and SettingsError."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there are rules to be read again
    log = Log(settings.log_format, settings.log_level)
    listener = _bind("listen", settings.listen)
    admin_listener = _bind("admin_listen", settings.admin_listen)
    if settings.workers == 1:
        main: Coroutine[Any, Any, None] = _serve_alone(settings, log, listener, admin_listener)
    else:
        main = _supervise(settings, log, listener, admin_listener)
    _run(main, log)


def run_worker(settings: Settings, descriptor: int, shared: Path) -> None:
    """Serve clients on an inherited socket until told to stop, or until the supervisor is gone.

    ``shared`` is the folder for its metrics, and for what it finds there of the supervisor's.
    """
    log = Log(settings.log_format, settings.log_level)
    _run(_work(settings, log, socket.socket(fileno=descriptor), shared), log)


def _run(main: Coroutine[Any, Any, None], log: Log) -> None:
    keep_freed_memory()
    _allow_many_connections()
    # Requests leave next to no cycles; looking for them seldom is a few percent faster.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    capture_libraries(log)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main)


def _allow_many_connections() -> None:
    """The low limit of open files is for programs that use ``select``."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # where there is no wheel of it
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _bind(setting: str, address: str) -> socket.socket:
    host, port = split_address(address)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        problem = f"{PREFIX}{setting.upper()}={address}: {error.strerror or error}"
        raise CannotStart(f"it cannot listen where it should ({problem})") from error
    listener.listen(BACKLOG)
    return listener


class _Client(GatewayServer):
    """The server for clients; signals are the business of whoever runs it."""

    def __init__(self, app: Any, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(UploadProtocol, client_timeout=settings.client_timeout),  # type: ignore[arg-type]
                ws="none",
                proxy_headers=False,  # Origins decides whom to believe
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=settings.shutdown_timeout,  # type: ignore[arg-type]
                backlog=BACKLOG,
            )
        )

    def capture_signals(self) -> Any:
        return _no_signals()


class _Admin(uvicorn.Server):
    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                proxy_headers=False,  # Origins decides whom to believe
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    def capture_signals(self) -> Any:
        return _no_signals()


@contextmanager
def _no_signals() -> Any:
    yield


def _stop_signal() -> asyncio.Event:
    """Set by SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    return stop


@asynccontextmanager
async def _files_kept_up_to_date(
    parts: Parts, tell: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    """``tell`` passes SIGHUP on to whoever else has rules in force."""

    def reload() -> None:
        parts.policy.reload()
        tell()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    watching = [
        asyncio.create_task(watch()) for watch in (parts.policy.watch, parts.watch_credentials)
    ]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()


async def _serve_alone(
    settings: Settings, log: Log, listener: socket.socket, admin_listener: socket.socket
) -> None:
    stop = _stop_signal()
    cells = Cells()
    parts = Parts(settings, log)
    await parts.start()
    app, waiting = gateway_app(parts, cells)
    client_server = _Client(app, settings)
    board = MemoryBoard()
    admin_side = AdminSide(
        parts, one_process(cells, waiting.count), board, _address(admin_listener)
    )
    admin_server = _Admin(admin_side.app)
    serving_admin = asyncio.create_task(admin_server.serve([admin_listener]))
    serving = asyncio.create_task(client_server.serve([listener]))
    telling = asyncio.create_task(parts.tell_of_scanner())
    connections = client_server.server_state.connections
    async with (
        _files_kept_up_to_date(parts),
        telling_of_uploads(parts, board, connections),
        admin_side.telling(),
    ):
        log.info("started", **_addresses(listener, admin_listener), workers=1)
        await _first(stop.wait(), serving, serving_admin)
        telling.cancel()
        log.info("stopping", running=len(client_server.server_state.tasks))
        parts.readiness.draining = True
        client_server.should_exit = True
        await serving
    admin_side.close()
    admin_server.should_exit = True
    await serving_admin
    await waiting.close()
    await parts.stop()
    log.info("stopped")


async def _work(settings: Settings, log: Log, listener: socket.socket, shared: Path) -> None:
    stop = _stop_signal()
    _stop_with_supervisor(stop)
    parts = Parts(settings, log, shared)
    await parts.start()
    async with _files_kept_up_to_date(parts):
        cells = Cells(shared)
        app, waiting = gateway_app(parts, cells)
        saving = asyncio.create_task(cells.keep_saving())
        server = _Client(app, settings)
        connections = server.server_state.connections
        async with telling_of_uploads(parts, FolderBoard(shared), connections):
            serving = asyncio.create_task(server.serve([listener]))
            await _first(stop.wait(), serving)
            server.should_exit = True
            await serving
        saving.cancel()
    await waiting.close()
    await parts.stop()


def _stop_with_supervisor(stop: asyncio.Event) -> None:
    """The supervisor holds the other end of standard input for as long as it lives."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()

    loop.add_reader(sys.stdin.fileno(), ended)


async def _supervise(
    settings: Settings, log: Log, listener: socket.socket, admin_listener: socket.socket
) -> None:
    stop = _stop_signal()
    shared = Path(tempfile.mkdtemp(prefix="upload-gateway-"))
    try:
        parts = Parts(settings, log, shared)
        parts.keep_files()
        await parts.start()
        parts.count_unconfirmed_with(Metrics(Cells(shared)).quota_unconfirmed)
        board = FolderBoard(shared)
        admin_side = AdminSide(parts, several_workers(shared), board, _address(admin_listener))
        admin_server = _Admin(admin_side.app)
        serving_admin = asyncio.create_task(admin_server.serve([admin_listener]))
        running: set[Process] = set()
        workers = [
            asyncio.create_task(_keep_worker(settings, log, listener, shared, running, stop))
            for _ in range(settings.workers)
        ]
        telling = asyncio.create_task(parts.tell_of_scanner())
        async with (
            _files_kept_up_to_date(parts, partial(_hang_up, running, shared)),
            admin_side.telling(),
        ):
            log.info("started", **_addresses(listener, admin_listener), workers=settings.workers)
            await _first(stop.wait(), serving_admin, *workers)
        telling.cancel()
        stop.set()
        log.info("stopping")
        parts.readiness.draining = True
        listener.close()
        await asyncio.gather(*workers)
        admin_side.close()
        admin_server.should_exit = True
        await serving_admin
        await parts.stop()
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    log.info("stopped")


def _hang_up(workers: set[Process], shared: Path) -> None:
    for worker in workers:
        # One that has not come so far would die of it, and is only about to read the file.
        if has_cells(shared, worker.pid):
            with suppress(ProcessLookupError):
                worker.send_signal(signal.SIGHUP)


async def _keep_worker(
    settings: Settings,
    log: Log,
    listener: socket.socket,
    shared: Path,
    running: set[Process],
    stop: asyncio.Event,
) -> None:
    """Run a worker, and another one whenever it ends by itself, until ``stop``.

    It is one of those ``running`` for as long as it does.
    """
    pause = _RESTART_PAUSE
    while not stop.is_set():
        began = monotonic()
        worker = await _start_worker(listener, shared)
        running.add(worker)
        ended = asyncio.create_task(worker.wait())
        await _first(stop.wait(), ended)
        if not ended.done():
            await _end_worker(worker, ended, settings.shutdown_timeout)
            return
        running.discard(worker)
        bury_worker(shared, worker.pid)
        log.error("worker_died", pid=worker.pid, status=worker.returncode, restart_in=pause)
        pause = _RESTART_PAUSE if monotonic() - began > _STABLE_AFTER else pause * 2
        await _first(stop.wait(), asyncio.sleep(min(pause / 2, _LONGEST_PAUSE)))


async def _start_worker(listener: socket.socket, shared: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.worker",
        str(listener.fileno()),
        str(shared),
        stdin=PIPE,
        pass_fds=[listener.fileno()],
    )


async def _end_worker(worker: Process, ended: asyncio.Task[int], drain: float) -> None:
    with suppress(ProcessLookupError):
        worker.terminate()
    await asyncio.wait([ended], timeout=drain + _KILL_AFTER)
    if not ended.done():
        with suppress(ProcessLookupError):
            worker.kill()
        await ended


async def _first(*awaitables: Any) -> None:
    """Wait until one of ``awaitables`` is done; bare coroutines are then cancelled."""
    tasks = [asyncio.ensure_future(item) for item in awaitables]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, item in zip(tasks, awaitables, strict=True):
        if task is not item:
            task.cancel()


def _addresses(listener: socket.socket, admin_listener: socket.socket) -> dict[str, object]:
    return {"listen": _address(listener), "admin_listen": _address(admin_listener)}


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
