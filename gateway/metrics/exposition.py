"""What a scrape gets: all processes' values, added up, in Prometheus' text format."""

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
from prometheus_client.registry import Collector

from gateway.metrics.cells import Cells, Values, read_workers
from gateway.metrics.families import ALL, Family

_GAUGES = frozenset(family.name for family in ALL if family.kind == "gauge")

Read = Callable[[], Iterable[Values]]


def one_process(cells: Cells) -> Read:
    """The values of this process."""
    return lambda: [cells.read()]


def several_workers(folder: Path) -> Read:
    """The values of all workers that keep theirs in ``folder``."""
    return lambda: read_workers(folder, _GAUGES)


def exposition(read: Read) -> bytes:
    """The text of a scrape."""
    registry = CollectorRegistry()
    registry.register(_Sums(read))
    return generate_latest(registry)


def total(read: Read, family: Family) -> float:
    """The sum of a counter or gauge over all processes and labels."""
    return sum(
        cells[0] for values in read() for (name, _), cells in values.items() if name == family.name
    )


class _Sums(Collector):
    def __init__(self, read: Read) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        sums: Values = {}
        for values in self._read():
            for key, cells in values.items():
                have = sums.get(key)
                sums[key] = cells if have is None else [a + b for a, b in zip(have, cells)]  # noqa: B905 - the same family has the same cells
        for family in ALL:
            yield _metric(family, sums)


def _metric(family: Family, sums: Values) -> Metric:
    metric = _KINDS[family.kind](family.name, family.help, labels=family.labels)
    for (name, labels), cells in sorted(sums.items()):
        if name != family.name:
            continue
        if isinstance(metric, HistogramMetricFamily):
            bounds = [*map(str, family.buckets), "+Inf"]
            counts = accumulate(cells[:-1])
            metric.add_metric(labels, list(zip(bounds, counts, strict=True)), cells[-1])
        else:
            metric.add_metric(labels, cells[0])
    return metric


_KINDS: dict[str, type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
