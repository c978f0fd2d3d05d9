"""Subjobs leave their hosts: after their item, at once, for another host, or for good. As in `jobs`, the caller has
locked and folded the job; each answers the subjobs that it changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from qbcore import events
from qbcore.control import subjobs, whole, work
from qbcore.control.jobs import Changed, end_units
from qbcore.models import ExclusionRow, JobRow, SubjobRow
from qbcore.states import LIVE, Ending, Status

ELSEWHERE = timedelta(minutes=10)
"""How long a subjob that was sent away is kept from coming back to the same host."""
MIGRATE = "migrate"


def preempt(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Running ones are pending once their current item is done; one that is about to leave anyway does that."""
    running = [row for row in subjobs.take(job.pk, frm=[Status.RUNNING], only=only) if not row.asked]
    subjobs.ask(job.pk, running, Status.PENDING, now=now)
    return running


def interrupt(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Running ones are pending at once, or what they were to become; their items are done again."""
    found = subjobs.take(job.pk, frm=[Status.RUNNING], only=only)
    becomes: dict[Status, list[SubjobRow]] = defaultdict(list)
    for row in found:
        becomes[Status.of(row.asked) if row.asked else subjobs.first_status(job)].append(row)
    for status, rows in becomes.items():
        subjobs.turn(job.pk, rows, status, now=now)
    if found:
        work.give_back(job.pk, subjobs.grants(found), Ending.INTERRUPTED, now=now)
        end_units(job, found, Ending.INTERRUPTED, now=now)
        events.publish("wake", [])
    return found


def migrate(job: JobRow, only: int | None, now: datetime) -> Changed:
    """As interrupt; and for a while not on the same host, while another one that is up could run it.

    Where a subjob was sent away before is forgotten: of two hosts the other one is where it is to go.
    """
    found = interrupt(job, only, now)
    ExclusionRow.objects.filter(job_id=job.pk, idx__in=[row.idx for row in found], cause=MIGRATE).delete()
    for row in found:
        noted = {"cause": MIGRATE, "at": now, "until": now + ELSEWHERE}
        ExclusionRow.objects.update_or_create(job_id=job.pk, idx=row.idx, host_id=row.host_id or 0, defaults=noted)
    return found


def retire(job: JobRow, only: int | None, now: datetime) -> Changed:
    """Live ones are complete, and with the last of them what is left of the work. One that is retired by its id hands
    its item back and is not brought back by work that others can do.
    """
    found = subjobs.take(job.pk, frm=LIVE, only=only)
    if only is not None and not found:
        return []
    subjobs.turn(job.pk, found, Status.COMPLETE, now=now, asked="" if only is None else Status.COMPLETE.word)
    _retire_work(job, found, only, now)
    end_units(job, found, Ending.INTERRUPTED, now=now)
    return found


def _retire_work(job: JobRow, found: Sequence[SubjobRow], only: int | None, now: datetime) -> None:
    if only is None or not SubjobRow.objects.filter(job_id=job.pk, status__in=LIVE).exists():
        whole.complete(job, now=now)
    elif placed := subjobs.grants(found):
        work.give_back(job.pk, placed, Ending.INTERRUPTED, now=now)
        events.publish("wake", [])
