"""Hands out work: a host with room asks, and gets what the order of dispatch says it should run next.

There is no leader: each process picks from what it knows of the waiting jobs, and placing and claiming are conditional.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from django.db import transaction

from qbcore import preference, views
from qbcore.control import asking, growth, placements, placing, shares
from qbcore.control.batches import Frame
from qbcore.control.placing import Placing
from qbcore.models import GrantRow, HostRow, JobRow, SubjobRow
from qbcore.plan import Choice
from qbcore.rousing import rousing
from qbcore.states import Status
from qbcore.views import Barred
from qbcore.waiting import waiting

SHORT = 0.5
AHEAD = 1.0
MOST_AHEAD = 32


@dataclass(frozen=True, slots=True)
class Start:
    """A subjob placed on the host, with its first frames."""

    job: JobRow
    grant: GrantRow
    frames: list[Frame]


@dataclass(slots=True)
class Given:
    """What a host starts. `soon`: it passed over something that it may be given in a moment."""

    starts: list[Start] = field(default_factory=list)
    soon: bool = False


class Missed(Enum):
    """Why a job was not started: it waits no more; not on this host; or somebody holds it just now."""

    STALE = auto()
    HERE = auto()
    BUSY = auto()


class _Short(Exception):  # noqa: N818 -- rolls a placement back, nobody else sees it
    """The farm has not enough of what the placement takes."""


def batch(job: JobRow, recent: float | None = None) -> int:
    """How many frames a grant may hold: one, or about a second's worth when they are measured to be short.

    *recent* is how long the grant's latest frame took (seconds); until the job has an average, that has to do.
    """
    average = job.seconds / job.timed if job.timed else recent
    if not job.todo or average is None or max(average, recent or 0) >= SHORT:
        return 1
    share = -(-job.n_pending // max(1, job.s_running + job.s_pending))
    return max(1, min(MOST_AHEAD, int(AHEAD / max(average, 0.001)), share))


def starts(
    host: HostRow, barred: Barred, grants: Sequence[GrantRow], jobs: Mapping[int, JobRow], *, now: datetime
) -> Given:
    """Fills the host's free slots: places subjobs in the order of dispatch, each with frames.

    *barred*: what the host is not given; *grants* and *jobs*: what runs on it.
    """
    given, rivals = Given(), preference.Rivals(now)
    avoid = set(barred.jobs)
    known = dict(jobs)
    while True:
        placed = [*grants, *(start.grant for start in given.starts)]
        view = views.view(host, placed, known, avoid, now=now)
        choice = waiting.pick(view)
        if choice is None:
            rousing.in_vain(replace(view, avoid=barred.jobs))  # what was missed just now may be had later
            return given
        if rivals.passes_over(view, waiting.known(choice.job)):
            given.soon = True
            avoid.add(choice.job)
            continue
        start = _start(choice, host, barred, now)
        if isinstance(start, Missed):
            avoid.add(choice.job)
            given.soon = given.soon or start is Missed.BUSY
        else:
            given.starts.append(start)
            known[choice.job] = start.job
        if start not in (Missed.HERE, Missed.BUSY):
            waiting.used(choice.job, started=not isinstance(start, Missed))


def _start(choice: Choice, host: HostRow, barred: Barred, now: datetime) -> Start | Missed:
    """One subjob with its frames and all that it takes, or nothing."""
    if not shares.is_shared(choice.take):
        return _place(choice, host, barred, now)
    try:
        with transaction.atomic():
            start = _place(choice, host, barred, now)
            if isinstance(start, Start) and not shares.take(choice.take, now=now):
                raise _Short
            return start
    except _Short:
        return Missed.HERE


def _place(choice: Choice, host: HostRow, barred: Barred, now: datetime) -> Start | Missed:
    job = asking.ready(choice.job)
    if job is None:
        return Missed.STALE
    shun = views.shuns(job, host.pk, now)
    bounded = growth.bounded(job)
    if (bounded or not placing.finds(job)) and not placements.claimable(job, now=now, shun=shun):
        return Missed.HERE if shun else Missed.STALE
    if bounded and (missed := _bound(job, now)):
        return missed
    wanted = Placing(job, host, choice.take, batch(job), _out(job, host, barred, now), shun)
    if not placing.in_one(job):
        return _by_steps(wanted, now)
    placed = placing.place(wanted, now=now)
    if placed.grant is not None:
        return Start(job, placed.grant, placed.frames)
    if placed.waits:
        return Missed.HERE if shun else Missed.STALE
    return _missed(wanted)


def _by_steps(wanted: Placing, now: datetime) -> Start | Missed:
    """As `placing.place`, for a job with flight checks: what its subjob does first is read once it is placed."""
    job = wanted.job
    grant = placements.place(job.pk, wanted.host, wanted.taken, now=now, out=wanted.out)
    if grant is None:
        return _missed(wanted)
    frames = placements.claim(job, grant, wanted.count, now=now, running=1, shun=wanted.shun)
    if not frames and placements.owes(job):
        frames = placements.claim_last(job, grant, now=now)
    if not frames:
        placements.over(grant, Status.PENDING, now=now)
        return Missed.HERE if wanted.shun else Missed.STALE
    return Start(job, grant, frames)


def _missed(wanted: Placing) -> Missed:
    """No subjob was to be had: another host may still have one that is kept from this one."""
    out = wanted.out
    rows = SubjobRow.objects.filter(job_id=wanted.job.pk, status=Status.PENDING, idx__in=out)
    return Missed.HERE if out and rows.exists() else Missed.STALE


def _bound(job: JobRow, now: datetime) -> Missed | None:
    """Locks a job whose places are counted, without waiting: the order of locks would be turned round."""
    held = placements.hold(job.pk)
    if held is None:
        return Missed.BUSY
    if not growth.room(held):
        return Missed.STALE
    growth.expand(held, now)
    return None


def _out(job: JobRow, host: HostRow, barred: Barred, now: datetime) -> frozenset[int]:
    """The subjobs that another host is to take, as long as there is one."""
    sent_away = barred.subjobs.get(job.pk, frozenset())
    return frozenset(idx for idx in sent_away if views.elsewhere(job, host.pk, now, idx))
