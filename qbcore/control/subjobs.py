"""Changes of subjobs: who is placed on a host, who waits, who is over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from qbcore import events
from qbcore.control import marks, work
from qbcore.models import JobRow, SubjobRow
from qbcore.states import DONE, PLACED, Hold, Status
from qbcore.writing import locked


def take(
    job: int, *, frm: Iterable[Status], only: int | None = None, limit: int | None = None, asked: str | None = None
) -> list[SubjobRow]:
    """The job's subjobs in one of the statuses *frm*, lowest first, locked until the transaction ends."""
    rows = SubjobRow.objects.filter(job_id=job, status__in=list(frm))
    if only is not None:
        rows = rows.filter(idx=only)
    if asked is not None:
        rows = rows.filter(asked=asked)
    found = locked(rows).order_by("idx")
    return list(found[:limit] if limit else found)


def turn(job: int, subjobs: Sequence[SubjobRow], to: Status, *, now: datetime, told: bool = False, **also: Any) -> None:
    """Gives taken subjobs the status *to*. One that leaves its host gives up its grant, which the worker ends.

    *told*: their hosts need no hint, because this is their own request.
    """
    if not subjobs:
        return
    if to not in PLACED:
        also = {"grant_id": None, "attempt_id": None, "asked": "", "told": "", **also}
        also.setdefault("timecomplete", now if to in DONE else None)
    numbers = [row.idx for row in subjobs]
    SubjobRow.objects.filter(job_id=job, idx__in=numbers).update(status=to, updated=now, **also)
    work.delta(job, {}, turned=marks.text(marks.SUBJOB, {to: numbers}))
    if not told:
        wake(subjobs)


def ask(job: int, subjobs: Sequence[SubjobRow], becomes: Status | None, *, now: datetime) -> None:
    """Notes what running subjobs are to become once their current item is done; None withdraws it."""
    if subjobs:
        word = becomes.word if becomes else ""
        SubjobRow.objects.filter(job_id=job, idx__in=[row.idx for row in subjobs]).update(asked=word, updated=now)
        wake(subjobs)


def wake(subjobs: Iterable[SubjobRow]) -> None:
    """Hints to the hosts that what they run has changed."""
    hosts = {row.host_id for row in subjobs if row.status in PLACED and row.host_id}
    if hosts:
        events.publish("wake", hosts)


def grants(subjobs: Iterable[SubjobRow]) -> list[int]:
    return [row.grant_id for row in subjobs if row.grant_id]


def first_status(job: JobRow) -> Status:
    """What a subjob that is not over starts as: blocked while the job is held."""
    return Status.BLOCKED if job.held else Status.PENDING


def add(job: JobRow, idx: Iterable[int], *, now: datetime) -> None:
    rows = [SubjobRow(job_id=job.pk, idx=number, status=first_status(job), updated=now) for number in idx]
    SubjobRow.objects.bulk_create(rows, batch_size=2000)


def revive(
    job: JobRow, wanted: int, *, now: datetime, frm: Iterable[Status] = DONE, retired: bool = True
) -> int:  # fmt: skip
    """Brings up to *wanted* subjobs that are over back, lowest first; those that somebody retired only if *retired*."""
    if wanted <= 0:
        return 0
    over = take(job.pk, frm=frm, limit=wanted, asked=None if retired else "")
    turn(job.pk, over, first_status(job), now=now, retries=0)
    if over:
        events.publish("wake", [])
    return len(over)


def lift(job: JobRow, holds: Hold, *, now: datetime) -> list[SubjobRow]:
    """Lifts holds of the job; when none is left its blocked subjobs become pending. Answers those that did."""
    job.held &= ~holds
    job.reason = "" if not job.held else job.reason
    if job.held:
        return []
    blocked = take(job.pk, frm=[Status.BLOCKED])
    turn(job.pk, blocked, Status.PENDING, now=now)
    events.publish("wake", [])
    return blocked
