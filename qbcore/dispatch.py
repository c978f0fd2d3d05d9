"""Hands out work: a host with room asks, and gets what the order of dispatch says it should run next.

There is no leader. Each process keeps the waiting jobs in a pool for a moment; a pool that is behind costs nothing but
a try, because placing and claiming are conditional.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from qbcore import events
from qbcore.candidates import DUTY_FIELDS, Candidate, HostView
from qbcore.control import placements
from qbcore.control.placements import Frame
from qbcore.models import GrantRow, HostRow, JobRow
from qbcore.plan import Choice
from qbcore.pool import Pool
from qbcore.queries import used_of
from qbcore.queries.jobs import JOB_COLUMNS
from qbcore.states import Status

SHORT = 0.5
AHEAD = 1.0
MOST_AHEAD = 32
OLDEST = 0.25
OVERLAP = timedelta(seconds=5)
FULL = 15.0
TEXTS = (
    *("priority", "localorder", "cluster", "requirements", "restrictions", "reservations", "hosts", "groups"),
    *("omithosts", "omitgroups", "hostorder", "prototype", "user", "flags"),
)
COLUMNS = (
    *("id", "status", "updated", "todo", "n_pending", "s_pending", "name", "label", "account", "kind", "show"),
    *TEXTS,
)


@dataclass(frozen=True, slots=True)
class Start:
    """A subjob placed on the host, with its first frames."""

    job: JobRow
    grant: GrantRow
    frames: list[Frame]


READY = (Status.PENDING, Status.RUNNING)


def candidate(row: JobRow, asked: JobRow | None = None) -> Candidate:
    """What dispatch needs to know of a job; `wanted` is 0 when nothing of it can start.

    *asked* is its whole row, for a job whose requirements name fields of the job.
    """
    ready = row.status in READY
    wanted = min(row.s_pending, row.n_pending) if row.todo else row.s_pending
    named = {"name": row.name, "label": row.label, "account": row.account, "kind": row.kind, "prod_show": row.show}
    return Candidate(
        id=row.pk,
        wanted=wanted if ready else 0,
        facts={f"job.{key}": value for key, value in ({**_all_facts(asked), **named} if asked else named).items()},
        **{name: getattr(row, name) for name in TEXTS},
    )


def candidates(rows: QuerySet[JobRow]) -> list[tuple[JobRow, Candidate]]:
    """The rows with few columns, as they are needed; whole ones only where a requirement may read any field."""
    found = list(rows.only(*COLUMNS))
    curious = [row.pk for row in found if "job." in row.requirements]
    whole = JobRow.objects.in_bulk(curious) if curious else {}
    return [(row, candidate(row, whole.get(row.pk))) for row in found]


def _all_facts(row: JobRow) -> dict[str, Any]:
    fields = {**row.extra, **{name: getattr(row, name) for name in JOB_COLUMNS}}
    return {key: value for key, value in fields.items() if isinstance(value, (str, int, float))}


class Waiting:
    """The waiting jobs of the farm as this process last read them. For several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pool = Pool()
        self._known: dict[int, Candidate] = {}
        self._until: datetime | None = None
        self._read = self._full = 0.0
        self._expired = True

    def expire(self, hint: events.Hint | None = None) -> None:
        """Jobs have changed: look before the next pick."""
        self._expired = True

    def reload(self) -> None:
        """What was started has been rolled back: read everything before the next pick."""
        self._until, self._expired = None, True

    def pick(self, host: HostView) -> Choice | None:
        with self._guard:
            self._refresh()
            return self._pool.pick(host)

    def used(self, job: int, *, started: bool) -> None:
        """One subjob of the job was started; or none could be, and it waits for the next reading."""
        with self._guard:
            known = self._known.get(job)
            if known is not None:
                self._keep(replace(known, wanted=known.wanted - 1 if started else 0))

    def _keep(self, found: Candidate) -> None:
        self._pool.update(found)
        if found.wanted > 0:
            self._known[found.id] = found
        else:
            self._known.pop(found.id, None)

    def _refresh(self) -> None:
        """Reads what changed since the last time, with an overlap for transactions that were slow to commit."""
        now = time.monotonic()
        if not self._expired and now - self._read < OLDEST:
            return
        self._expired = False
        self._read = now
        if self._until is None or now - self._full > FULL:
            self._reload(now)
            return
        for row, found in candidates(JobRow.objects.filter(updated__gt=self._until - OVERLAP)):
            self._keep(found)
            self._until = max(self._until, row.updated)

    def _reload(self, now: float) -> None:
        """Everything that is ready; removed jobs leave this way."""
        found = candidates(JobRow.objects.filter(status__in=READY, s_pending__gt=0))
        self._known = {one.id: one for _, one in found if one.wanted > 0}
        self._pool.load(self._known.values())
        newest = JobRow.objects.order_by("-updated").values_list("updated", flat=True).first()
        self._until, self._full = newest, now


