"""A real Prometheus, with the configuration from deploy/, understands what the gateway tells."""

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.prometheus import CONFIGURATION, SECONDS, Prometheus, scraping
from tests.support.wire import Client

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with GatewayProcess(stand_in.url, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(
    gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with scraping(gateway.admin_url, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


def promql() -> list[str]:
    """The expressions that docs/operations.md recommends; each is indented below its title."""
    text = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(r"first questions in\nPromQL:\n\n```text\n(.*?)```", text, re.S)
    assert block is not None
    below_titles = re.split(r"^\S.*\n", block[1], flags=re.M)
    return [" ".join(lines.split()) for lines in below_titles if lines.strip()]


def test_promtool_finds_the_configuration_good() -> None:
    told = subprocess.run(
        ["promtool", "check", "config", str(CONFIGURATION)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_promtool_finds_the_metrics_good(gateway: GatewayProcess) -> None:
    with urllib.request.urlopen(f"{gateway.admin_url}/metrics", timeout=SECONDS) as response:
        exposed = response.read()
    told = subprocess.run(
        ["promtool", "check", "metrics"], input=exposed, capture_output=True, check=False
    )
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")


def test_it_counts_uploads(
    mattermost: StandInProcess, gateway: GatewayProcess, prometheus: Prometheus
) -> None:
    client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
    for _ in range(3):
        assert client.raw("a.txt", b"hello").status == 201
    assert client.raw("setup.exe", b"hello").status == 403
    job = 'job="mattermost-upload-gateway"'
    accepted = f'upload_gateway_files_total{{{job}, outcome="accepted"}}'
    gateway.wait_for(lambda: prometheus.values(accepted) == [3], SECONDS)
    assert prometheus.values(f"up{{{job}}}") == [1]
    refused = f'upload_gateway_files_total{{{job}, outcome="refused"}}'
    ((labels, value),) = prometheus.query(refused)
    assert (labels["reason"], value) == ("extension_denied", 1)
    assert prometheus.values(f"upload_gateway_stored_bytes_total{{{job}}}") == [15]
    assert prometheus.values(f"upload_gateway_stored_file_size_bytes_count{{{job}}}") == [3]


def test_it_understands_what_the_docs_recommend(prometheus: Prometheus) -> None:
    expressions = promql()
    assert expressions
    for expression in expressions:
        prometheus.query(expression)
