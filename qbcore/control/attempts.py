"""Attempts end: reports of workers are taken in, once each, however often and late they come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from qbcore.constants import FLAGS
from qbcore.control import marks, work
from qbcore.control.placements import attempt_row, last_attempt_number
from qbcore.errors import Invalid
from qbcore.models import AttemptRow, GrantRow, JobRow, WorkRow
from qbcore.states import LIVE, Ending, Status
from qbcore.writing import locked, on_postgres

ELSEWHERE = timedelta(minutes=10)
"""How long an item that failed on a host is kept from it, with the flag migrate_on_frame_retry."""


@dataclass(frozen=True, slots=True)
class Report:
    """How an attempt ended, as the worker saw it. Times in seconds, sizes in bytes."""

    attempt: int
    pos: int
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    reason: str = "exit"
    message: str = ""
    rss: int = 0
    cpu: float = 0.0
    out: tuple[int, int] = (0, 0)
    err: tuple[int, int] = (0, 0)
    result: Any = field(default=None, hash=False)

    @property
    def good(self) -> bool:
        return self.reason == "exit" and self.exit_code == 0 and not self.signal


REPORTED = [
    "ended",
    "ending",
    "reported",
    "exit_code",
    "signal",
    "message",
    "seconds",
    "cpu",
    "max_rss",
    "out_from",
    "out_to",
    "err_from",
    "err_to",
    "error_line",
    "error_key",
]


def refuse_foreign(grant: GrantRow, endings: Mapping[int, Ending], known: Mapping[int, AttemptRow]) -> None:
    """A host speaks for its own attempts only: not for another grant's, nor for numbers that nobody gave out."""
    foreign = {number for number, row in known.items() if row.grant_id != grant.pk}
    unknown = {number for number, ending in endings.items() if ending == Ending.LATE and number not in known}
    last = last_attempt_number() if unknown else 0
    foreign |= {number for number in unknown if not 0 < number <= last}
    if foreign:
        raise Invalid(f"attempt {min(foreign)} was not given to grant {grant.pk}", field="reports")


def out_of_time(job: JobRow, report: Report) -> bool:
    """Whether it ended because its subjob had run for as long as the job allows: not the item failed, the subjob did.

    A worker of an older version calls an item's own limit by the same word; then the job has none for subjobs.
    """
    return report.reason == "timelimit" and job.timelimit > 0


def finish_frames(
    job: JobRow, grant: GrantRow, reports: Sequence[Report], known: Mapping[int, AttemptRow], *, now: datetime
) -> tuple[dict[int, WorkRow], dict[int, Ending]]:
    """Turns items that still belong to the attempt reported; answers items and endings by attempt."""
    found = locked(WorkRow.objects.filter(job_id=job.pk, pos__in=[report.pos for report in reports])).order_by("pos")
    columns = ("pos", "name", "status", "retries", "attempts", "attempt_id", "grant_id", "seconds")
    items = {row.pos: row for row in found.only(*columns)}
    turns: list[tuple[WorkRow, Report, Status, int]] = []
    endings: dict[int, Ending] = {}
    turned: set[int] = set()
    for report in reports:
        item = items.get(report.pos)
        if item is None or item.pos in turned or not _counts(item, report, known.get(report.attempt), grant):
            endings[report.attempt] = Ending.LATE
            continue
        to, endings[report.attempt], retries = outcome(job, item, report)
        turns.append((item, report, to, retries))
        turned.add(item.pos)
    turn_many(job, turns, now)
    if job.flags & FLAGS["migrate_on_frame_retry"]:
        again = [item.pos for item, report, to, _ in turns if to in LIVE and endings[report.attempt] == Ending.FAILED]
        rows = WorkRow.objects.filter(job_id=job.pk, pos__in=again)
        rows.update(avoid_host=grant.host_id, avoid_until=now + ELSEWHERE)
    return {report.attempt: items[report.pos] for report in reports if report.pos in items}, endings


