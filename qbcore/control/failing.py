"""Jobs, subjobs and items end as failed because somebody says so; as in `jobs`, the caller has locked and folded."""

from __future__ import annotations

from datetime import datetime

from qbcore.control import subjobs, whole, work
from qbcore.control.jobs import Changed, end_units
from qbcore.models import JobRow, SubjobRow
from qbcore.states import LIVE, Ending, Status


def fail(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Live subjobs fail with their processes ended; with the last of them what is left of the work."""
    found = subjobs.take(job.pk, frm=LIVE, only=only)
    if not found:
        return []
    placed = subjobs.grants(found)
    subjobs.turn(job.pk, found, Status.FAILED, now=now)
    if only is None or not SubjobRow.objects.filter(job_id=job.pk, status__in=LIVE).exists():
        whole.fail(job, now=now)
    elif placed:
        work.give_back(job.pk, placed, Ending.INTERRUPTED, now=now)
    end_units(job, found, Ending.INTERRUPTED, now=now)
    return found
