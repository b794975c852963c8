"""Reading what Prometheus would read."""

import re
from dataclasses import dataclass

from gateway.demo.curl import Request, send

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Series:
    """All series of a metric that have these labels, added up."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        shown = ",".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{shown}}}" if shown else self.name


class Scrape:
    """What one scrape brought."""

    def __init__(self, text: str) -> None:
        self._samples = [
            (match[1], set(_LABEL.findall(match[2] or "")), float(match[3]))
            for match in _SAMPLE.finditer(text)
        ]

    def total(self, series: Series) -> int:
        wanted = set(series.labels)
        return round(
            sum(
                value
                for name, labels, value in self._samples
                if name == series.name and wanted <= labels
            )
        )


def scrape(admin_url: str) -> Scrape:
    return Scrape(send(admin_url, Request((), "GET", "/metrics")).body.decode())
