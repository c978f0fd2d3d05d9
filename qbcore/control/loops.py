"""Items that the program of a custom job type asks for itself: given one at a time, ended by its word or its end.

The program's process is an attempt at the subjob; each item that it takes has an attempt of its own beside it, whose
part of the grant's log lies between the sizes that the program told at both moments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q

from qbcore import events
from qbcore.constants import FLAGS
from qbcore.control import subjobs, work
from qbcore.control.attempts import ELSEWHERE, Report, outcome, turn_one
from qbcore.control.placements import attempt_numbers, attempt_row, free
from qbcore.jobspec import loops
from qbcore.models import AttemptRow, GrantRow, JobRow, SubjobRow, WorkRow
from qbcore.states import LIVE, PLACED, Ending, Status
from qbcore.writing import locked

Sizes = Mapping[str, int]
UNREPORTED = "the process ended without reporting this item"


def held(grant: int) -> WorkRow | None:
    """The item that the grant's program took and has not reported, locked."""
    return locked(WorkRow.objects.filter(grant_id=grant, status__in=PLACED)).order_by("pos").first()


def give(job: JobRow, grant: GrantRow, *, now: datetime, written: Sizes, shun: int | None = None) -> WorkRow | None:
    """The next free item, which runs in that grant from now on; None when there is none (that may run on this host)."""
    item = locked(free(job, now, shun), skip=True).order_by("rank").first()
    if item is None:
        return None
    [number] = attempt_numbers(1)
    limit = job.agenda_timelimit
    work.turn(
        job.pk,
        [item],
        Status.RUNNING,
        now=now,
        started=now,
        attempts=F("attempts") + 1,
        attempt_id=number,
        grant_id=grant.pk,
        subjob=grant.idx,
        reserved_until=now + timedelta(seconds=limit) if limit > 0 else None,
    )
    row = attempt_row(job, grant, number, item.pos, item.name, item.attempts + 1, started=now)
    row.out_from, row.err_from = written.get("out", 0), written.get("err", 0)
    row.save(force_insert=True)
    item.refresh_from_db()
    return item


def end(
    job: JobRow,
    item: WorkRow,
    becomes: Status,
    *,
    now: datetime,
    written: Sizes,
    result: Any = None,
    message: str = "",
) -> AttemptRow | None:
    """An item that a program held is over, or back in the queue; failed ones are retried as the job says."""
    attempt = AttemptRow.objects.filter(pk=item.attempt_id or 0).first()
    seconds = (now - attempt.started).total_seconds() if attempt else 0.0
    report = Report(
        attempt=item.attempt_id or 0,
        pos=item.pos,
        exit_code=0 if becomes == Status.COMPLETE else None,
        seconds=max(0.0, seconds),
        reason="ended" if becomes == Status.PENDING else "exit",
        result=result,
    )
    to, ending, retries = outcome(job, item, report)
    if becomes == Status.KILLED:
        to, ending, retries = Status.KILLED, Ending.KILLED, item.retries
    turn_one(job, report, to, retries, now=now)
    if attempt and ending == Ending.FAILED and to in LIVE and job.flags & FLAGS["migrate_on_frame_retry"]:
        again = WorkRow.objects.filter(job_id=job.pk, pos=item.pos)
        again.update(avoid_host=attempt.host_id, avoid_until=now + ELSEWHERE)
    return _close(attempt, report, ending, now, written, message) if attempt else None


def _close(row: AttemptRow, report: Report, ending: Ending, now: datetime, written: Sizes, message: str) -> AttemptRow:
    row.ended, row.ending, row.reported = now, ending, True
    row.seconds, row.exit_code, row.message = report.seconds, report.exit_code, message
    row.out_to = max(row.out_from, written.get("out", row.out_from))
    row.err_to = max(row.err_from, written.get("err", row.err_from))
    if message:
        row.error_line = row.error_key = message
    row.save()
    return row


def let_go(job: JobRow, grant: GrantRow, report: Report, *, now: datetime) -> None:
    """The program's process has ended: what it still held goes back if it was stopped, else it has failed."""
    if not loops(job.prototype, job.todo):
        return
    if report.reason in ("ended", "timelimit"):
        work.give_back(job.pk, [grant.pk], Ending.INTERRUPTED, now=now)
        return
    written = {"out": report.out[1], "err": report.err[1]}
    while (item := held(grant.pk)) is not None:
        end(job, item, Status.FAILED, now=now, written=written, message=UNREPORTED)


def holders(job: JobRow, where: Q) -> list[SubjobRow]:
    """The subjobs whose programs hold one of these items; they are locked before the items are."""
    if not loops(job.prototype, job.todo):
        return []
    items = WorkRow.objects.filter(where, job_id=job.pk, status__in=PLACED, grant_id__isnull=False)
    return _placed(job, items.values("grant_id"))


def _placed(job: JobRow, grants: Any) -> list[SubjobRow]:
    return list(locked(SubjobRow.objects.filter(job_id=job.pk, status__in=PLACED, grant_id__in=grants)).order_by("idx"))


def stop(job: JobRow, items: Iterable[work.Item], *, now: datetime) -> Sequence[SubjobRow]:
    """Items (as they were) were taken away: the programs that held them are stopped, their subjobs start again."""
    if not loops(job.prototype, job.todo):
        return []
    rows = _placed(job, {item.grant_id for item in items if item.grant_id})
    if rows:
        events.publish("wake", [])
    for row in rows:
        work.give_back(job.pk, [row.grant_id or 0], Ending.INTERRUPTED, now=now)
        AttemptRow.objects.filter(pk=row.attempt_id or 0, ended__isnull=True).update(
            ended=now, ending=Ending.INTERRUPTED
        )
        subjobs.turn(job.pk, [row], Status.of(row.asked) if row.asked else subjobs.first_status(job), now=now)
    return rows
