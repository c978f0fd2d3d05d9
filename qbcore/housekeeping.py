"""What the farm does by itself, again and again, in any number of processes: each duty is one process's at a time.

A duty is taken by a row with a short lease. None of it passes through Celery: when Redis is gone, hosts are still given
up, tallies still folded, retries still come due.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Q

from qbcore import (
    callbacks,
    events,
    failures,
    filling,
    firings,
    folding,
    hostcare,
    hosts,
    logkeeping,
    logs,
    looping,
    measures,
    resources,
    runs,
    samples,
    thumbnails,
)
from qbcore.control import work
from qbcore.models import AttemptRow, DutyRow, ExclusionRow, GrantRow, JobRow, SubmissionRow, WorkRow
from qbcore.states import Status
from qbcore.writing import AWAY, clock, locked, writing

log = logging.getLogger(__name__)
PROCESS = f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
SLICE = 2000
SLOW = 5.0
"""Seconds that a busy machine may take from tick to tick without having been away."""
HEARD = timedelta(seconds=1.8)
"""How old the note may be that somebody keeps house, before it is written anew."""
TICK = 0.25


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every so many seconds."""

    name: str
    seconds: float
    do: Callable[[], object]


def reap() -> object:
    """Gives up silent hosts; while nobody could hear them, and after, everybody first gets a lease to be heard of."""
    if _was_away() or _nobody_serves():
        log.info("the farm was away: all hosts get one more lease")
        return hosts.extend_leases()
    return hosts.give_up_silent()


@writing
def _was_away() -> bool:
    """Whether no process has reaped for half a lease: the supervisor was stopped, or its machine was."""
    now = clock()
    row = locked(DutyRow.objects.filter(name="heard")).first()
    if row is None or row.ticked is None or now - row.ticked > HEARD:
        _note("heard", now)
    return row is None or row.ticked is None or now - row.ticked > _half_a_lease()


def serves() -> None:
    """Noted by each process that workers can speak to, every few seconds: without one, their silence says nothing."""
    _note("serving", clock())


def _note(name: str, now: datetime) -> None:
    """One statement, but for the first time: a farm at rest does little else."""
    if not DutyRow.objects.filter(name=name).update(ticked=now):
        DutyRow.objects.get_or_create(name=name, defaults={"ticked": now})


def _nobody_serves() -> bool:
    """Whether the last process that hosts can speak to has been away for half a lease."""
    last = DutyRow.objects.filter(name="serving").values_list("ticked", flat=True).first()
    return last is not None and clock() - last > timedelta(seconds=settings.FARM_LEASE / 2)  # it is noted six times


def _half_a_lease() -> timedelta:
    return timedelta(seconds=max(SLOW, settings.FARM_LEASE / 2))


def due_retries() -> int:
    """Items whose retry delay is over become pending."""
    now = clock()
    due = WorkRow.objects.filter(status=Status.WAITING, wait_until__lte=now).values_list("job_id", flat=True).distinct()
    return sum(_wake_items(job) for job in sorted(due))


@writing
def _wake_items(job: int) -> int:
    now = clock()
    items = work.take(job, frm=[Status.WAITING], where=Q(wait_until__lte=now), limit=SLICE)
    work.turn(job, items, Status.PENDING, now=now, wait_until=None)
    if items:
        folding.soon(job)
        events.publish("work", [job])
        events.publish("wake", [])
    return len(items)


def send_runs() -> int:
    """Bulk runs that nobody carries out go to Celery again."""
    found = runs.waiting()
    for run in found:
        runs.enqueue(run)
    return len(found)


def forget() -> None:
    """What is kept for a time only: attempts of jobs long over, keys of submissions, logs of removed jobs."""
    now = clock()
    old = now - timedelta(days=settings.FARM_ATTEMPT_DAYS)
    current = JobRow.objects.filter(Q(timecomplete__isnull=True) | Q(timecomplete__gte=old)).values("pk")
    gone = AttemptRow.objects.filter(ended__lt=old).exclude(job_id__in=current)
    pks = list(gone.values_list("pk", flat=True)[:SLICE])
    AttemptRow.objects.filter(pk__in=pks).delete()
    removed = GrantRow.objects.filter(ended__lt=old).exclude(job_id__in=JobRow.objects.values("pk"))
    GrantRow.objects.filter(pk__in=list(removed.values_list("pk", flat=True)[:SLICE])).delete()
    SubmissionRow.objects.filter(at__lt=now - timedelta(days=1)).delete()
    ExclusionRow.objects.filter(until__lt=now).delete()
    firings.forget()
    samples.retire()
    measures.compact()
    thumbnails.forget()
    _forget_logs()