waiting = Waiting()
events.at_once("job", waiting.expire)


def batch(job: JobRow, recent: float | None = None) -> int:
    """How many frames a grant may hold: one, or about a second's worth when they are measured to be short.

    *recent* is how long the grant's latest frame took (seconds); until the job has an average, that has to do.
    """
    average = job.seconds / job.timed if job.timed else recent
    if not job.todo or average is None or max(average, recent or 0) >= SHORT:
        return 1
    share = -(-job.n_pending // max(1, job.s_running + job.s_pending))
    return max(1, min(MOST_AHEAD, int(AHEAD / max(average, 0.001)), share))


def view(host: HostRow, grants: Sequence[GrantRow], jobs: Mapping[int, JobRow], avoid: Iterable[int]) -> HostView:
    """The host as dispatch sees it, with what its open grants take."""
    duty: dict[str, Counter[str]] = defaultdict(Counter)
    for grant in grants:
        job = jobs.get(grant.job_id)
        if job is None:
            continue
        for field in DUTY_FIELDS:
            duty[field][_duty(job, field)] += 1
    properties = {"os": host.os, "architecture": host.architecture, "flags": host.flags}
    return HostView(
        id=host.pk,
        name=host.name,
        state=host.state,
        cluster=host.cluster,
        groups=tuple(filter(None, host.groups.split(","))),
        restrictions=host.restrictions,
        jobtypes=tuple(host.jobtypes) or None,
        locked=host.locked,
        banned=host.banned,
        totals=host.totals,
        used=used_of(grants),
        properties={**properties, **{key.lower(): value for key, value in host.properties.items()}},
        duty=duty,
        idle=not grants,
        avoid=frozenset(avoid),
    )


def _duty(job: JobRow, field: str) -> str:
    own = {"prod_show": "show", "type": "prototype"}.get(field, field)
    return str(getattr(job, own, job.extra.get(field, "")))


def starts(host: HostRow, grants: Sequence[GrantRow], jobs: Mapping[int, JobRow], *, now: datetime) -> list[Start]:
    """Fills the host's free slots: places subjobs in the order of dispatch, each with frames."""
    found: list[Start] = []
    avoid: set[int] = set()
    known = dict(jobs)
    while True:
        placed = [*grants, *(start.grant for start in found)]
        choice = waiting.pick(view(host, placed, known, avoid))
        if choice is None:
            return found
        start = _start(choice, host, now)
        waiting.used(choice.job, started=start is not None)
        if start is None:
            avoid.add(choice.job)
        else:
            found.append(start)
            known[choice.job] = start.job


def _start(choice: Choice, host: HostRow, now: datetime) -> Start | None:
    """One subjob with its frames; None when somebody else was faster or all its frames are claimed."""
    job = JobRow.objects.filter(pk=choice.job, status__in=READY).first()
    if job is None or not placements.claimable(job, now=now):
        return None
    grant = placements.place(choice.job, host, choice.take, now=now)
    if grant is None:
        return None
    frames = placements.claim(job, grant, batch(job), now=now, running=1)
    if not frames:
        placements.over(grant, Status.PENDING, now=now)
        return None
    return Start(job, grant, frames)
