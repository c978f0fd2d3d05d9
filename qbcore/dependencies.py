"""What submitted jobs wait for: links to other jobs, by id or by label in the process group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from qbcore import folding
from qbcore.control import jobs
from qbcore.errors import Invalid, Unsupported
from qbcore.models import DependencyRow, JobRow
from qbcore.states import DONE, Status
from qbcore.triggers import Link, parse_dependency
from qbcore.writing import locked

Links = list[tuple[Link, int]]


def link(submitted: Sequence[JobRow], now: datetime) -> None:
    """Ties each job of a call to what its `dependency` names, which may stand before or after it in the call."""
    wanted = {row.pk: _links(row, submitted) for row in submitted if row.dependency.strip()}
    if not wanted:
        return
    _refuse_circle(wanted, {row.pk: row for row in submitted})
    ids = sorted({parent for links in wanted.values() for _, parent in links})
    parents = {row.pk: row for row in locked(JobRow.objects.filter(pk__in=ids).order_by("pk"))}
    for job, links in wanted.items():
        _tie(job, links, parents, now)


def _links(row: JobRow, submitted: Sequence[JobRow]) -> Links:
    found = []
    for one in parse_dependency(row.dependency):
        if one.kind != "job":
            raise Unsupported(
                f"a dependency on a {one.kind} is not honoured by this version: depend on the job", field="dependency"
            )
        found.append((one, _parent(row, one, submitted)))
    return found


def _parent(row: JobRow, one: Link, submitted: Sequence[JobRow]) -> int:
    """The id of the job that a link means; a label means a job of the same process group."""
    if one.id is not None and JobRow.objects.filter(pk=one.id).exclude(pk=row.pk).exists():
        return one.id
    labelled = JobRow.objects.filter(pgrp=row.pgrp, label=one.target).exclude(label="")
    parent = labelled.values_list("pk", flat=True).first()
    if parent == row.pk or one.id == row.pk:
        raise Invalid(f"job {row.name!r} depends on itself", field="dependency", hint="Name another job.")
    if parent is None:
        known = ", ".join(other.label for other in submitted if other.label and other.pk != row.pk) or "none"
        raise Invalid(
            f"there is no job {one.target!r} to depend on", field="dependency",
            hint=f"Give the id of a job, or a label of this call ({known}) or of its process group.",
        )  # fmt: skip
    return parent


def _refuse_circle(wanted: Mapping[int, Links], submitted: Mapping[int, JobRow]) -> None:
    """Only jobs of one call can wait for each other: nobody could name a job before it had an id."""
    graph = {job: [parent for _, parent in links if parent in submitted] for job, links in wanted.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        names = " → ".join(submitted[job].label or submitted[job].name for job in circle.args[1])
        raise Invalid(f"these jobs wait for each other: {names}", field="dependency", hint="Leave one out.") from circle


def _tie(job: int, links: Links, parents: Mapping[int, JobRow], now: datetime) -> None:
    """Notes the links with what is true of them now, and holds the job back while one is not met."""
    rows = [_row(job, one, parents[parent]) for one, parent in links]
    DependencyRow.objects.bulk_create(rows)
    unmet = [parents[row.parent_id] for row in rows if not row.met]
    if not unmet:
        return
    row = locked(JobRow.objects.filter(pk=job)).get()
    over = next((parent for parent in unmet if parent.status in DONE), None)
    reason = folding.in_vain(over.pk, Status(over.status)) if over else f"waits for {row.dependency}"
    jobs.wait(row, reason, now)
    folding.settle(row)


def _row(job: int, one: Link, parent: JobRow) -> DependencyRow:
    ended = Status(parent.status)
    met = ended in DONE and one.state in (ended.word, "done")
    return DependencyRow(job_id=job, parent_id=parent.pk, state=one.state, met=met)
