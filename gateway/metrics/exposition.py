"""What a scrape gets: all processes' values, added up, in Prometheus' text format or OpenMetrics.

The latter has exemplars besides: of each bucket, and of counters of requests and files, the
last request that it counted (https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from gateway.metrics.cells import Cells, Noted, Reading, read_workers
from gateway.metrics.families import ALL, Family

_GAUGES = frozenset(family.name for family in ALL if family.kind == "gauge")

_EXEMPLAR_ROOM = 128
"""Characters of all names and values of an exemplar's labels."""

Read = Callable[[], Iterable[Reading]]


def one_process(cells: Cells, count: Callable[[], None] = lambda: None) -> Read:
    """The values of this process; ``count`` sees to what is not counted yet."""

    def read() -> list[Reading]:
        count()
        return [cells.read()]

    return read


def several_workers(folder: Path) -> Read:
    """The values of all workers that keep theirs in ``folder``."""
    return lambda: read_workers(folder, _GAUGES)


def exposition(read: Read, *, openmetrics: bool = False) -> bytes:
    """The text of a scrape."""
    registry = CollectorRegistry()
    registry.register(_Sums(read))
    if openmetrics:
        text: bytes = generate_openmetrics(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


def total(read: Read, family: Family, *labels: str) -> float:
    """The sum of a counter or gauge over all processes, and over all labels if none are given."""
    return sum(
        cells[0]
        for reading in read()
        for (name, found), cells in reading.values.items()
        if name == family.name and (not labels or tuple(found) == labels)
    )


class _Sums(Collector):
    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        sums = Reading({}, {})
        for reading in self._read():
            for key, cells in reading.values.items():
                have = sums.values.get(key)
                sums.values[key] = cells if have is None else [a + b for a, b in zip(have, cells)]  # noqa: B905 - the same family has the same cells
            for key, noted in reading.noted.items():
                _keep_newest(sums.noted.setdefault(key, {}), noted)
        for family in ALL:
            yield _metric(family, sums)


def _keep_newest(noted: dict[int, Noted], more: dict[int, Noted]) -> None:
    for number, one in more.items():
        have = noted.get(number)
        if have is None or have[0][2] < one[0][2]:
            noted[number] = one


def _metric(family: Family, sums: Reading) -> Metric:
    metric = _KINDS[family.kind](family.name, family.help, labels=family.labels)
    for key, cells in sorted(sums.values.items()):
        name, labels = key
        if name != family.name:
            continue
        exemplars = {number: _exemplar(one) for number, one in sums.noted.get(key, {}).items()}
        if isinstance(metric, HistogramMetricFamily):
            bounds = [*map(str, family.buckets), "+Inf"]
            counts = accumulate(cells[:-1])
            buckets = [
                (bound, count, exemplars[number]) if number in exemplars else (bound, count)
                for number, (bound, count) in enumerate(zip(bounds, counts, strict=True))
            ]
            metric.add_metric(labels, buckets, cells[-1])
        elif isinstance(metric, CounterMetricFamily):
            metric.add_metric(labels, cells[0], exemplar=exemplars.get(0))
        else:
            metric.add_metric(labels, cells[0])
    return metric


def _exemplar(noted: Noted) -> Exemplar:
    (request_id, trace_id, when), value = noted
    labels = {"request_id": request_id, "trace_id": trace_id}
    if _length(labels) > _EXEMPLAR_ROOM:  # an id that a trusted proxy gave
        labels = {"request_id": request_id}
    if _length(labels) > _EXEMPLAR_ROOM:
        labels = {"trace_id": trace_id}
    return Exemplar(labels, value, when)


def _length(labels: dict[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in labels.items())


_KINDS: dict[str, type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
