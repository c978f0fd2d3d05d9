"""A host's day as a drawing: lines without style attributes, broken where nothing was heard; and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from farm import formats
from qbcore.samples import Chart, Sample

WIDTH, HEIGHT = 720, 72


@dataclass(frozen=True, slots=True)
class Hour:
    """A row of the table: means of an hour, and the most slots."""

    at: str
    cpu: str
    memory: str
    slots: int


@dataclass(frozen=True, slots=True)
class Curve:
    """What of a sample is drawn, at full height when it is `most`; `look` is its class."""

    value: Callable[[Sample], float]
    most: float
    look: str
    label: str


def line(chart: Chart, curve: Curve, since: datetime, until: datetime) -> SafeString:
    """The curve over the time; gaps stay empty, a lone point is a dot."""
    span = (until - since).total_seconds()

    def place(one: Sample) -> tuple[float, float]:
        share = min(1.0, curve.value(one) / (curve.most or 1))
        return WIDTH * (one.at - since).total_seconds() / span, HEIGHT - 1 - (HEIGHT - 2) * share

    drawn = mark_safe("".join(_drawn([place(one) for one in run], curve.look) for run in _runs(chart)))
    return format_html(
        '<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        '<title>{}</title><rect class="track" width="{}" height="{}"/>{}</svg>',
        curve.label, WIDTH, HEIGHT, curve.label, WIDTH, HEIGHT, drawn,
    )  # fmt: skip


def _drawn(points: list[tuple[float, float]], look: str) -> str:
    """Numbers and our own words: nothing here to escape."""
    if len(points) == 1:
        return f'<circle class="{look}" cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="1.5"/>'
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{look}" points="{told}"/>'


def _runs(chart: Chart) -> Iterator[list[Sample]]:
    """The stretches without a gap."""
    run: list[Sample] = []
    for point in (*chart.points, None):
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def hours(chart: Chart) -> list[Hour]:
    """The newest hour first."""
    found = []
    samples = (point for point in chart.points if point is not None)
    for at, some in groupby(samples, key=lambda one: localtime(one.at).replace(minute=0, second=0, microsecond=0)):
        these = list(some)
        cpu = sum(one.cpu for one in these) / len(these)
        memory = sum(one.memory for one in these) / len(these)
        shown = formats.size(int(memory * 2**20))
        found.append(Hour(f"{at:%a %H:%M}", f"{cpu:.0%}", shown, max(one.slots for one in these)))
    return found[::-1]


def day(now: datetime) -> tuple[datetime, datetime]:
    """The last 24 hours, in whole minutes."""
    until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return until - timedelta(days=1), until
