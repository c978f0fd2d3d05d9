"""Reports are taken in: of frames, and of what the subjob did itself (its process, its flight checks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from qbcore.constants import FLAGS
from qbcore.control import flights, loops, statements, subjobs, work
from qbcore.control.attempts import Report, Said, judge, out_of_time, refuse_foreign, shun, store
from qbcore.control.batches import Known, Line, owner
from qbcore.control.flights import UNIT
from qbcore.control.placements import attempt_row
from qbcore.models import AttemptRow, GrantRow, JobRow, SubjobRow, WorkRow
from qbcore.states import PLACED, Ending, Status
from qbcore.writing import locked

REPORTED = [
    *("ended", "ending", "reported", "exit_code", "signal", "message", "seconds", "cpu", "max_rss"),
    *("out_from", "out_to", "err_from", "err_to", "error_line", "error_key"),
]


def finish(job: JobRow, said: Said, *, now: datetime) -> list[int]:
    """Takes reports of one job's grants on one host in: what still belongs to its attempt is turned. Answers the
    attempts that failed.
    """
    items, known = statements.acts().taken(job.pk, [(report.attempt, report.pos) for _, report in said])
    once = {one[1].attempt: one for one in reversed(said)}.values()  # said twice: the first counts
    fresh = [one for one in reversed(once) if one[1].attempt not in known or not known[one[1].attempt].reported]
    units = [one for one in fresh if one[1].pos == UNIT]
    frames = [one for one in fresh if one[1].pos != UNIT]
    ended = {report.attempt: _finish_unit(job, grant, report, now) for grant, report in units}
    lines = judge(job, frames, items, known)
    refuse_foreign(said, ended | {line.attempt: Ending(line.ending) for line in lines}, known)
    _fail_out_of_time(job, frames, lines, now)
    if frames:
        store(job, owner(job, frames[0][0]), lines, now=now)
        shun(job, frames[0][0].host_id, lines, now=now)
    failed = _record_units(job, units, ended, now) if units else []
    return failed + [line.attempt for line in lines if _has_failed(line, known.get(line.attempt))]


def _has_failed(line: Line, known: Known | None) -> bool:
    """An ending that the farm has set stands, unless a lost attempt came good."""
    stands = known is not None and known.ended and line.ending != Ending.COMPLETE
    return (known.ending if known and stands else line.ending) == Ending.FAILED


def _fail_out_of_time(job: JobRow, frames: Said, lines: Sequence[Line], now: datetime) -> None:
    late = {
        grant.pk: grant
        for (grant, report), line in zip(frames, lines, strict=True)
        if line.ending == Ending.FAILED and out_of_time(job, report)
    }
    for pk in sorted(late):
        _fail_subjob(job, late[pk], now)


def _record_units(job: JobRow, units: Said, ended: Mapping[int, Ending], now: datetime) -> list[int]:
    """The rows of attempts at subjobs themselves; answers those that failed."""
    rows = AttemptRow.objects.in_bulk([report.attempt for _, report in units])
    written = [
        _recorded(job, grant, report, rows.get(report.attempt), ended[report.attempt], now) for grant, report in units
    ]
    for row in written:
        _explain_flight(job, row)
    AttemptRow.objects.bulk_create(
        written, update_conflicts=True, unique_fields=["id"], update_fields=REPORTED, batch_size=500
    )
    return [row.pk for row in written if row.ending == Ending.FAILED]


def _recorded(
    job: JobRow, grant: GrantRow, report: Report, old: AttemptRow | None, ending: Ending, now: datetime
) -> AttemptRow:
    """The attempt's row with what was reported; an ending that the farm has set stands, unless a lost one came good."""
    started = now - timedelta(seconds=report.seconds)
    row = old or attempt_row(job, grant, report.attempt, report.pos, "", 1, started=started)
    if row.ended is None or ending == Ending.COMPLETE:
        row.ended, row.ending = now, ending
    row.reported = True
    row.exit_code, row.signal, row.message = report.exit_code, report.signal, report.message
    row.seconds, row.cpu, row.max_rss = report.seconds, report.cpu, report.rss
    (row.out_from, row.out_to), (row.err_from, row.err_to) = report.out, report.err
    return row


