"""Hands out work: a host with room asks, and gets what the order of dispatch says it should run next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from qbcore.clusters import cluster_distance, split_names
from qbcore.control import placements
from qbcore.control.placements import Frame
from qbcore.expressions import parse
from qbcore.models import GrantRow, HostRow, JobRow
from qbcore.queries import used_of
from qbcore.reservations import fit, per_subjob
from qbcore.states import Status

SHORT = 0.5
AHEAD = 1.0
MOST_AHEAD = 32


@dataclass(frozen=True, slots=True)
class Start:
    """A subjob placed on the host, with its first frames."""

    job: JobRow
    grant: GrantRow
    frames: list[Frame]


def batch(job: JobRow) -> int:
    """How many frames a grant may hold: one, or about a second's worth when they are measured to be short."""
    if not job.todo or not job.timed:
        return 1
    average = job.seconds / job.timed
    if average >= SHORT:
        return 1
    share = -(-job.n_pending // max(1, job.s_running + job.s_pending))
    return max(1, min(MOST_AHEAD, int(AHEAD / max(average, 0.001)), max(1, share)))


def starts(host: HostRow, grants: Sequence[GrantRow], *, now: datetime) -> list[Start]:
    """Fills the host's free slots: places subjobs in the order of dispatch, each with frames."""
    if host.locked or host.banned:
        return []
    found: list[Start] = []
    stale: set[int] = set()
    while (choice := pick(host, [*grants, *(start.grant for start in found)], stale)) is not None:
        job, taken = choice
        start = _start(job, host, taken, now)
        if start is None:
            stale.add(job.pk)
        else:
            found.append(start)
    return found


def _start(job: JobRow, host: HostRow, taken: dict[str, float], now: datetime) -> Start | None:
    """One subjob with its frames; None when all its frames are claimed already."""
    grant = placements.place(job.pk, host, taken, now=now)
    if grant is None:
        return None
    frames = placements.claim(job, grant, batch(job), now=now, running=1)
    if not frames:
        placements.over(grant, Status.PENDING, now=now)
        return None
    return Start(job, grant, frames)


def pick(host: HostRow, grants: Sequence[GrantRow], stale: set[int]) -> tuple[JobRow, dict[str, float]] | None:
    total = {f"host.{key}": value for key, value in host.totals.items()}
    free = dict(total)
    for name, count in used_of(grants).items():
        free[f"host.{name}"] = free.get(f"host.{name}", 0) - count
    if free.get("host.processors", 0) < 1:
        return None
    ready = JobRow.objects.filter(status__in=[Status.PENDING, Status.RUNNING], s_pending__gt=0).exclude(pk__in=stale)
    jobs = sorted(ready, key=lambda job: (cluster_distance(host.cluster, job.cluster), job.priority, job.localorder, job.pk))
    for job in jobs:
        if job.todo and not job.n_pending:
            continue
        if job.hosts and host.name not in split_names(job.hosts) or host.name in split_names(job.omithosts):
            continue
        facts = {"host.name": host.name, "host.os": host.os, **{f"{k}.total": v for k, v in total.items()}, **{f"{k}.avail": v for k, v in free.items()}}
        if not parse(job.requirements).test(facts):
            continue
        taken = fit(per_subjob(job.reservations), free, total, not grants, host=host.name)
        if isinstance(taken, dict):
            return job, taken
    return None
