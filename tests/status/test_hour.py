"""The last hour: differences of what metrics count, added up over gateways, and drawn."""

import pytest

from gateway.edge.status.charts import HEIGHT, lines, nice_top, stacked
from gateway.metrics.cells import Cells
from gateway.metrics.exposition import one_process
from gateway.metrics.metrics import Metrics
from gateway.status.hour import MINUTES, Hour, added_up, percentile
from gateway.status.values import Minute

START = 1_760_011_200.0


class Counted:
    """A gateway that counts, and its hour."""

    def __init__(self) -> None:
        cells = Cells()
        self.metrics = Metrics(cells)
        self.now = START
        self.hour = Hour(one_process(cells), lambda: self.now)

    def request(self, outcome: str, reason: str = "none", endpoint: str = "files") -> None:
        self.metrics.begin_request()
        self.metrics.end_request(endpoint, "POST", 200, outcome, reason, 0.02, 100, "id", "trace")

    def look(self) -> list[Minute]:
        self.hour.update()
        return self.hour.look()


def test_uploads_are_counted_by_how_they_ended() -> None:
    counted = Counted()
    for outcome, reason in (
        ("accepted", "none"),
        ("accepted", "none"),
        ("refused", "type_denied"),
        ("refused", "quota_exceeded"),
        ("refused", "type_denied"),
        ("failed", "upstream_timeout"),
        ("aborted", "client_gone"),
    ):
        counted.request(outcome, reason)
    counted.metrics.file("accepted", "none", "text", 500, ("id", "trace", 0.0))
    (minute,) = counted.look()
    assert (minute.start, minute.accepted, minute.aborted, minute.stored) == (START, 2, 1, 500)
    assert minute.refused == {"type_denied": 2, "quota_exceeded": 1}
    assert minute.failed == {"upstream_timeout": 1}
    assert sum(minute.latency) == 2


def test_what_is_no_upload_is_not_counted() -> None:
    counted = Counted()
    counted.request("accepted", endpoint="passthrough")
    counted.request("refused", "not_served", endpoint="other")
    counted.metrics.begin_request()
    counted.metrics.end_request(
        "files", "GET", 404, "refused", "mattermost_refused", 0.1, 0, "id", "trace"
    )
    assert counted.look() == []


def test_each_minute_has_its_own() -> None:
    counted = Counted()
    counted.request("accepted")
    counted.look()
    counted.request("accepted")
    assert [minute.accepted for minute in counted.look()] == [2]
    counted.now += 60
    counted.request("refused", "type_denied")
    assert [(m.start, m.accepted, dict(m.refused)) for m in counted.look()] == [
        (START, 2, {}),
        (START + 60, 0, {"type_denied": 1}),
    ]


def test_after_an_hour_it_is_over() -> None:
    counted = Counted()
    for _ in range(2 * MINUTES):
        counted.request("accepted")
        assert len(counted.look()) <= MINUTES
        counted.now += 60
    counted.now += 3600
    assert counted.look() == []


def test_the_minutes_of_several_gateways_are_added_up() -> None:
    one = Minute(int(START), 2, {"a": 1}, {}, 0, 10, [1, 1])
    other = Minute(int(START), 3, {"a": 2, "b": 1}, {"c": 1}, 1, 5, [0, 3])
    old = Minute(int(START) - 3600, 100)
    found = added_up([one, other, old], START + 30)
    assert len(found) == MINUTES
    assert found[-1] == Minute(int(START), 5, {"a": 3, "b": 1}, {"c": 1}, 1, 15, [1, 4])
    assert found[0] == Minute(int(START) - 3540)


@pytest.mark.parametrize(
    ("latency", "share", "seconds"),
    [
        ([], 0.5, None),
        ([0] * 20, 0.5, None),
        ([10, *[0] * 19], 0.5, 0.0005),
        ([0, 10, *[0] * 18], 1.0, 0.0025),
        ([*[0] * 19, 5], 0.95, 3600.0),  # longer than the last bound
    ],
)
def test_percentiles(latency: list[int], share: float, seconds: float | None) -> None:
    assert percentile(Minute(0, latency=latency), share) == seconds


def test_bars_stand_on_each_other() -> None:
    chart = stacked(("good", "bad"), [(3, 1), (0, 0)], ["first", "second"], 8)
    first, second = chart.columns
    good, bad = first.bars
    assert (good.y, good.height) == (HEIGHT * 5 / 8, HEIGHT * 3 / 8)
    assert (bad.y + bad.height, bad.height) == (good.y, HEIGHT / 8)
    assert second.bars == []


def test_a_line_has_gaps() -> None:
    rows = [(0.01,), (None,), (0.1,), (0.0001,)]
    first, second = (points.split() for _, points in lines(("half",), rows, 0.001, 0.1).lines)
    heights = [float(point.split(",")[1]) for point in (*first, *second)]
    assert heights == [HEIGHT / 2] * 2 + [0] * 2 + [HEIGHT] * 2


@pytest.mark.parametrize(
    ("highest", "base", "top"),
    [(0, 10, 1), (1, 10, 1), (3, 10, 5), (7, 10, 10), (101, 10, 200), (0.03, 10, 0.05), (5, 2, 8)],
)
def test_the_upper_edge_is_a_round_number(highest: float, base: int, top: float) -> None:
    assert nice_top(highest, base) == pytest.approx(top)
