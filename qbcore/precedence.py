"""Jobs among those of the same priority: to the top, to the bottom. Their localorder says where they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Max, Min

from qbcore import acting, events, history, verbs
from qbcore.models import JobRow
from qbcore.permissions import need, visible_jobs
from qbcore.states import LIVE
from qbcore.writing import clock, locked, writing


def top(jobid: Any, *extraJobids: Any) -> list[int]:
    """Moves jobs before all others of their priority; several keep their order among each other. The ids found."""
    return move("top", verbs.whole_jobs([jobid, *extraJobids]))


def bottom(jobid: Any, *extraJobids: Any) -> list[int]:
    """Moves jobs behind all others of their priority; several keep their order among each other. The ids found."""
    return move("bottom", verbs.whole_jobs([jobid, *extraJobids]))


@writing
def move(verb: str, ids: list[int]) -> list[int]:
    """All of a call in one transaction, so that they stay together."""
    actor = acting.current()
    rows = {row.pk: row for row in locked(JobRow.objects.filter(visible_jobs(actor), pk__in=ids).order_by("pk"))}
    for row in rows.values():
        need(actor, verb, owner=row.user)
    groups: dict[int, list[JobRow]] = defaultdict(list)
    for row in sorted(rows.values(), key=lambda row: (row.localorder, row.pk)):
        groups[row.priority].append(row)
    now = clock()
    for group in groups.values():
        _place(verb, group, now)
    if rows:
        events.publish("wake", [])
    return [job for job in ids if job in rows]


def _place(verb: str, group: list[JobRow], now: datetime) -> None:
    """Gives them the numbers just before, or just behind, those of all others; nothing when they stand there."""
    peers = JobRow.objects.filter(status__in=LIVE, priority=group[0].priority)
    found = peers.exclude(pk__in=[row.pk for row in group]).aggregate(first=Min("localorder"), last=Max("localorder"))
    if found["first"] is None:
        return
    if verb == "top":
        stands = group[-1].localorder < found["first"]
        start = found["first"] - len(group)
    else:
        stands = group[0].localorder > found["last"]
        start = found["last"] + 1
    if not stands:
        _number(verb, group, start, now)


def _number(verb: str, group: Iterable[JobRow], start: int, now: datetime) -> None:
    for localorder, row in enumerate(group, start):
        JobRow.objects.filter(pk=row.pk).update(localorder=localorder, updated=now)
        where = "first" if verb == "top" else "last"
        history.record(verb, now=now, job=row.pk, effect=f"{where} among jobs of priority {row.priority}")
        events.publish("job", [row.pk])
