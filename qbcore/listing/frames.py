"""The frames and subjobs of one job as pages show them: packed for the grid, in windows for the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from qbcore.acting import current
from qbcore.errors import NotFound
from qbcore.listing.windows import LIMIT, Window
from qbcore.models import AttemptRow, SubjobRow, WorkRow
from qbcore.permissions import may
from qbcore.states import Status

LETTERS = {status.value: status.name[0] for status in Status}
"""One letter per status: C R F K S B W P."""


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """One try. Times in seconds, sizes in bytes; `ended` is None while it runs."""

    id: int
    job: int
    job_name: str
    pos: int
    number: int
    frame: str
    subjob: int
    host: int
    host_name: str
    started: datetime
    ended: datetime | None
    ending: str
    exit_code: int | None
    signal: int | None
    message: str
    seconds: float
    max_rss: int
    error_line: str
    progress: int | None = None  # percent


@dataclass(frozen=True, slots=True)
class FrameLine:
    """One frame and its last attempt, if it had one."""

    job: int
    pos: int
    name: str
    status: Status
    retries: int
    last: AttemptLine | None


@dataclass(frozen=True, slots=True)
class SubjobLine:
    """One subjob, and the attempt that runs in it."""

    job: int
    idx: int
    status: Status
    host: int | None
    host_name: str
    retries: int
    asked: str
    now: AttemptLine | None


def states(job: int) -> str:
    """One letter per frame by position; empty for a job without frames. One query."""
    return "".join(map(LETTERS.__getitem__, _work(job).order_by("pos").values_list("status", flat=True)))


def names(job: int) -> list[str]:
    """The frames' names by position. One query."""
    return list(_work(job).order_by("pos").values_list("name", flat=True))


def window(job: int, *, statuses: Iterable[Status] = (), after: int = -1, limit: int = LIMIT) -> Window[FrameLine]:
    """Frames by position after *after*, only those in one of *statuses* when given. Two queries."""
    query = _work(job).filter(pos__gt=after)
    wanted = list(statuses)
    if wanted:
        query = query.filter(status__in=wanted)
    rows = list(_lean(query).order_by("pos")[: limit + 1])
    found = _framed(job, rows[:limit])
    return Window(tuple(found), str(found[-1].pos) if len(rows) > limit else "")


def some(job: int, positions: Iterable[int]) -> list[FrameLine]:
    """These frames, those of them that exist, by position. Two queries."""
    return _framed(job, list(_lean(_work(job).filter(pos__in=list(positions))).order_by("pos")))


def one(job: int, pos: int) -> FrameLine:
    """Raises NotFound."""
    found = some(job, [pos])
    if not found:
        raise NotFound(f"Job {job} has no frame at position {pos}.")
    return found[0]


def attempts(job: int, positions: Iterable[int]) -> list[AttemptLine]:
    """All attempts at these frames, oldest first."""
    _may_see(job)
    rows = AttemptRow.objects.filter(job_id=job, pos__in=list(positions))
    return [attempt_line(row) for row in rows.order_by("started", "id")]  # their numbers are in no order


def belongs(job: int, attempt: int) -> bool:
    """Whether the attempt was one at this job."""
    _may_see(job)
    return AttemptRow.objects.filter(pk=attempt, job_id=job).exists()


def subjobs(job: int, *, limit: int = 500) -> list[SubjobLine]:
    """The job's subjobs by number. Two queries."""
    _may_see(job)
    return _placed(job, list(SubjobRow.objects.filter(job_id=job).order_by("idx")[:limit]))


def some_subjobs(job: int, numbers: Iterable[int]) -> list[SubjobLine]:
    _may_see(job)
    return _placed(job, list(SubjobRow.objects.filter(job_id=job, idx__in=list(numbers)).order_by("idx")))


def attempt_line(row: AttemptRow) -> AttemptLine:
    return AttemptLine(
        id=row.id,
        job=row.job_id,
        job_name=row.job_name,
        pos=row.pos,
        number=row.number,
        frame=row.frame,
        subjob=row.subjob,
        host=row.host_id,
        host_name=row.host_name,
        started=row.started,
        ended=row.ended,
        ending=row.ending,
        exit_code=row.exit_code,
        signal=row.signal,
        message=row.message,
        seconds=row.seconds,
        max_rss=row.max_rss,
        error_line=row.error_line,
        progress=row.progress,
    )


def _may_see(job: int) -> None:
    if not may(current(), "see", job=job):
        raise NotFound(f"There is no job {job} on this farm.")


def _work(job: int) -> QuerySet[WorkRow]:
    _may_see(job)
    return WorkRow.objects.filter(job_id=job)


def _lean(query: QuerySet[WorkRow]) -> QuerySet[WorkRow]:
    return query.only("job_id", "pos", "name", "status", "retries")


def _framed(job: int, rows: Sequence[WorkRow]) -> list[FrameLine]:
    last = {attempt.pos: attempt for attempt in attempts(job, [row.pos for row in rows])}
    return [FrameLine(job, row.pos, row.name, Status(row.status), row.retries, last.get(row.pos)) for row in rows]


def _placed(job: int, rows: Sequence[Any]) -> list[SubjobLine]:
    grants = [row.grant_id for row in rows if row.grant_id]
    open_ones = AttemptRow.objects.filter(grant_id__in=grants, ended__isnull=True).order_by("pos")  # a frame comes last
    running = {row.grant_id: attempt_line(row) for row in open_ones} if grants else {}
    return [
        SubjobLine(
            job=job,
            idx=row.idx,
            status=Status(row.status),
            host=row.host_id,
            host_name=row.host_name,
            retries=row.retries,
            asked=row.asked,
            now=running.get(row.grant_id),
        )
        for row in rows
    ]