def _counts(item: WorkRow, report: Report, attempt: AttemptRow | None, grant: GrantRow) -> bool:
    """The item still belongs to the attempt; or it was lost, is back in the queue, and is done after all."""
    if item.attempt_id == report.attempt:
        return item.grant_id == grant.pk
    lost = attempt is not None and attempt.ending == Ending.LOST
    return lost and report.good and item.status == Status.PENDING and item.attempt_id is None


def outcome(job: JobRow, item: WorkRow, report: Report) -> tuple[Status, Ending, int]:
    if report.good:
        return Status.COMPLETE, Ending.COMPLETE, item.retries
    if report.reason == "ended":
        return Status.PENDING, Ending.INTERRUPTED, item.retries
    if out_of_time(job, report):
        return Status.PENDING, Ending.FAILED, item.retries
    if item.retries < job.retrywork:
        return Status.WAITING if job.retrywork_delay > 0 else Status.PENDING, Ending.FAILED, item.retries + 1
    return Status.FAILED, Ending.FAILED, item.retries


TURNED = {
    "pos": "integer",
    "status": "integer",
    "retries": "integer",
    "seconds": "double precision",
    "attempts": "integer",
}
"""The columns of the values in `turn_many`, in order, with their type in SQL."""


def turn_many(job: JobRow, turns: Sequence[tuple[WorkRow, Report, Status, int]], now: datetime) -> None:
    """All these items to their new statuses in one statement, with one delta."""
    if not turns:
        return
    adapt = connection.ops.adapt_datetimefield_value
    wait = adapt(now + timedelta(seconds=max(0, job.retrywork_delay)))
    kinds = ", ".join(f"CAST(%s AS {kind})" for kind in TURNED.values())
    values = ", ".join([f"({kinds})"] * len(turns))
    cells = [
        cell
        for item, report, to, retries in turns
        for cell in (item.pos, int(to), retries, report.seconds, int(item.status == Status.PENDING))
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE work SET status = v.column2, retries = v.column3, seconds = work.seconds + v.column4, "
            "attempts = attempts + v.column5, attempt_id = NULL, grant_id = NULL, reserved_until = NULL, "
            "updated = %s, "
            f"finished = CASE WHEN v.column2 IN (16, 32, 48) THEN CAST(%s AS {_time_type()}) END, "
            f"wait_until = CASE WHEN v.column2 = 288 THEN CAST(%s AS {_time_type()}) END "
            f"FROM (VALUES {values}) AS v WHERE work.job_id = %s AND work.pos = v.column1",
            [adapt(now), adapt(now), wait, *cells, job.pk],
        )
    for item, report, _, _ in turns:
        if report.result is not None:
            WorkRow.objects.filter(job_id=job.pk, pos=item.pos).update(result=report.result)
    moved = Counter(to for _, _, to, _ in turns)
    moved.subtract(Status(item.status) for item, _, _, _ in turns)
    done = [report.seconds for _, report, to, _ in turns if to == Status.COMPLETE]
    places: dict[Status, list[int]] = defaultdict(list)
    for item, _, to, _ in turns:
        places[to].append(item.pos)
    work.delta(job.pk, moved, timed=len(done), seconds=sum(done), turned=marks.text(marks.WORK, places))


def _time_type() -> str:
    return "timestamptz" if on_postgres() else "text"


def record(
    job: JobRow,
    grant: GrantRow,
    report: Report,
    old: AttemptRow | None,
    items: dict[int, WorkRow],
    endings: dict[int, Ending],
    now: datetime,
) -> AttemptRow:
    """The attempt's row with what was reported; an ending that the farm has set stands, unless a lost one came good."""
    item = items.get(report.attempt)
    nth = item.attempts + 1 if item else 1
    row = old or attempt_row(
        job,
        grant,
        report.attempt,
        report.pos,
        item.name if item else "",
        nth,
        started=now - timedelta(seconds=report.seconds),
    )
    ending = endings[report.attempt]
    if row.ended is None or ending == Ending.COMPLETE:
        row.ended, row.ending = now, ending
    row.reported = True
    row.exit_code, row.signal, row.message = report.exit_code, report.signal, report.message
    row.seconds, row.cpu, row.max_rss = report.seconds, report.cpu, report.rss
    (row.out_from, row.out_to), (row.err_from, row.err_to) = report.out, report.err
    return row
