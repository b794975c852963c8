"""Grafana's dashboard in deploy/: each of its queries finds data in a real Prometheus."""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

import pytest

from gateway.metrics.families import QUOTA_UNCONFIRMED
from gateway.standin.process import StandInProcess
from tests.rules.support import client_of, gateway_with
from tests.support.gateway import GatewayProcess
from tests.support.metrics_page import OPEN, QUERIES, query, values
from tests.support.prometheus import DEPLOY, SECONDS, Prometheus, scraping
from tests.support.wire import Client

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
}
RULES = """
[[rule]]
name = "watched"
denied_types = ["text"]
enforce = false

[[rule]]
name = "elsewhere"
when.channel = ["nowhere"]
max_file_size = 1

[[rule]]
name = "scanned"
scan = true
"""
NOBODY = "tcp://127.0.0.1:9"
"""Where no ClamAV is: scans have a result all the same."""
JOB = "mattermost-upload-gateway"

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed"
)


@pytest.fixture(scope="module")
def gateway(
    stand_in: StandInProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "keys.toml").touch()
    with gateway_with(
        RULES,
        stand_in,
        folder,
        scanner_url=NOBODY,
        scanner_unreachable="allow",
        quotas="user 1MiB/day",
        audit_log=str(folder / "audit.log"),
        auth="mattermost,api-key",
        api_keys_file=str(folder / "keys.toml"),
        account_token="a" * 26,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(
    gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with scraping(gateway.admin_url, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


def traffic(gateway: GatewayProcess, client: Client) -> None:
    """A bit of everything."""
    assert client.raw("a.txt", b"hello").status == 201
    assert client.raw("setup.exe", b"hello").status == 403
    assert client.raw("large.txt", b"x" * 2**21).status == 429
    stranger = Client(client.address, "nobody", client.channel_id)
    assert stranger.raw("a.txt", b"hello").status in (401, 429)
    assert client.request("GET", "/api/v4/users/me").status == 200


def has_reloaded(
    gateway: GatewayProcess, result: str, name: str = "upload_gateway_policy_reloads_total"
) -> bool:
    return gateway.metric(name, result=result) > 0


def change_keys(gateway: GatewayProcess) -> None:
    """To what is no file of keys, and back."""
    reloads = "upload_gateway_credential_reloads_total"
    for text, result in (("?", "failed"), ("", "loaded")):
        (gateway.folder / "keys.toml").write_text(text)
        gateway.wait_for(partial(has_reloaded, gateway, result, reloads))


def change_policy(gateway: GatewayProcess) -> None:
    """To one that is wrong, and back."""
    for text, result in (("?", "failed"), (RULES, "loaded")):
        (gateway.folder / "policy.toml").write_text(text)
        gateway.signal(signal.SIGHUP)
        gateway.wait_for(partial(has_reloaded, gateway, result))


def spelt_out(expression: str) -> str:
    """``expression`` as Grafana sends it."""
    return expression.replace("$job", JOB).replace("$__rate_interval", "1m")


@needs_prometheus
@pytest.mark.timeout(90)
def test_each_query_finds_data(
    gateway: GatewayProcess, prometheus: Prometheus, mattermost: StandInProcess
) -> None:
    client = client_of(gateway, mattermost)
    # Nobody dies here while Mattermost stores a file, which is what that counts.
    told = {family.name: query(family) for family in QUERIES if family is not QUOTA_UNCONFIRMED}
    wanted = {**EXPRESSIONS, **told}
    # Whether these are more than 0 is their question, and here they are not.
    wanted = {name: text.removesuffix(" > 0") for name, text in wanted.items()}
    change_policy(gateway)
    change_keys(gateway)
    deadline = time.monotonic() + 2 * SECONDS
    while wanted:
        assert time.monotonic() < deadline, wanted
        traffic(gateway, client)
        wanted = {
            name: expression
            for name, expression in wanted.items()
            if all(map(isnan, prometheus.values(spelt_out(expression))))
        }


@needs_prometheus
def test_labels_are_what_the_page_says(gateway: GatewayProcess, mattermost: StandInProcess) -> None:
    traffic(gateway, client_of(gateway, mattermost))
    families = {family.name: family for family in QUERIES}
    for sample, labels in gateway.metrics():
        name = re.sub("_(total|bucket|sum|count)$", "", sample)
        family = families[name]
        assert {label for label, _ in labels} - {"le"} == set(family.labels)
        for label, value in labels:
            if label != "le" and label not in OPEN:
                assert value in values(family, label), (sample, label, value)


def test_each_metric_is_on_it() -> None:
    text = json.dumps([*EXPRESSIONS.values()])
    assert [family.name for family in QUERIES if f"{family.name}" not in text] == []


def test_panels_have_places_of_their_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


def test_it_is_about_the_job_that_is_scraped() -> None:
    assert f"job_name: {JOB}\n" in (DEPLOY / "prometheus.yml").read_text()
    variables = {item["name"]: item for item in DASHBOARD["templating"]["list"]}
    assert variables["job"]["current"]["value"] == JOB
    assert all(target["expr"].count("{") == target["expr"].count('job="$job"')
               for panel in PANELS for target in panel["targets"])  # fmt: skip
    assert Path(DEPLOY / "grafana-dashboard.json").stat().st_size < 100_000
