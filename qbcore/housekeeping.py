"""What the farm does by itself, again and again, in any number of processes: each duty is one process's at a time.

A duty is taken by a row with a short lease. None of it passes through Celery: when Redis is gone, hosts are still given
up, tallies still folded, retries still come due.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

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


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every so many seconds."""

    name: str
    seconds: float
    do: Callable[[], object]


def reap() -> object:
    """Gives up silent hosts; after a pause of housekeeping itself, everybody first gets a lease to be heard of."""
    if _was_away():
        log.info("housekeeping was away: all hosts get one more lease")
        return hosts.extend_leases()
    return hosts.give_up_silent()


@writing
def _was_away() -> bool:
    """Whether no process has reaped for half a lease: the supervisor was stopped, or its machine was."""
    now = clock()
    row = locked(DutyRow.objects.filter(name="heard")).first()
    DutyRow.objects.update_or_create(name="heard", defaults={"ticked": now})
    return row is None or row.ticked is None or now - row.ticked > timedelta(seconds=max(SLOW, settings.FARM_LEASE / 2))


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
    Duty("forget", 600.0, forget),
    Duty("pack logs", 30.0, logkeeping.Aside(logkeeping.pack)),
    Duty("retire logs", 600.0, logkeeping.Aside(logkeeping.retire)),
)


@writing
def _take(duty: Duty) -> bool:
    """Whether the duty is due and now this process's; the row's lease is as long as the duty's pause."""
    now = clock()
    row = locked(DutyRow.objects.filter(name=duty.name), skip=True).first()
    if row is None:
        return not DutyRow.objects.filter(name=duty.name).exists() and _first(duty)
    if row.until and row.until > now:
        return False
    row.owner, row.until, row.ticked = PROCESS, now + timedelta(seconds=duty.seconds * 0.9), now
    row.save()
    return True


def _first(duty: Duty) -> bool:
    now = clock()
    taken = {"owner": PROCESS, "until": now + timedelta(seconds=duty.seconds * 0.9), "ticked": now}
    _, made = DutyRow.objects.get_or_create(name=duty.name, defaults=taken)
    return made


def tick(duty: Duty) -> None:
    """Does the duty when it is due; an error is logged and the next tick tries again."""
    try:
        if _take(duty):
            duty.do()
    except AWAY as away:
        log.warning("duty %s waits: the database does not answer: %s", duty.name, away)
        connection.close()
    except Exception as error:
        log.warning("duty %s failed now: %s", duty.name, error, exc_info=not connection.in_atomic_block)
        connection.close()


def run(stop: threading.Event) -> None:
    """All duties, until *stop* is set. One thread: a duty that takes long delays the others of this process only."""
    due = dict.fromkeys((duty.name for duty in DUTIES), 0.0)
    passed = 0.0
    while not stop.wait(0.25):
        passed += 0.25
        for duty in DUTIES:
            if passed >= due[duty.name]:
                due[duty.name] = passed + duty.seconds
                tick(duty)


def ticking() -> bool:
    """Whether some process keeps house."""
    return DutyRow.objects.filter(name="reap", ticked__gt=clock() - timedelta(seconds=10)).exists()
