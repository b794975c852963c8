"""A Prometheus that runs, with the configuration from deploy/."""

import json
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
CONFIGURATION = DEPLOY / "prometheus.yml"
SECONDS = 20.0


class Prometheus:
    """One that runs, at ``address``."""

    def __init__(self, address: str) -> None:
        self._address = address

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each sample of now. Raises HTTPError if it is no PromQL."""
        result = self._get("query", query=expression)["result"]
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def query_range(
        self, expression: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Labels of each series, and its (Unix time, value) from ``start`` to ``end``."""
        times = {"start": f"{start}", "end": f"{end}", "step": f"{step}"}
        result = self._get("query_range", query=expression, **times)["result"]
        return [
            (series["metric"], [(when, float(value)) for when, value in series["values"]])
            for series in result
        ]

    def exemplars(self, selector: str) -> list[dict[str, str]]:
        """The labels of each exemplar of the last hour."""
        now = time.time()
        result = self._get("query_exemplars", query=selector, start=f"{now - 3600}", end=f"{now}")
        return [exemplar["labels"] for series in result for exemplar in series["exemplars"]]

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=SECONDS) as response:
            return json.loads(response.read())["data"]

    def values(self, expression: str) -> list[float]:
        return [value for _, value in self.query(expression)]


@contextmanager
def scraping(admin_url: str, folder: Path, every: str = "200ms") -> Iterator[Prometheus]:
    """One that scrapes the gateway with this admin port, and more often than deployed."""
    text = CONFIGURATION.read_text()
    for shown, here in (
        ("127.0.0.1:8067", admin_url.removeprefix("http://")),
        ("scrape_interval: 15s", f"scrape_interval: {every}"),
        ("prometheus-rules.yml", str(DEPLOY / "prometheus-rules.yml")),
    ):
        assert shown in text
        text = text.replace(shown, here)
    config, log = folder / "prometheus.yml", folder / "log"
    config.write_text(text)
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--log.format=json",
        "--enable-feature=exemplar-storage",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield Prometheus(_address(process, log))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, when it is ready."""
    deadline = time.monotonic() + SECONDS
    while "Server is ready to receive web requests" not in (text := log.read_text()):
        assert process.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    lines = [json.loads(line) for line in text.splitlines()]
    return str(next(line["address"] for line in lines if line.get("msg") == "Listening on"))
