"""Timeouts: who runs for longer than `timeout` or `agenda_timeout` raises an event, once; nothing is ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from qbcore.callbacks.hearing import Event, hear
from qbcore.models import AttemptRow, GrantRow, JobRow
from qbcore.states import Status
from qbcore.writing import clock, writing

TIMEOUT = frozenset({"timeout"})


def raise_timeouts() -> int:
    """Looks at the running jobs that have a timeout; answers how many subjobs and items have passed theirs."""
    limited = Q(timeout__gt=0) | Q(agenda_timeout__gt=0)
    rows = JobRow.objects.filter(limited, status=Status.RUNNING)
    return sum(_look(*job) for job in rows.values_list("pk", "timeout", "agenda_timeout"))


@writing
def _look(job: int, timeout: int, agenda_timeout: int) -> int:
    now = clock()
    subjobs = _overdue_subjobs(job, now - timedelta(seconds=timeout)) if timeout > 0 else {}
    frames = _overdue_frames(job, now - timedelta(seconds=agenda_timeout)) if agenda_timeout > 0 else []
    first = any(not before for before in subjobs.values())
    news = [Event("job", job, TIMEOUT)] if first else []
    news += [Event("subjob", job, TIMEOUT, subjob=number) for number in sorted(subjobs)]
    news += [Event("work", job, TIMEOUT, frame=frame) for frame in frames]
    hear(news)
    return len(subjobs) + len(frames)


def _overdue_subjobs(job: int, before: datetime) -> dict[int, bool]:
    """Subjobs placed before that moment, each once a grant, and whether another of the job was overdue already."""
    here = GrantRow.objects.filter(job_id=job, ended__isnull=True)
    known = here.filter(overdue=True).exists()
    late = list(here.filter(overdue=False, started__lt=before))
    return {row.idx: known for row in late if here.filter(pk=row.pk, overdue=False).update(overdue=True)}


def _overdue_frames(job: int, before: datetime) -> list[str]:
    """Items whose attempt began before that moment, each once an attempt."""
    here = AttemptRow.objects.filter(job_id=job, ended__isnull=True, pos__gte=0)
    late = list(here.filter(overdue=False, started__lt=before).order_by("pos"))
    return [row.frame for row in late if here.filter(pk=row.pk, overdue=False).update(overdue=True)]
