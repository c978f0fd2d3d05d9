"""What logs have grown by, as `log` answers to somebody who follows them: rows of jobs, of subjobs and of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import QuerySet

from qbcore import acting
from qbcore.errors import Invalid
from qbcore.ids import JobId, SubjobId, WorkId, flatten, parse_logged
from qbcore.logs.following import follow
from qbcore.logs.weaving import Segment
from qbcore.models import AttemptRow, JobRow, SubjobRow, WorkRow
from qbcore.permissions import visible_jobs
from qbcore.states import DONE

ENOUGH = 4 * 1024 * 1024
"""Bytes after which one call looks at no further log."""


def news(ids: list[Any], since: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each subjob, and for each frame that is named; *since* are their places by id.

    `over`: it has ended and all of its log was told.
    """
    if not isinstance(since, Mapping):
        raise Invalid("since must be a dictionary", field="since", hint='Give {"250.0": the row\'s next}.')
    found: list[dict[str, Any]] = []
    told = 0
    for one in map(parse_logged, flatten(ids)):
        job = JobRow.objects.filter(visible_jobs(acting.current()), pk=one.job).first()
        for row in _rows(one, job, since, told) if job else ():
            told += sum(len(part["data"]) for part in row["parts"])
            found.append(row)
    return found


def _rows(one: JobId | SubjobId | WorkId, job: JobRow, since: Mapping[str, Any], told: int) -> Iterator[dict[str, Any]]:
    for name, attempts, ended in _logs(one, job):
        place = since.get(name) or ""
        if told >= ENOUGH:
            yield {"id": name, "parts": [], "next": place, "over": False}
            continue
        found = follow(attempts, place)
        parts = [_part(row, segment) for row, segment in found.pieces]
        told += sum(len(part["data"]) for part in parts)
        yield {"id": name, "parts": parts, "next": found.next, "over": ended and found.settled}


def _logs(one: JobId | SubjobId | WorkId, job: JobRow) -> Iterator[tuple[str, QuerySet[AttemptRow], bool]]:
    """What is named: its id, its attempts, and whether it has ended."""
    attempts = AttemptRow.objects.filter(job_id=job.pk)
    if isinstance(one, WorkId):
        item = WorkRow.objects.filter(job_id=job.pk, name=one.name).first()
        if item is None:
            hint = "Name one frame, as 250:7."
            raise Invalid(f"job {job.pk} has no frame {one.name!r} whose log could be told", field="jobid", hint=hint)
        yield str(one), attempts.filter(pos=item.pos), item.status in DONE
        return
    subjobs = SubjobRow.objects.filter(job_id=job.pk).order_by("idx")
    if isinstance(one, SubjobId):
        subjobs = subjobs.filter(idx=one.sub)
    for idx, status in subjobs.values_list("idx", "status"):
        yield f"{job.pk}.{idx}", attempts.filter(subjob=idx), status in DONE and job.status in DONE


def _part(row: AttemptRow, segment: Segment) -> dict[str, Any]:
    return {
        "attempt": row.pk,
        "subid": row.subjob,
        "frame": row.frame,
        "number": row.number,
        "host": row.host_name,
        "stream": segment.stream,
        "at": segment.at,
        "data": segment.data.decode("utf-8", "replace"),
    }
