"""``python -m gateway.standin``: serve until told to stop; print one JSON line when ready."""

import argparse
import asyncio
import json
import logging
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn

from gateway.standin.filestore import FileStore
from gateway.standin.journal import Journal
from gateway.standin.options import DEFAULT_MAX_FILE_SIZE, Options
from gateway.standin.protocol import protocol_for
from gateway.standin.seed import seed
from gateway.standin.server import StandIn
from gateway.standin.state import State

_IDLE_SECONDS = 60
"""Mattermost's IdleTimeout."""
_GRACE_SECONDS = 2
_WEBSOCKET_MESSAGE = 8 * 1024
"""The largest message that Mattermost takes from a WebSocket client, in bytes."""


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: dict[str, object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(json.dumps(self._ready), flush=True)


def main() -> None:
    arguments = _parse_arguments()
    logging.basicConfig(level=logging.CRITICAL if arguments.quiet else logging.WARNING)
    options = Options(arguments.data, arguments.subpath, arguments.max_file_size)
    options.data.mkdir(parents=True, exist_ok=True)
    state = State(options.data / "state.sqlite3")
    journal = Journal()
    upgraded: dict[object, asyncio.Transport] = {}
    store = FileStore(options.data / "files")
    listener = _listen(arguments.listen)
    host, port = listener.getsockname()[:2]
    ready: dict[str, object] = {"url": f"http://{host}:{port}{options.subpath}"}
    config = uvicorn.Config(
        StandIn(options, state, store, journal, upgraded),
        http=protocol_for(journal, upgraded),
        ws_max_size=_WEBSOCKET_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=60,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _leave)
    try:
        _Server(config, ready | seed(state)).run(sockets=[listener])
    finally:
        state.close()


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway.standin", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0", help="host:port; port 0 finds one")
    parser.add_argument("--data", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--subpath", default="", help="for example /chat")
    parser.add_argument("--max-file-size", type=int, default=DEFAULT_MAX_FILE_SIZE, help="bytes")
    parser.add_argument("--quiet", action="store_true", help="log nothing")
    return parser.parse_args()


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    return listener


def _leave(_signum: int, _frame: FrameType | None) -> NoReturn:
    """Where uvicorn hands the signal back to when it has finished."""
    sys.exit(0)


if __name__ == "__main__":
    main()