def _finish_unit(job: JobRow, grant: GrantRow, report: Report, now: datetime) -> Ending:
    row = locked(SubjobRow.objects.filter(job_id=job.pk, idx=grant.idx, attempt_id=report.attempt)).first()
    if row is None or row.status not in PLACED:
        return Ending.LATE
    step = AttemptRow.objects.filter(pk=report.attempt).values_list("frame", flat=True).first() or ""
    loops.let_go(job, grant, report, now=now)
    told = row.told if report.good else ""
    if report.reason == "ended":
        _leave(job, row, Status.PENDING, now)
        return Ending.INTERRUPTED
    if not report.good or told == Status.FAILED.word:
        _try_again(job, row, report, step, now)
        return Ending.FAILED
    if told == Status.KILLED.word:
        _leave(job, row, Status.KILLED, now)
        return Ending.KILLED
    _go_on(job, grant, row, step, now)
    counted = int(not step and not job.todo)
    work.delta(job.pk, {}, timed=counted, seconds=report.seconds * counted)
    return Ending.COMPLETE


def _try_again(job: JobRow, row: SubjobRow, report: Report, step: str, now: datetime) -> None:
    """A step failed: the subjob starts anew while it may be tried again, else it has failed.

    Behind frames that are done nothing is left to start anew for, so a postflight is run again where it is. A subjob
    that is out of time, or is told to leave, has no time for that.
    """
    again = row.retries < job.retrysubjob
    if not (job.todo and step.startswith(flights.AFTER)):
        _leave(job, row, Status.PENDING if again else Status.FAILED, now, retries=row.retries + again)
    elif again and not row.asked and not out_of_time(job, report):
        same = SubjobRow.objects.filter(job_id=job.pk, idx=row.idx)
        same.update(attempt_id=None, retries=row.retries + 1, updated=now)
        work.delta(job.pk, {})
    else:
        _leave(job, row, Status.FAILED, now)


def _fail_subjob(job: JobRow, grant: GrantRow, now: datetime) -> None:
    """The subjob has hit its limit: it is tried again while it may be; its worker ends what is left of it."""
    row = locked(SubjobRow.objects.filter(job_id=job.pk, idx=grant.idx, grant_id=grant.pk, status__in=PLACED)).first()
    if row is not None:
        again = row.retries < job.retrysubjob
        to = subjobs.first_status(job) if again else Status.FAILED
        _leave(job, row, to, now, retries=row.retries + again)


def _go_on(job: JobRow, grant: GrantRow, row: SubjobRow, step: str, now: datetime) -> None:
    """A step went well: the subjob stays for the next one, or it has done what it was to do here."""
    frames_follow = step.startswith(flights.BEFORE) and not flights.has_process(job)
    if frames_follow or flights.following(job, [*flights.done(job, grant), step], idle=True):
        SubjobRow.objects.filter(job_id=job.pk, idx=row.idx).update(attempt_id=None, updated=now)
        return
    told = Status.of(row.told) if row.told else None
    if told is None:
        told = after(job, row) if job.todo else Status.COMPLETE
    _leave(job, row, told, now)


def _leave(job: JobRow, row: SubjobRow, to: Status, now: datetime, *, retries: int | None = None) -> None:
    """The subjob leaves its place; one that is only pending becomes what it was asked to become."""
    asked = row.asked if to == Status.PENDING else ""
    retries = row.retries if retries is None else retries
    subjobs.turn(job.pk, [row], Status.of(asked) if asked else to, now=now, retries=retries)
    work.delta(job.pk, {})


def after(job: JobRow, subjob: SubjobRow) -> Status:
    """What a subjob with nothing to do becomes: pending while items wait, are blocked or reserved elsewhere."""
    if subjob.asked:
        return Status.of(subjob.asked)
    if job.unfilled or job.flags & FLAGS["disable_auto_complete"]:
        return Status.PENDING
    later = [Status.PENDING, Status.WAITING, Status.BLOCKED]
    return Status.PENDING if WorkRow.objects.filter(job_id=job.pk, status__in=later).exists() else Status.COMPLETE


def unheld(unit: SubjobRow, *, now: datetime) -> None:
    """A step that the farm gave and the worker does not know (its answer was lost) is given anew."""
    AttemptRow.objects.filter(pk=unit.attempt_id or 0, ended__isnull=True).update(ended=now, ending=Ending.INTERRUPTED)
    same = SubjobRow.objects.filter(job_id=unit.job_id, idx=unit.idx, attempt_id=unit.attempt_id)
    same.update(attempt_id=None, updated=now)


def _explain_flight(job: JobRow, row: AttemptRow) -> None:
    """A flight check that failed says which one it was; its own output stands in the log."""
    if row.pos != UNIT or not row.frame or row.ending != Ending.FAILED:
        return
    how = row.message or f"ended with exit code {row.exit_code}"
    if row.exit_code is None and row.signal is None:
        how = f"could not be started: {how}"
    row.message = f"{row.frame} ({flights.command_of(job, row.frame)}) {how}"[:1000]
    row.error_line, row.error_key = row.message[:400], f"{row.frame.split()[0]} failed"
