"""How many places a job may have: the cap max_cpus, and the flag expand, with which it takes every host that is free.

The caller has locked the job, so no two hosts see the same last place.
"""

from __future__ import annotations

from datetime import datetime

from qbcore.constants import FLAGS
from qbcore.control import subjobs
from qbcore.models import JobRow, SubjobRow, WorkRow
from qbcore.states import LIVE, PLACED, Status


def bounded(job: JobRow) -> bool:
    """Whether its places must be counted one after the other."""
    return job.max_cpus > 0 or bool(job.flags & FLAGS["expand"])


def room(job: JobRow) -> bool:
    """Whether one more of its subjobs may be on a host."""
    return job.max_cpus <= 0 or SubjobRow.objects.filter(job_id=job.pk, status__in=PLACED).count() < job.max_cpus


def expand(job: JobRow, now: datetime) -> bool:
    """One more subjob that waits, where none does: never more live ones than live items.

    Without agenda a subjob is work of its own: there are never more than max_cpus.
    """
    if not job.flags & FLAGS["expand"] or job.held:
        return False
    rows = SubjobRow.objects.filter(job_id=job.pk)
    alive, count = rows.filter(status__in=LIVE).count(), rows.count()
    if rows.filter(status=Status.PENDING).exists() or not _wanted(job, alive, count):
        return False
    if not (job.todo and subjobs.revive(job, 1, now=now, frm=[Status.COMPLETE], retired=False)):
        subjobs.add(job, [count], now=now)
    cpus = max(job.cpus, alive + 1) if job.todo else count + 1
    JobRow.objects.filter(pk=job.pk).update(cpus=cpus, updated=now)
    job.cpus = cpus
    return True


def _wanted(job: JobRow, alive: int, count: int) -> bool:
    if not job.todo:
        return count < job.max_cpus
    items = WorkRow.objects.filter(job_id=job.pk, status__in=LIVE).values("pos")
    return items[: alive + 1].count() > alive


def relieve(job: JobRow, now: datetime) -> None:
    """After the cap was lowered: what runs beyond it is pending once its current item is done, the highest first."""
    if job.max_cpus <= 0:
        return
    placed = subjobs.take(job.pk, frm=PLACED)
    staying = [row for row in placed if not row.asked]
    surplus = staying[job.max_cpus :] if len(staying) > job.max_cpus else []
    subjobs.ask(job.pk, [row for row in surplus if row.status == Status.RUNNING], Status.PENDING, now=now)
