"""Everything of a job turns at once: counted by the statements that change it, so that not one item is fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count

from qbcore.control import work
from qbcore.models import JobRow, Watch, WorkRow
from qbcore.states import DONE, LIVE, PLACED, Ending, Hold, Status


def kill(job: JobRow, *, now: datetime) -> bool:
    """Answers whether anything was alive."""
    return _end(job, Status.KILLED, Ending.KILLED, now)


def complete(job: JobRow, *, now: datetime) -> None:
    """Live items become complete without rendering."""
    _end(job, Status.COMPLETE, Ending.INTERRUPTED, now)


def fail(job: JobRow, *, now: datetime) -> bool:
    return _end(job, Status.FAILED, Ending.INTERRUPTED, now)


def retry(job: JobRow, *, now: datetime) -> None:
    _turn(job, DONE, Status.PENDING, Ending.INTERRUPTED, now, held=Hold.NONE, **work.AGAIN)


def _end(job: JobRow, to: Status, ending: Ending, now: datetime) -> bool:
    return _turn(job, LIVE, to, ending, now, finished=now, **work.OVER)


def _turn(job: JobRow, frm: Iterable[Status], to: Status, ending: Ending, now: datetime, **also: Any) -> bool:
    """The job's row is locked and is folded in this transaction, so where nobody waits for items none is named.

    Claims and reports do not wait for that lock: an item may pass from one status to another between two statements.
    It is counted as what it was when it turned, and looked for until none is left.
    """
    statuses = set(frm)
    if job.watched & Watch.WORK:
        items = work.take(job.pk, frm=statuses)
        work.interrupt(items, ending, now=now)
        work.turn(job.pk, items, to, now=now, **also)
        return bool(items)
    moved: Counter[Status] = Counter()
    while found := _standing(job, statuses):
        for status in found:
            moved[status] -= _pass(job, status, to, ending, now, also)
    if moved:
        moved[to] -= sum(moved.values())
        work.delta(job.pk, moved)
    return bool(moved)


def _standing(job: JobRow, statuses: set[Status]) -> list[Status]:
    rows = WorkRow.objects.filter(job_id=job.pk, status__in=statuses).values_list("status")
    return [Status(status) for status, _ in rows.annotate(n=Count("pos")).order_by("status")]


def _pass(job: JobRow, status: Status, to: Status, ending: Ending, now: datetime, also: dict[str, Any]) -> int:
    """Items in this one status; those that run end their attempts first, which needs them."""
    rows = WorkRow.objects.filter(job_id=job.pk)
    if status in PLACED:
        items = work.take(job.pk, frm=[status])
        work.interrupt(items, ending, now=now)
        rows = rows.filter(pos__in=[item.pos for item in items])
    return rows.filter(status=status).update(**work.changes(to, now, **also))
