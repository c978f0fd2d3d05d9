"""Many jobs are modified alike: one reading, one change, one line of history each.

Only for parameters that are a column and nothing more; what moves subjobs, labels or packages is changed job by job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from qbcore import acting, callbacks, events, folding, history
from qbcore.models import DeltaRow, JobRow
from qbcore.permissions import need, visible_jobs
from qbcore.states import DONE
from qbcore.writing import clock, listed, locked, writing

SLICE = 1000
"""Jobs that are locked together."""
COLUMNS = frozenset([
    "priority", "hostorder", "timeout", "timelimit", "agenda_timeout", "agenda_timelimit", "name", "account", "notes",
    "cluster", "restrictions", "requirements", "reservations", "groups", "hosts", "omithosts", "omitgroups",
    "retrywork", "retrysubjob", "retrywork_delay", "mailaddress",
])  # fmt: skip
UNSAID = ("env", "package")
"""What is too long for a line of history."""


def fits(changes: Mapping[str, Any]) -> bool:
    return changes.keys() <= COLUMNS


def modify(jobs: Iterable[int], changes: Mapping[str, Any]) -> set[int]:
    """Changes the jobs of those ids that are not over; answers which. A refusal changes none of its slice."""
    left = iter(sorted(jobs))
    changed: set[int] = set()
    while some := list(islice(left, SLICE)):
        changed |= _modify(some, changes)
    return changed


@writing
def _modify(ids: Sequence[int], changes: Mapping[str, Any]) -> set[int]:
    actor = acting.current()
    visible = JobRow.objects.filter(visible_jobs(actor), listed("id", ids))
    rows = list(locked(visible).order_by("pk").only("user", "status", "watched", *changes))
    for row in rows:
        need(actor, "modify", owner=row.user)
    over = _over(rows)
    alive = [row for row in rows if row.pk not in over]
    _change([row for row in alive if any(getattr(row, key) != value for key, value in changes.items())], changes)
    return {row.pk for row in alive}


def _over(rows: Sequence[JobRow]) -> set[int]:
    """Which of these locked jobs are over, once what was reported of them is counted."""
    known = {row.pk: row.status for row in rows}
    for job in sorted(set(DeltaRow.objects.filter(listed("job_id", list(known))).values_list("job_id", flat=True))):
        folded = folding.fold(job)
        known[job] = folded.status if folded else known[job]
    return {job for job, status in known.items() if status in DONE}


def _change(rows: Sequence[JobRow], changes: Mapping[str, Any]) -> None:
    if not rows:
        return
    now: datetime = clock()
    ids = [row.pk for row in rows]
    effects = [(row.pk, said({key: getattr(row, key) for key in changes}, _new(row, changes))) for row in rows]
    JobRow.objects.filter(listed("id", ids)).update(**changes, updated=now)
    history.record_many("modify", effects, now=now)
    for row in rows:
        callbacks.modified(row, relabelled=False)
    events.publish("job", ids)
    events.publish("wake", [])


def _new(row: JobRow, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if getattr(row, key) != value}


def said(old: Mapping[str, Any], new: Mapping[str, Any], unsaid: Collection[str] = UNSAID) -> str:
    """'priority 9999 → 100, env changed'."""
    parts = [f"{key} {_shown(old[key])} → {_shown(value)}" for key, value in new.items() if key not in unsaid]
    return ", ".join([*parts, *(f"{key} changed" for key in new if key in unsaid)])


def _shown(value: Any) -> Any:
    return "–" if value == "" else value
