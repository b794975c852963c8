"""``docs/img/dashboard.svg``, drawn from what the dashboard's queries find in a real Prometheus.

It scrapes a gateway under traffic for two minutes. Grafana draws more finely; what is where, and
which numbers there are, is the same.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from html import escape
from math import ceil, isfinite, log2, sin
from pathlib import Path
from typing import Any

from gateway.demo.samples import write_samples
from gateway.standin.process import StandInProcess
from gateway.units import format_size
from tests.rules.support import gateway_with
from tests.support.gateway import GatewayProcess
from tests.support.prometheus import DEPLOY, Prometheus, scraping
from tests.support.server import new_member
from tests.support.websocket import open_socket
from tests.support.wire import Client

PICTURE = DEPLOY.parent / "docs" / "img" / "dashboard.svg"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
JOB = "mattermost-upload-gateway"
SECONDS = 120.0
_STEP = 2.0
_RATE_INTERVAL = "15s"
RULES = """
[[rule]]
name = "no-text"
denied_types = ["text"]
enforce = false

[[rule]]
name = "town"
when.channel = ["town"]
scan = true
archives = true
"""
NOBODY = "tcp://127.0.0.1:9"

_WIDTH, _COLUMN, _ROW, _GAP = 1200, 50, 25, 8
_COLOURS = (
    *("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#96d98d"),
    *("#ffcb7d", "#ca95e5"),
)

Points = list[tuple[float, float]]


def draw() -> str:
    """Run all of it, and draw it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "prometheus").mkdir()
        mattermost = stack.enter_context(StandInProcess(folder / "mattermost"))
        gateway = stack.enter_context(
            gateway_with(
                RULES,
                mattermost,
                folder / "gateway",
                scanner_url=NOBODY,
                scanner_unreachable="allow",
                quotas="user 60MiB/day",
                audit_log=str(folder / "audit.log"),
            )
        )
        prometheus = stack.enter_context(scraping(gateway.admin_url, folder / "prometheus", "1s"))
        login = {"Authorization": f"Bearer {mattermost.user_token}"}
        for _ in range(4):
            stack.enter_context(open_socket(gateway, additional_headers=login))
        start = time.time()
        keep_busy(gateway, mattermost, folder)
        return picture(prometheus, start + _STEP, time.time())


def keep_busy(gateway: GatewayProcess, mattermost: StandInProcess, folder: Path) -> None:
    """Several people for two minutes."""
    samples = folder / "samples"
    samples.mkdir()
    write_samples(samples)
    files = [(path.name, path.read_bytes()) for path in sorted(samples.iterdir())]
    files += [("notes.txt", b"A line.\n" * length) for length in (50, 500, 5000)] * 3
    files += [("setup.exe", b"hello")]
    tokens = [new_member(mattermost)["token"] for _ in range(8)] + ["nobody"]
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(len(tokens)) as people:
        for number, token in enumerate(tokens):
            client = Client(gateway.address, token, mattermost.channel_id)
            people.submit(upload_until, until, client, files, random.Random(number))


def upload_until(
    until: float, client: Client, files: list[tuple[str, bytes]], chance: random.Random
) -> None:
    while (left := until - time.monotonic()) > 0:
        name, content = chance.choice(files)
        client.raw(name, content)
        client.request("GET", "/api/v4/users/me")
        time.sleep(0.15 + 0.1 * sin(left / 12) + 0.3 * chance.random())


# The drawing.


def picture(prometheus: Prometheus, start: float, end: float) -> str:
    panels = DASHBOARD["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) * _ROW + _GAP
    drawn = [line for panel in panels for line in _panel(panel, prometheus, start, end)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            'font-family="Inter, Helvetica, Arial, sans-serif" font-size="11" fill="#ccccdc">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#111217"/>',
            *drawn,
            "</svg>",
            "",
        ]
    )