def _forget_logs() -> None:
    """Log folders whose job is no more."""
    for shard in sorted(logs.root().glob("[0-9]*")):
        kept = {int(entry.name) for entry in shard.iterdir() if entry.name.isdecimal()}
        alive = set(JobRow.objects.filter(pk__in=kept).values_list("pk", flat=True))
        for job in kept - alive:
            logs.forget(job)


DUTIES = (
    Duty("reap", 1.0, reap),
    Duty("fold", 1.0, folding.sweep),
    Duty("retries", 1.0, due_retries),
    Duty("fill", 5.0, filling.fill_forgotten),
    Duty("explain", 2.0, failures.explain_recent),
    Duty("overdue", 1.0, looping.end_overdue),
    Duty("runs", 5.0, send_runs),
    Duty("audit", 30.0, resources.audit),
    Duty("firings", 1.0, firings.carry_due),
    Duty("times", 1.0, callbacks.ring),
    Duty("timeouts", 2.0, callbacks.raise_timeouts),
    Duty("calendars", 15.0, hostcare.wake_where_calendars_turned),
    Duty("samples", 20.0, samples.take),
    Duty("thin samples", 60.0, samples.thin),
    Duty("forget", 600.0, forget),
    Duty("pack logs", 30.0, logkeeping.Aside(logkeeping.pack)),
    Duty("retire logs", 600.0, logkeeping.Aside(logkeeping.retire)),
)


@writing
def _take(duties: Sequence[Duty]) -> list[Duty]:
    """Which of the duties are due and now this process's, all in one transaction: a farm at rest does little else.

    A row's lease is as long as the duty's pause.
    """
    now = clock()
    names = [duty.name for duty in duties]
    known = {row.name: row for row in locked(DutyRow.objects.filter(name__in=names).order_by("name"), skip=True)}
    free = [duty for duty in duties if (row := known.get(duty.name)) and (row.until is None or row.until <= now)]
    for seconds in sorted({duty.seconds for duty in free}):
        rows = DutyRow.objects.filter(name__in=[duty.name for duty in free if duty.seconds == seconds])
        rows.update(**_lease(seconds, now))
    missing = [duty for duty in duties if duty.name not in known]
    there = set(DutyRow.objects.filter(name__in=[duty.name for duty in missing]).values_list("name", flat=True))
    return [duty for duty in duties if duty in free or (duty in missing and duty.name not in there and _first(duty))]


def _lease(seconds: float, now: datetime) -> dict[str, Any]:
    return {"owner": PROCESS, "until": now + timedelta(seconds=seconds * 0.9), "ticked": now}


def _first(duty: Duty) -> bool:
    _, made = DutyRow.objects.get_or_create(name=duty.name, defaults=_lease(duty.seconds, clock()))
    return made


def tick(*duties: Duty) -> None:
    """Does those that are due; an error is logged and the next tick tries again."""
    try:
        due = _take(duties)
    except Exception as error:
        due = []
        _failed(", ".join(duty.name for duty in duties), error)
    for duty in due:
        try:
            duty.do()
        except Exception as error:
            _failed(duty.name, error)


def _failed(name: str, error: Exception) -> None:
    if isinstance(error, AWAY):
        log.warning("duty %s waits: the database does not answer: %s", name, error)
    else:
        log.warning("duty %s failed now: %s", name, error, exc_info=not connection.in_atomic_block)
    connection.close()


def run(stop: threading.Event) -> None:
    """All duties, until *stop* is set. One thread: a duty that takes long delays the others of this process only."""
    due = dict.fromkeys((duty.name for duty in DUTIES), 0.0)
    passed = 0.0
    while not stop.wait(TICK):
        passed += TICK
        now = [duty for duty in DUTIES if passed >= due[duty.name]]
        due |= {duty.name: passed + duty.seconds for duty in now}
        if now:
            tick(*now)


def ticking() -> bool:
    """Whether some process keeps house."""
    return DutyRow.objects.filter(name="reap", ticked__gt=clock() - timedelta(seconds=10)).exists()
