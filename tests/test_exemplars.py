"""OpenMetrics, for scrapers that ask for it: each bucket names a request that it has counted."""

import os
import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from gateway.metrics import families
from gateway.metrics.cells import Cells
from gateway.metrics.exposition import exposition, one_process, several_workers
from gateway.metrics.families import BYTES, SECONDS
from gateway.metrics.metrics import Metrics
from gateway.standin.process import StandInProcess
from tests.support.gateway import GatewayProcess
from tests.support.prometheus import SECONDS as PATIENCE
from tests.support.prometheus import scraping
from tests.support.wire import Client

OPENMETRICS = "application/openmetrics-text"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2"
)
PROTOBUF_FIRST = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.7,"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def scraped(gateway: GatewayProcess, accept: str) -> tuple[str, str]:
    """Type and text of a scrape."""
    request = urllib.request.Request(f"{gateway.admin_url}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers.get_content_type(), response.read().decode()


def parsed(text: str) -> dict[str, Metric]:
    return {metric.name: metric for metric in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]


def exemplars(text: str) -> Iterator[tuple[str, dict[str, str], float, Exemplar]]:
    """Name, labels and value of the samples that have one, and that."""
    for metric in parsed(text).values():
        for sample in metric.samples:
            if sample.exemplar is not None:
                yield sample.name, sample.labels, sample.value, sample.exemplar


def ids(text: str) -> set[str]:
    return {exemplar.labels["request_id"] for *_, exemplar in exemplars(text)}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (OPENMETRICS, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (PROTOBUF_FIRST + PROMETHEUS_3, OPENMETRICS),
        ("text/plain;q=0.3, Application/OpenMetrics-Text; Q=0.3", OPENMETRICS),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.1", "text/plain"),
        ("application/openmetrics-text;q=0", "text/plain"),
        ("application/openmetrics-text;q=much", "text/plain"),
        ("*/*", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_who_asks_for_openmetrics_gets_it(
    accept: str, kind: str, shared_gateway: GatewayProcess
) -> None:
    told, text = scraped(shared_gateway, accept)
    assert told == kind
    assert text.endswith("# EOF\n") == (kind == OPENMETRICS)


def test_an_upload_is_found_in_the_buckets_that_counted_it(
    client: Client, shared_gateway: GatewayProcess
) -> None:
    response = client.raw("a.txt", b"x" * 5000)
    assert response.status == 201
    request_id = response.header("x-request-id")
    line = shared_gateway.wait_for_log("request", request_id=request_id)
    _, text = scraped(shared_gateway, OPENMETRICS)
    assert set(parsed(text)) == {family.name for family in families.ALL}
    mine = {
        name.removeprefix("upload_gateway_"): (labels, exemplar)
        for name, labels, value, exemplar in exemplars(text)
        if exemplar.labels == {"request_id": request_id, "trace_id": line["trace_id"]}
        and value >= 1
    }
    assert set(mine) == {
        "requests_total",
        "request_duration_seconds_bucket",
        "stage_duration_seconds_bucket",
        "files_total",
        "stored_file_size_bytes_bucket",
    }
    labels, exemplar = mine["stored_file_size_bytes_bucket"]
    assert (labels["le"], exemplar.value) == ("16384.0", 5000)
    labels, exemplar = mine["request_duration_seconds_bucket"]
    assert exemplar.value <= float(labels["le"])
    assert exemplar.value == pytest.approx(line["duration"], abs=0.001)


def test_buckets_fit_uploads() -> None:
    """From 1 KiB to 10 GiB, from a millisecond to an hour."""
    assert (BYTES[0], BYTES[-1]) == (2**10, 10 * 2**30)
    assert (SECONDS[0], SECONDS[-1]) == (0.001, 3600)
    assert list(BYTES) == sorted(set(BYTES))
    assert list(SECONDS) == sorted(set(SECONDS))


@pytest.mark.parametrize(
    ("request_id", "told"),
    [
        ("i" * 78, {"request_id": "i" * 78, "trace_id": TRACE}),
        ("i" * 79, {"request_id": "i" * 79}),
        ("i" * 118, {"request_id": "i" * 118}),
        ("i" * 119, {"trace_id": TRACE}),
    ],
)
def test_an_exemplar_has_128_characters_at_most(request_id: str, told: dict[str, str]) -> None:
    cells = Cells()
    end(Metrics(cells), request_id, 0.5)
    text = exposition(one_process(cells), openmetrics=True).decode()
    found = [exemplar.labels for *_, exemplar in exemplars(text)]
    assert found == [told, told]
    assert sum(len(name) + len(value) for name, value in told.items()) <= 128


def end(metrics: Metrics, request_id: str, seconds: float) -> None:
    metrics.begin_request()
    metrics.end_request("files", "POST", 201, "accepted", "none", seconds, 1, request_id, TRACE)


def test_of_several_workers_the_last_request_is_told(tmp_path: Path) -> None:
    first, second = Cells(tmp_path), Cells(tmp_path)
    end(Metrics(first), "one", 0.3)
    end(Metrics(second), "two", 0.3)
    end(Metrics(first), "three", 7.0)
    read = several_workers(tmp_path)
    assert ids(exposition(read, openmetrics=True).decode()) == set()
    first.save_noted()
    second.save_noted()
    text = exposition(read, openmetrics=True).decode()
    buckets = {
        labels["le"]: exemplar.labels["request_id"]
        for name, labels, _, exemplar in exemplars(text)
        if name.endswith("_bucket")
    }
    assert buckets == {"0.5": "two", "10.0": "three"}
    end(Metrics(second), "four", 0.3)
    second.save_noted()
    assert "two" not in ids(exposition(read, openmetrics=True).decode())


def worker_pids(gateway: GatewayProcess) -> list[int]:
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def test_what_a_dead_worker_has_noted_stays(mattermost: StandInProcess, tmp_path: Path) -> None:
    with GatewayProcess(mattermost.url, tmp_path, workers="2") as gateway:
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        request_id = client.raw("a.txt", b"hello").header("x-request-id")

        def is_told() -> bool:
            return request_id in ids(scraped(gateway, OPENMETRICS)[1])

        gateway.wait_for(is_told)
        for pid in worker_pids(gateway):
            os.kill(pid, signal.SIGKILL)
        gateway.wait_for_log("worker_died")
        gateway.wait_for(lambda: len([e for e in gateway.log() if e["event"] == "worker_died"]) > 1)
        assert is_told()
        assert gateway.metric("upload_gateway_files_total") == 1


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_prometheus_finds_the_request(mattermost: StandInProcess, tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    with (
        GatewayProcess(mattermost.url, tmp_path / "gateway") as gateway,
        scraping(gateway.admin_url, tmp_path / "prometheus") as prometheus,
    ):
        client = Client(gateway.address, mattermost.user_token, mattermost.channel_id)
        request_id = client.raw("a.txt", b"hello").header("x-request-id")
        name = "upload_gateway_request_duration_seconds_bucket"

        def found() -> set[str]:
            told = prometheus.exemplars(f'{name}{{endpoint="files"}}')
            return {exemplar["request_id"] for exemplar in told}

        gateway.wait_for(lambda: found() == {request_id}, PATIENCE)
