"""A host that was given up speaks again: what it still runs goes on, as far as nobody else was given it meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from qbcore.control import growth, shares, subjobs, work
from qbcore.control.flights import UNIT
from qbcore.jobspec import loops
from qbcore.models import AttemptRow, GrantRow, JobRow, SubjobRow, WorkRow
from qbcore.states import DONE, Ending, Status
from qbcore.writing import locked


@dataclass(frozen=True, slots=True)
class Returned:
    """Attempts that were recorded as lost: which go on, and which are to be ended."""

    on: frozenset[int] = frozenset()
    over: frozenset[int] = frozenset()


class _Short(Exception):  # noqa: N818 -- rolls a return back, nobody else sees it
    """The farm has not enough of what the grant took any more."""


def take_up(grant: GrantRow, attempts: Collection[int], *, now: datetime) -> Returned:
    """Opens a lost grant again for those of its attempts that can go on; without any it stays closed for good.

    The caller has locked the host, nothing else.
    """
    mine = AttemptRow.objects.filter(pk__in=attempts, grant_id=grant.pk, ending=Ending.LOST, reported=False)
    lost = list(mine.order_by("id"))
    try:
        with transaction.atomic():
            going = _reopen(grant, lost, now) if lost else []
    except _Short:
        going = []
    if not going:
        GrantRow.objects.filter(pk=grant.pk).update(ending=Ending.INTERRUPTED)
    on = frozenset(row.pk for row in going)
    return Returned(on, frozenset(row.pk for row in lost) - on)


def _reopen(grant: GrantRow, lost: list[AttemptRow], now: datetime) -> list[AttemptRow]:
    job = locked(JobRow.objects.filter(pk=grant.job_id)).first()
    if job is None or grant.logs or not _has_room(job):
        return []
    free = SubjobRow.objects.filter(job_id=job.pk, idx=grant.idx, status=Status.PENDING, grant_id__isnull=True)
    subjob = locked(free).first()
    if subjob is None:
        return []
    units = [row for row in lost if row.pos == UNIT][-1:]
    frames = [] if units else _again(job, grant, lost, now)
    going = units or frames
    if not going:
        return []
    _place(job, grant, subjob, units[0].pk if units else None, now)
    AttemptRow.objects.filter(pk__in=[row.pk for row in going]).update(ended=None, ending="")
    if not shares.take(grant.taken, now=now):
        raise _Short
    return going


def _has_room(job: JobRow) -> bool:
    """Programs that ask for items themselves have lost their tokens with their attempts: they cannot go on."""
    if job.status in DONE or job.held or loops(job.prototype, job.todo):
        return False
    return not growth.bounded(job) or growth.room(job)


def _again(job: JobRow, grant: GrantRow, lost: list[AttemptRow], now: datetime) -> list[AttemptRow]:
    """The items that wait for anybody run again as if they had never been given up."""
    by_place = {row.pos: row for row in lost}
    items = work.take(job.pk, frm=[Status.PENDING], where=Q(pos__in=list(by_place), attempt_id__isnull=True))
    for item in items:
        here = {"attempt_id": by_place[item.pos].pk, "grant_id": grant.pk, "subjob": grant.idx, "reserved_until": None}
        work.turn(job.pk, [item], Status.RUNNING, now=now, **here)
    counted = WorkRow.objects.filter(job_id=job.pk, pos__in=[item.pos for item in items], losses__gt=0)
    counted.update(losses=F("losses") - 1)
    return [by_place[item.pos] for item in items]


def _place(job: JobRow, grant: GrantRow, subjob: SubjobRow, unit: int | None, now: datetime) -> None:
    GrantRow.objects.filter(pk=grant.pk).update(ended=None, ending="")
    here = {"grant_id": grant.pk, "host_id": grant.host_id, "host_name": grant.host_name, "attempt_id": unit}
    subjobs.turn(job.pk, [subjob], Status.RUNNING, now=now, told=True, asked="", timecomplete=None, **here)
