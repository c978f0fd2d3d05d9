"""What the verbs do to one job, whose row the caller has locked and folded. Each answers the subjobs that it changed.

*only* narrows a verb to one subjob (`qb.kill('250.1')`); the status it acts from is then the subjob's, else the job's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q

from qbcore import events
from qbcore.control import subjobs, whole, work
from qbcore.models import (
    DeltaRow,
    DependencyRow,
    ExclusionRow,
    JobRow,
    SubjobRow,
    ThumbnailRow,
    TotalRow,
    TrackRow,
    WaitRow,
    WorkRow,
)
from qbcore.states import DONE, LIVE, PLACED, Ending, Hold, Status

Changed = Sequence[SubjobRow]
WAITING = (Status.PENDING, Status.WAITING)


def begin(jobs: Sequence[JobRow], now: datetime) -> None:
    """The subjobs of new jobs, whose tallies say what they are."""
    rows = [
        SubjobRow(job_id=job.pk, idx=number, status=_of_all(job), updated=now)
        for job in jobs
        for number in range(job.cpus)
    ]
    SubjobRow.objects.bulk_create(rows, batch_size=2000)


def _of_all(job: JobRow) -> Status:
    return Status.COMPLETE if job.s_complete else subjobs.first_status(job)


def kill(job: JobRow, only: int | None, now: datetime) -> Changed:
    found = subjobs.take(job.pk, frm=LIVE, only=only)
    if only is not None and not found:
        return []
    placed = subjobs.grants(found)
    subjobs.turn(job.pk, found, Status.KILLED, now=now)
    if only is None or not SubjobRow.objects.filter(job_id=job.pk, status__in=LIVE).exists():
        whole.kill(job, now=now)
    elif placed:
        work.give_back(job.pk, placed, Ending.KILLED, now=now)
    end_units(job, found, Ending.KILLED, now=now)
    return found


def block(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Pending ones at once; a running one once its current item is done."""
    if only is None:
        job.held |= Hold.USER
    waiting = subjobs.take(job.pk, frm=WAITING, only=only)
    running = [row for row in subjobs.take(job.pk, frm=[Status.RUNNING], only=only) if row.asked != Status.BLOCKED.word]
    subjobs.turn(job.pk, waiting, Status.BLOCKED, now=now)
    subjobs.ask(job.pk, running, Status.BLOCKED, now=now)
    return [*waiting, *running]


