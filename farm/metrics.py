"""The farm's numbers as Prometheus reads them: the farm's out of the database, those of this process beside them.

`GAUGES`, `COUNTERS` and `LABELLED` are tables: a row per metric, its help text, and how it comes out of the measures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import redis
from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qbcore.measures import Measures, measure

Reading = Callable[[Measures], float]
CACHED = 3.0
"""Seconds for which one look at the database answers every scrape of this process."""
QUEUES = ("bulk", "quick")

GAUGES: tuple[tuple[str, str, Reading], ...] = (
    ("slots", "Processors of the active hosts.", lambda m: m.slots),
    ("slots_used", "Processors that grants take.", lambda m: m.slots_used),
    ("deltas_pending", "Changes of tallies that are not folded into their jobs yet.", lambda m: m.deltas),
    ("logs_unpacked", "Grants that are over and whose logs are not packed yet.", lambda m: m.unpacked),
    ("disk_free_bytes", "Free bytes of the disk of FARM_DATA.", lambda m: m.disk.free),
    ("disk_size_bytes", "Bytes of the disk of FARM_DATA.", lambda m: m.disk.total),
    ("disk_low", "1 when operators are warned of the disk.", lambda m: m.disk.is_low),
    ("disk_short", "1 when new jobs are refused for want of disk.", lambda m: m.disk.is_short),
)
COUNTERS: tuple[tuple[str, str, Reading], ...] = (
    ("frames_completed", "Frames that completed, since the farm began.", lambda m: m.completed),
    ("frames_failed", "Attempts that failed, since the farm began.", lambda m: m.failed),
)
LABELLED: tuple[tuple[str, str, str, Callable[[Measures], Mapping[str, float]]], ...] = (
    ("jobs", "status", "Jobs by status.", lambda m: m.jobs),
    ("subjobs", "status", "Subjobs by status.", lambda m: m.subjobs),
    ("frames", "status", "Frames by status.", lambda m: m.frames),
    ("hosts", "state", "Hosts by state.", lambda m: m.hosts),
    ("bulk_runs", "state", "Bulk runs that are not over, by state.", lambda m: m.runs),
    ("duty_age_seconds", "duty", "Seconds since a duty of housekeeping was last taken up.", lambda m: m.duties),
    ("database_pool", "connections", "Connections of this process to PostgreSQL.", lambda m: m.pool),
)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
REQUESTS = Histogram(
    "farm_request_seconds",
    "Seconds that requests to this process took.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
LOG_BYTES = Counter("farm_log_bytes", "Bytes of logs that this process has taken.", registry=REGISTRY)


class Farm(Collector):
    """Looks at the farm when somebody asks, for all who ask within a few seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: tuple[float, Measures] | None = None

    def describe(self) -> list[Metric]:
        """Nothing: registering is not asking."""
        return []

    def collect(self) -> Iterator[Metric]:
        found = self._measures()
        for name, text, read in GAUGES:
            yield GaugeMetricFamily(f"farm_{name}", text, value=read(found))
        for name, text, read in COUNTERS:
            yield CounterMetricFamily(f"farm_{name}", text, value=read(found))
        for name, label, text, all_of in LABELLED:
            yield _labelled(name, label, text, all_of(found))
        if settings.REDIS_URL:
            yield _labelled("celery_queue", "queue", "Messages that wait for Celery.", _queues())

    def _measures(self) -> Measures:
        with self._lock:
            if self._seen is None or time.monotonic() - self._seen[0] >= CACHED:
                self._seen = (time.monotonic(), measure())
            return self._seen[1]


def _labelled(name: str, label: str, text: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"farm_{name}", text, labels=[label])
    for value, number in sorted(values.items()):
        family.add_metric([value], number)
    return family


def _queues() -> dict[str, float]:
    """Empty while Redis is away: a metric that is missing says so."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            return {queue: float(client.llen(queue)) for queue in QUEUES}
    except redis.RedisError:
        return {}


REGISTRY.register(Farm())


def text() -> bytes:
    """Everything, in Prometheus' text format."""
    return generate_latest(REGISTRY)


def kind(scope: Mapping[str, Any]) -> str:
    """Which of few kinds a request is of: a label must not grow with what people type."""
    path = scope["path"]
    if path.startswith("/worker/v1/"):
        what = path.removeprefix("/worker/v1/").partition("/")[0]
        return f"worker_{what}" if what in ("sync", "log", "hello", "join") else "worker_other"
    first = path.lstrip("/").partition("/")[0]
    return first if first in ("api", "static", "metrics", "healthz", "readyz") else "page"
