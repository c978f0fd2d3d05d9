"""What a bulk run does ahead of a slice, outside of its transaction: an archive is written while others go on."""

from __future__ import annotations

import logging

from qbcore import acting, archiving
from qbcore.errors import QubeError
from qbcore.models import RunRow, RunTargetRow

log = logging.getLogger(__name__)
Ahead = archiving.Written | Exception | None
"""A file in its place, why there is none, or nothing that was to be done."""


def prepare(run_id: int, alive: archiving.Alive) -> Ahead:
    """What the next slice of the run needs. A failure belongs to that slice, which tells of it."""
    run = RunRow.objects.filter(pk=run_id, verb="archive", cancel=False, finished__isnull=True).first()
    target = RunTargetRow.objects.filter(run_id=run_id, outcome="todo").order_by("pk").first() if run else None
    if run is None or target is None:
        return None
    try:
        with acting.acting_as(asker(run)):
            return archiving.write(target.job_id, alive)
    except QubeError as refusal:
        return refusal
    except OSError as error:
        log.exception("job %s was not archived", target.job_id)
        return error


def asker(run: RunRow) -> acting.Actor:
    """Who asked for the run."""
    return acting.Actor(run.user, run.role, run=run.pk, why=run.why)


def recorded(ahead: Ahead, job_id: int) -> tuple[bool, str]:
    """Records what was written ahead for this job: whether there is such a job, and how large its archive is."""
    if isinstance(ahead, Exception):
        raise ahead
    if ahead is None or ahead.job != job_id:
        return False, "there is no such job"
    return True, f"{archiving.record(ahead).size:,} bytes"