def unblock(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Lifts every hold, the farm's and a dependency's too; of items only a dependency's."""
    asked = [row for row in subjobs.take(job.pk, frm=[Status.RUNNING], only=only) if row.asked == Status.BLOCKED.word]
    subjobs.ask(job.pk, asked, None, now=now)
    if only is None:
        freed = work.let_go(job.pk, Q(held__in=[Hold.DEPENDENCY, work.LIFTED]), now=now)
        lifted = subjobs.lift(job, ~Hold.NONE, now=now)
        return [*(lifted or (subjobs.take(job.pk, frm=[Status.PENDING]) if freed else [])), *asked]
    blocked = subjobs.take(job.pk, frm=[Status.BLOCKED], only=only)
    subjobs.turn(job.pk, blocked, Status.PENDING, now=now)
    job.reason = job.reason if job.held else ""
    events.publish("wake", [])
    return [*blocked, *asked]


def wait(job: JobRow, reason: str, now: datetime) -> None:
    """Holds a job back that depends on others."""
    job.held |= Hold.DEPENDENCY
    job.reason = reason
    subjobs.turn(job.pk, subjobs.take(job.pk, frm=WAITING), Status.BLOCKED, now=now)


def retry(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Every item of it, and as many subjobs as it has cpus, to pending."""
    return _again(job, only, now, Hold.NONE)


def requeue(job: JobRow, only: int | None, now: datetime) -> Changed:
    """As retry, but the job is held: unblock lets it render."""
    return _again(job, only, now, Hold.USER)


def _again(job: JobRow, only: int | None, now: datetime, hold: Hold) -> Changed:
    if only is None:
        job.held = hold
        job.reason = ""
        forget_hosts(job)
        whole.retry(job, now=now)
    elif job.status in DONE and job.todo:
        return []  # there is nothing that one subjob of it could do
    found = subjobs.take(job.pk, frm=DONE, only=only, limit=job.cpus)
    subjobs.turn(job.pk, found, Status.BLOCKED if hold or job.held else Status.PENDING, now=now, retries=0)
    events.publish("wake", [])
    return found


def forget_hosts(job: JobRow) -> None:
    """Everything is done again: what hosts did wrong with it before does not count any more."""
    for rows in (ExclusionRow, TrackRow):
        rows.objects.filter(job_id=job.pk).delete()


def suspend(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Stops the processes where they are; slots, memory and licences stay taken."""
    found = subjobs.take(job.pk, frm=[Status.RUNNING], only=only)
    work.suspend(job.pk, subjobs.grants(found), now=now)
    subjobs.turn(job.pk, found, Status.SUSPENDED, now=now)
    return found


def resume(job: JobRow, only: int | None, now: datetime) -> Changed:
    found = subjobs.take(job.pk, frm=[Status.SUSPENDED], only=only)
    work.resume(job.pk, subjobs.grants(found), now=now)
    subjobs.turn(job.pk, found, Status.RUNNING, now=now)
    events.publish("wake", [])
    return found


def end_units(job: JobRow, found: Sequence[SubjobRow], ending: Ending, *, now: datetime) -> None:
    """Ends the attempts at the subjobs themselves: their processes, or their flight checks."""
    units = [WorkRow(pos=-1, status=row.status, attempt_id=row.attempt_id) for row in found]
    work.interrupt(units, ending, now=now)


def revive(job: JobRow, now: datetime, *, frm: Iterable[Status] = DONE) -> None:
    """After items came back to life: subjobs, lowest first, until as many live as there is live work for."""
    alive = SubjobRow.objects.filter(job_id=job.pk, status__in=LIVE).count()
    if alive >= job.cpus:
        return
    wanted = WorkRow.objects.filter(job_id=job.pk, status__in=LIVE).values("pos")[: job.cpus].count()
    subjobs.revive(job, wanted - alive, now=now, frm=frm)


def resize(job: JobRow, cpus: int, now: datetime) -> None:
    """More subjobs are added at the end; fewer: pending ones complete from the top, running ones after their item."""
    rows = subjobs.take(job.pk, frm=Status)
    more, job.cpus = cpus - job.cpus, cpus
    if more > 0:
        _grow(job, rows, more, now)
    else:
        _shrink(job, [row for row in reversed(rows) if row.status in LIVE], cpus, now)


def _grow(job: JobRow, rows: Sequence[SubjobRow], more: int, now: datetime) -> None:
    """Running ones that were to end stay; what lived before comes back, where there is work for it; the rest is new."""
    staying = [row for row in rows if row.asked == Status.COMPLETE.word and row.status in PLACED][-more:]
    subjobs.ask(job.pk, staying, None, now=now)
    new = max(0, job.cpus - len(rows)) if job.todo else more - len(staying)
    subjobs.add(job, range(len(rows), len(rows) + new), now=now)
    if job.todo:
        revive(job, now, frm=[Status.COMPLETE])
    events.publish("wake", [])


def _shrink(job: JobRow, alive: Sequence[SubjobRow], cpus: int, now: datetime) -> None:
    surplus = len(alive) - cpus
    idle = [row for row in alive if row.status not in PLACED][: max(0, surplus)]
    busy = [row for row in alive if row.status in PLACED][: max(0, surplus - len(idle))]
    subjobs.turn(job.pk, idle, Status.COMPLETE, now=now)
    subjobs.ask(job.pk, busy, Status.COMPLETE, now=now)


def remove(job: JobRow) -> None:
    """Deletes a job that is over with its work; attempts, history and open grants stay until their time."""
    for rows in (WorkRow, SubjobRow, DeltaRow, DependencyRow, ExclusionRow, TrackRow, WaitRow, ThumbnailRow):
        rows.objects.filter(job_id=job.pk).delete()
    if job.timed:
        TotalRow.objects.create(name="complete", value=job.timed)  # what the farm has done does not become less
    JobRow.objects.filter(pk=job.pk).delete()
    events.publish("job", [job.pk])