def _panel(
    panel: dict[str, Any], prometheus: Prometheus, start: float, end: float
) -> Iterator[str]:
    place = panel["gridPos"]
    x, y = place["x"] * _COLUMN + _GAP / 2, place["y"] * _ROW + _GAP / 2
    width, height = place["w"] * _COLUMN - _GAP, place["h"] * _ROW - _GAP
    title = escape(panel["title"])
    if panel["type"] == "row":
        yield _text(x + 4, y + 14, f"⌄ {title}", size=14, weight=600)
        return
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="2" fill="#181b1f" stroke="#25282d"/>'  # noqa: E501
    yield _text(x + 10, y + 18, title, size=12, weight=600)
    series = list(_series(panel, prometheus, start, end))
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["type"] == "stat":
        value = _told(series[0][1][-1][1], unit) if series else "No data"
        middle = x + width / 2
        yield _text(middle, y + height / 2 + 20, value, size=28, fill="#73bf69", anchor="middle")
    else:
        yield from _graph(series, unit, (x + 58, y + 30, width - 72, height - 68), (start, end))
        yield from _legend(series, x + 12, y + height - 9, width - 20)


def _series(
    panel: dict[str, Any], prometheus: Prometheus, start: float, end: float
) -> Iterator[tuple[str, Points]]:
    for target in panel["targets"]:
        expression = target["expr"].replace("$job", JOB)
        expression = expression.replace("$__rate_interval", _RATE_INTERVAL)
        for labels, points in prometheus.query_range(expression, start, end, _STEP):
            name = target["legendFormat"]
            for label in ("outcome", "endpoint", "group", "reason", "rule", "stage", "result",
                          "scope", "unit", "operation", "instance"):  # fmt: skip
                name = name.replace(f"{{{{{label}}}}}", labels.get(label, ""))
            finite = [point for point in points if isfinite(point[1])]
            if finite:
                yield name.strip() or "none", finite


def _graph(
    series: list[tuple[str, Points]],
    unit: str,
    box: tuple[float, float, float, float],
    times: tuple[float, float],
) -> Iterator[str]:
    left, top, width, height = box
    most = max((value for _, points in series for _, value in points), default=1)
    top_value = _ceiling(most, binary=unit in ("bytes", "Bps"))
    for part in range(5):
        y = top + height - part * height / 4
        yield f'<path d="M{left:.0f} {y:.1f}h{width:.0f}" stroke="#2c3036"/>'
        yield _text(
            left - 6, y + 4, _told(top_value * part / 4, unit), anchor="end", fill="#9a9ca5"
        )
    for minute in range(int((times[1] - times[0]) // 30) + 1):
        x = left + width * 30 * minute / (times[1] - times[0])
        shown = f"{minute // 2}:{30 * (minute % 2):02d}"
        yield _text(x, top + height + 14, shown, anchor="middle", fill="#9a9ca5")
    for (_, points), colour in zip(series, _colours(), strict=False):
        path = "L".join(
            f"{left + width * (when - times[0]) / (times[1] - times[0]):.1f} "
            f"{top + height * (1 - value / top_value):.1f}"
            for when, value in points
        )
        yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _legend(series: list[tuple[str, Points]], x: float, y: float, width: float) -> Iterator[str]:
    right = x + width
    for number, ((name, _), colour) in enumerate(zip(series, _colours(), strict=False)):
        needed = 26 + 6.2 * len(name)
        more = len(series) - number
        if x + needed + (46 if more > 1 else 0) > right:
            yield _text(x, y, f"and {more} more", fill="#9a9ca5")
            return
        yield f'<rect x="{x:.0f}" y="{y - 5:.0f}" width="10" height="3" fill="{colour}"/>'
        yield _text(x + 14, y, escape(name))
        x += needed


def _colours() -> Iterator[str]:
    while True:
        yield from _COLOURS


def _text(
    x: float, y: float, text: str, *, size: int = 11, weight: int = 400, anchor: str = "start",
    fill: str = "#ccccdc",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{fill}">{text}</text>'
    )


def _ceiling(value: float, *, binary: bool) -> float:
    """The next higher power of two, or of 1, 2, 4, 8 times a power of ten."""
    if binary:
        return 2.0 ** ceil(log2(max(value, 4)))
    power = 10.0 ** (len(str(int(value))) - 1 if value >= 1 else -6)
    while value > 0:
        for step in (1, 2, 4, 8):
            if value <= step * power:
                return step * power
        power *= 10
    return 1.0


def _told(value: float, unit: str) -> str:
    """As Grafana shows it."""
    match unit:
        case "bytes" | "Bps":
            return format_size(round(value)).replace(" bytes", " B") + "/s" * (unit == "Bps")
        case "percentunit":
            return f"{value * 100:.3g}%"
        case "s":
            return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
        case "reqps" | "ops":
            return f"{value:.3g}/s"
        case _:
            return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw())
    print(PICTURE, file=sys.stderr)
