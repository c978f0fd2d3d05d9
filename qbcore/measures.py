"""The farm in numbers, for monitoring: a bounded set of statements, each over an index or a small table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Sum

from qbcore import diskspace
from qbcore.listing import hosts
from qbcore.models import AttemptRow, DeltaRow, DutyRow, GrantRow, JobRow, RunRow, TotalRow
from qbcore.states import Ending, Status
from qbcore.writing import clock, locked, writing

COMPLETE, FAILED = "complete", "failed"
SETTLED = timedelta(seconds=5)
"""Attempts that ended so long ago are all to be seen: their transactions are over."""
_COMPLETED = (
    "SELECT (SELECT COALESCE(SUM(timed), 0) FROM job) + (SELECT COALESCE(SUM(value), 0) FROM total WHERE name = %s)"
)


@dataclass(frozen=True, slots=True)
class Measures:
    """What the database and the disk say. `completed` and `failed` never fall, whatever is removed."""

    jobs: Mapping[str, int]
    subjobs: Mapping[str, int]
    frames: Mapping[str, int]
    completed: int
    failed: int
    hosts: Mapping[str, int]
    slots: int
    slots_used: int
    deltas: int
    duties: Mapping[str, float]
    """Seconds since each duty of housekeeping was done."""
    runs: Mapping[str, int]
    unpacked: int
    """Grants that are over and whose logs are still plain files."""
    pool: Mapping[str, int]
    disk: diskspace.Space


def measure() -> Measures:
    now = clock()
    farm = hosts.farm(now)
    states = dict.fromkeys(("active", "down", "locked", "banned"), 0) | dict(farm.states)
    ticks = DutyRow.objects.filter(ticked__isnull=False).values_list("name", "ticked")
    runs = RunRow.objects.filter(finished__isnull=True).values_list("state").annotate(count=Count("id")).order_by()
    return Measures(
        **_tallies(),
        completed=_completed(),
        failed=_count_failed(),
        hosts=states,
        slots=farm.slots,
        slots_used=farm.used,
        deltas=DeltaRow.objects.count(),
        duties={name: (now - ticked).total_seconds() for name, ticked in ticks if ticked},
        runs={"waiting": 0, "running": 0} | dict(runs),
        unpacked=GrantRow.objects.filter(logs="", ended__isnull=False).count(),
        pool=_pool(),
        disk=diskspace.space(),
    )


def _tallies() -> dict[str, Mapping[str, int]]:
    """Jobs, subjobs and frames by status, of all jobs in one pass."""
    sums = {f"{kind}_{status.word}": Sum(f"{kind}_{status.word}") for kind in "ns" for status in Status}
    found = {name: Counter({status.word: 0 for status in Status}) for name in ("jobs", "subjobs", "frames")}
    rows: Iterable[Mapping[str, Any]] = JobRow.objects.order_by().values("status").annotate(count=Count("id"), **sums)
    for row in rows:
        found["jobs"][Status(row["status"]).word] += row["count"]
        for kind, name in (("n", "frames"), ("s", "subjobs")):
            for status in Status:
                found[name][status.word] += row[f"{kind}_{status.word}"] or 0
    return dict(found)


def _completed() -> int:
    """Frames that completed, of jobs that are there and of removed ones, in one statement: so it never falls."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPLETED, [COMPLETE])
        return int(cursor.fetchone()[0])


@writing
def _count_failed() -> int:
    """Adds the attempts that failed since the last look to the sum that is kept; attempts are forgotten one day."""
    until = clock() - SETTLED
    TotalRow.objects.get_or_create(name=FAILED, defaults={"value": 0})
    row = locked(TotalRow.objects.filter(name=FAILED).order_by("pk"))[0]
    fresh = AttemptRow.objects.filter(ending=Ending.FAILED, ended__lte=until)
    if row.at is not None:
        fresh = fresh.filter(ended__gt=row.at)
    if row.at is None or row.at < until:
        row.value, row.at = row.value + fresh.count(), until
        row.save()
    return int(row.value)


def _pool() -> dict[str, int]:
    """Connections of this process to the database; SQLite has none."""
    pool = getattr(connection, "pool", None)
    told = pool.get_stats() if pool else {}
    return {name: told.get(f"pool_{name}", told.get(name, 0)) for name in ("size", "available", "requests_waiting")}


@writing
def compact() -> None:
    """Makes one row of those that removed jobs have left."""
    rows = list(locked(TotalRow.objects.filter(name=COMPLETE)))
    if len(rows) > 1:
        TotalRow.objects.filter(pk__in=[row.pk for row in rows]).delete()
        TotalRow.objects.create(name=COMPLETE, value=sum(row.value for row in rows))
