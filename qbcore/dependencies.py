"""What submitted jobs wait for: links to other jobs, their items or subjobs, by id or by label in the process group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from django.db.models import F

from qbcore import filling, folding, links
from qbcore.control import jobs
from qbcore.errors import Invalid
from qbcore.models import DependencyRow, HistoryRow, JobRow, Watch
from qbcore.positions import positions_named
from qbcore.states import Status
from qbcore.triggers import Link, parse_dependency
from qbcore.writing import locked

Links = list[tuple[Link, int]]
WATCHES = {"job": Watch.JOB, "work": Watch.WORK, "subjob": Watch.SUBJOBS}
MOST_DIGITS = 9


def link(submitted: Sequence[JobRow], former: Mapping[int, int], now: datetime) -> None:
    """Ties each job of a call to what its `dependency` names, which may stand before or after it in the call.

    *former*: the process group that a job was of when it is submitted once more.
    """
    wanted = {row.pk: _links(row, submitted, former.get(row.pk, 0)) for row in submitted if row.dependency.strip()}
    if not wanted:
        return
    _refuse_circle(wanted, {row.pk: row for row in submitted})
    ids = sorted({parent for found in wanted.values() for _, parent in found})
    parents = {row.pk: row for row in locked(JobRow.objects.filter(pk__in=ids).order_by("pk"))}
    for job, found in wanted.items():
        _tie(job, found, parents, now)


def _links(row: JobRow, submitted: Sequence[JobRow], former: int) -> Links:
    found = []
    for one in parse_dependency(row.dependency):
        label, _, number = one.target.rpartition(".")
        if one.kind == "subjob" and one.id is None and not one.extra and label and number.isdecimal():
            one = replace(one, target=label, extra=number)  # 'complete-subjob-render.0'
        found.append((one, _parent(row, one, submitted, former)))
    return found


def _parent(row: JobRow, one: Link, submitted: Sequence[JobRow], former: int) -> int:
    """The id of the job that a link means; a label means a job of the same process group, else of the former one."""
    if one.id is not None and JobRow.objects.filter(pk=one.id).exclude(pk=row.pk).exists():
        return one.id
    parent = _labelled(row.pgrp, one.target)
    if parent == row.pk or one.id == row.pk:
        raise Invalid(f"job {row.name!r} depends on itself", field="dependency", hint="Name another job.")
    if parent is None and one.id is not None and _was_there(one.id):
        return one.id
    parent = _labelled(former, one.target) if parent is None and former else parent
    if parent is None:
        known = ", ".join(other.label for other in submitted if other.label and other.pk != row.pk) or "none"
        raise Invalid(
            f"there is no job {one.target!r} to depend on", field="dependency",
            hint=f"Submit both jobs together, or name the job's id or a label of this call ({known}) or process group.",
        )  # fmt: skip
    return parent


def _labelled(group: int, label: str) -> int | None:
    rows = JobRow.objects.filter(pgrp=group, label=label).exclude(label="")
    return rows.values_list("pk", flat=True).first()


def _was_there(job: int) -> bool:
    """Whether a job of that id was removed: its history stays, and ids are never given out again."""
    return job < 2**63 and HistoryRow.objects.filter(job_id=job).exists()


def _refuse_circle(wanted: Mapping[int, Links], submitted: Mapping[int, JobRow]) -> None:
    """Only jobs of one call can wait for each other: nobody could name a job before it had an id."""
    graph = {job: [parent for _, parent in found if parent in submitted] for job, found in wanted.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        names = " → ".join(submitted[job].label or submitted[job].name for job in circle.args[1])
        raise Invalid(f"these jobs wait for each other: {names}", field="dependency", hint="Leave one out.") from circle


def _tie(job: int, found: Links, parents: Mapping[int, JobRow], now: datetime) -> None:
    """Notes the links with what is true of them now, and holds back what is not met: the job, or items of it."""
    child = locked(JobRow.objects.filter(pk=job)).get()
    for one, parent in found:
        _tie_one(child, one, parent, parents.get(parent), now)
    if not links.met(child):
        jobs.wait(child, "", now)
    links.explain(child)
    folding.settle(child)


def _tie_one(child: JobRow, one: Link, parent_id: int, parent: JobRow | None, now: datetime) -> None:
    kind = one.kind
    if kind == "work" and not one.extra and not (child.todo and parent is not None and parent.todo):
        kind = "job"  # nothing to compare
    framewise = kind == "work" and not one.extra
    status = Status(parent.status) if parent is not None else None
    met = framewise or (kind == "job" and status in links.MEETS[one.state])
    extra = _subjob(one) if kind == "subjob" else one.extra
    row = DependencyRow(job_id=child.pk, parent_id=parent_id, state=one.state, kind=kind, extra=extra, met=met)
    row.save()
    if parent is None:
        return
    _watch(parent, WATCHES[kind])
    if framewise:
        filling.complete(child)
        filling.complete(parent)
        links.tie(row, now)
    elif kind == "work":
        links.tie_job(row, _items(parent, one))


def _watch(job: JobRow, what: Watch) -> None:
    if not job.watched & what:
        JobRow.objects.filter(pk=job.pk).update(watched=F("watched").bitor(int(what)))
        job.watched |= what


def _items(parent: JobRow, one: Link) -> list[tuple[int, int]]:
    filling.complete(parent)
    found = positions_named(parent.pk, [one.extra])
    if not found:
        raise Invalid(
            f"job {parent.pk} has no item {one.extra!r} to wait for", field="dependency",
            hint="Name an item of its agenda, or leave it out to wait frame by frame.",
        )  # fmt: skip
    return found


def _subjob(one: Link) -> str:
    if one.extra and not (one.extra.isascii() and one.extra.isdecimal() and len(one.extra) <= MOST_DIGITS):
        raise Invalid(
            f"{one.extra[:40]!r} is no number of a subjob", field="dependency", hint="Write done-subjob-250.0."
        )
    return one.extra
