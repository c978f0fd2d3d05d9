"""Work on hosts: a subjob is placed, frames are claimed for it, attempts start and end, the place is given back.

Locks are taken in the order host (by the caller), subjob, work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q

from qbcore import events
from qbcore.control import subjobs, work
from qbcore.models import AttemptRow, CounterRow, GrantRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import DONE, PLACED, Ending, Status
from qbcore.writing import locked, on_postgres

RESERVED_SECONDS = 10
LOSSES = 3
UNIT = -1
"""The position that stands for the subjob itself, in a job without agenda."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame given to a grant: its attempt's number and what to do."""

    attempt: int
    pos: int
    name: str
    package: dict[str, Any] | None


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
    result: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def good(self) -> bool:
        return self.reason == "exit" and self.exit_code == 0 and not self.signal


def attempt_numbers(count: int) -> list[int]:
    """New attempt ids, in order, from the database."""
    if on_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval('attempt_number') FROM generate_series(1, %s)", [count])
            return [row[0] for row in cursor.fetchall()]
    counter, _ = CounterRow.objects.get_or_create(name="attempt")
    CounterRow.objects.filter(pk=counter.pk).update(value=F("value") + count)
    last = counter.value + count  # this transaction is the only writer
    return list(range(last - count + 1, last + 1))


def place(job_id: int, host: HostRow, taken: dict[str, float], *, now: datetime) -> GrantRow | None:
    """Places the job's lowest pending subjob on the host; None when somebody else was faster."""
    rows = locked(SubjobRow.objects.filter(job_id=job_id, status=Status.PENDING), skip=True)
    subjob = rows.order_by("idx").first()
    if subjob is None:
        return None
    grant = GrantRow.objects.create(
        job_id=job_id, idx=subjob.idx, host_id=host.pk, host_name=host.name, taken=taken, started=now
    )
    SubjobRow.objects.filter(job_id=job_id, idx=subjob.idx).update(
        status=Status.RUNNING,
        asked="",
        grant_id=grant.pk,
        host_id=host.pk,
        host_name=host.name,
        timestart=now,
        timecomplete=None,
        updated=now,
    )
    return grant


def claim(job: JobRow, grant: GrantRow, count: int, *, now: datetime, running: int) -> list[Frame]:
    """Up to *count* pending items for the grant: the first *running* of them run at once, the rest are reserved."""
    if not job.todo:
        return _claim_unit(job, grant, now=now)
    free = Q(reserved_until__isnull=True) | Q(reserved_until__lt=now)
    rows = locked(WorkRow.objects.filter(free, job_id=job.pk, status=Status.PENDING), skip=True)
    items = list(rows.order_by("rank").only("pos", "name", "package", "attempts", "status")[:count])
    if not items:
        return []
    numbers = attempt_numbers(len(items))
    until = now + timedelta(seconds=RESERVED_SECONDS)
    _assign(job, grant, [(item.pos, number) for item, number in zip(items, numbers, strict=True)], until, now)
    _run(job, grant, list(zip(items, numbers, strict=True))[:running], now=now)
    return [Frame(number, item.pos, item.name, item.package) for item, number in zip(items, numbers, strict=True)]


def _assign(job: JobRow, grant: GrantRow, pairs: Sequence[tuple[int, int]], until: datetime, now: datetime) -> None:
    """Reserves the items for the grant, each with its attempt's number, in one statement."""
    adapt = connection.ops.adapt_datetimefield_value
    values = ", ".join(["(CAST(%s AS integer), CAST(%s AS bigint))"] * len(pairs))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE work SET attempt_id = v.column2, grant_id = %s, subjob = %s, reserved_until = %s, updated = %s "
            f"FROM (VALUES {values}) AS v WHERE work.job_id = %s AND work.pos = v.column1",
            [grant.pk, grant.idx, adapt(until), adapt(now), *(x for pair in pairs for x in pair), job.pk],
        )


def _run(job: JobRow, grant: GrantRow, items: Sequence[tuple[WorkRow, int]], *, now: datetime) -> None:
    """Reserved items whose process starts: they read running, and their attempts get rows."""
    if not items:
        return
    WorkRow.objects.filter(job_id=job.pk, pos__in=[item.pos for item, _ in items]).update(
        status=Status.RUNNING, started=now, updated=now, reserved_until=None, attempts=F("attempts") + 1
    )
    work.delta(job.pk, {Status.PENDING: -len(items), Status.RUNNING: len(items)})
    AttemptRow.objects.bulk_create(
        [_attempt(job, grant, number, item.pos, item.name, item.attempts + 1, started=now) for item, number in items],
        ignore_conflicts=True,
    )


def start(job: JobRow, grant: GrantRow, attempts: Iterable[int], *, now: datetime) -> None:
    """The worker says that these reserved attempts run now."""
    rows = WorkRow.objects.filter(job_id=job.pk, grant_id=grant.pk, attempt_id__in=list(attempts), status=Status.PENDING)
    items = list(locked(rows).order_by("pos"))
    _run(job, grant, [(item, item.attempt_id or 0) for item in items], now=now)


def _attempt(
    job: JobRow, grant: GrantRow, number: int, pos: int, frame: str, nth: int, *, started: datetime
) -> AttemptRow:
    return AttemptRow(
        id=number,
        job_id=job.pk,
        job_name=job.name,
        show=job.show,
        user=job.user,
        pos=pos,
        frame=frame,
        subjob=grant.idx,
        number=nth,
        grant_id=grant.pk,
        host_id=grant.host_id,
        host_name=grant.host_name,
        started=started,
    )


def _claim_unit(job: JobRow, grant: GrantRow, *, now: datetime) -> list[Frame]:
    """The subjob itself, once a grant: its attempt is kept in the subjob's row."""
    [number] = attempt_numbers(1)
    mine = SubjobRow.objects.filter(job_id=job.pk, idx=grant.idx, grant_id=grant.pk, attempt_id__isnull=True)
    if not mine.update(attempt_id=number, updated=now):
        return []
    nth = AttemptRow.objects.filter(job_id=job.pk, subjob=grant.idx, pos=UNIT).count() + 1
    _attempt(job, grant, number, UNIT, "", nth, started=now).save(force_insert=True)
    work.delta(job.pk, {})
    return [Frame(number, UNIT, "", None)]


def finish(job: JobRow, grant: GrantRow, reports: Sequence[Report], *, now: datetime) -> list[AttemptRow]:
    """Takes reports of one grant in: what still belongs to its attempt is turned, all is recorded. Answers the failed."""
    known = {row.pk: row for row in AttemptRow.objects.filter(pk__in=[report.attempt for report in reports])}
    fresh = [report for report in reports if report.attempt not in known or not known[report.attempt].reported]
    units = [report for report in fresh if report.pos == UNIT]
    frames = [report for report in fresh if report.pos != UNIT]
    endings = {report.attempt: _finish_unit(job, grant, report, now=now) for report in units}
    rows, turned = _finish_frames(job, frames, known, now=now)
    endings |= turned
    written = [_record(job, grant, report, known.get(report.attempt), rows, endings, now) for report in fresh]
    AttemptRow.objects.bulk_create(
        written, update_conflicts=True, unique_fields=["id"], update_fields=REPORTED, batch_size=500
    )
    return [row for row in written if row.ending == Ending.FAILED]


REPORTED = (
    "ended ending reported exit_code signal message seconds cpu max_rss out_from out_to err_from err_to".split()
)


def _finish_unit(job: JobRow, grant: GrantRow, report: Report, *, now: datetime) -> Ending:
    row = locked(SubjobRow.objects.filter(job_id=job.pk, idx=grant.idx, attempt_id=report.attempt)).first()
    if row is None or row.status not in PLACED:
        return Ending.LATE
    if report.reason == "ended":
        to, ending, retries = Status.PENDING, Ending.INTERRUPTED, row.retries
    elif report.good:
        to, ending, retries = Status.COMPLETE, Ending.COMPLETE, row.retries
    else:
        again = row.retries < job.retrysubjob
        to, ending, retries = Status.PENDING if again else Status.FAILED, Ending.FAILED, row.retries + again
    asked = row.asked if to == Status.PENDING else ""
    subjobs.turn(job.pk, [row], Status.of(asked) if asked else to, now=now, attempt_id=None, retries=retries)
    good = int(report.good)
    work.delta(job.pk, {}, timed=good, seconds=report.seconds * good)
    return ending


def _finish_frames(
    job: JobRow, reports: Sequence[Report], known: dict[int, AttemptRow], *, now: datetime
) -> tuple[dict[int, WorkRow], dict[int, Ending]]:
    """Turns the items whose attempt is still the one reported; answers the items by attempt and how each attempt ended."""
    found = locked(WorkRow.objects.filter(job_id=job.pk, pos__in=[report.pos for report in reports])).order_by("pos")
    items = {row.pos: row for row in found.only("pos", "name", "status", "retries", "attempts", "attempt_id", "seconds")}
    turns: list[tuple[WorkRow, Report, Status, int]] = []
    endings: dict[int, Ending] = {}
    for report in reports:
        item = items.get(report.pos)
        if item is None or not _counts(item, report, known.get(report.attempt)):
            endings[report.attempt] = Ending.LATE
            continue
        to, endings[report.attempt], retries = _outcome(job, item, report)
        turns.append((item, report, to, retries))
    _turn_many(job, turns, now)
    return {report.attempt: items[report.pos] for report in reports if report.pos in items}, endings


def _counts(item: WorkRow, report: Report, attempt: AttemptRow | None) -> bool:
    """The item still belongs to the attempt; or it was given up as lost, is back in the queue, and is done after all."""
    if item.attempt_id == report.attempt:
        return item.status not in DONE
    lost = attempt is not None and attempt.ending == Ending.LOST
    return lost and report.good and item.status == Status.PENDING and item.attempt_id is None


def _outcome(job: JobRow, item: WorkRow, report: Report) -> tuple[Status, Ending, int]:
    if report.good:
        return Status.COMPLETE, Ending.COMPLETE, item.retries
    if report.reason == "ended":
        return Status.PENDING, Ending.INTERRUPTED, item.retries
    if item.retries < job.retrywork:
        return Status.WAITING if job.retrywork_delay > 0 else Status.PENDING, Ending.FAILED, item.retries + 1
    return Status.FAILED, Ending.FAILED, item.retries


def _turn_many(job: JobRow, turns: Sequence[tuple[WorkRow, Report, Status, int]], now: datetime) -> None:
    """All these items to their new statuses in one statement, with one delta."""
    if not turns:
        return
    adapt = connection.ops.adapt_datetimefield_value
    wait = adapt(now + timedelta(seconds=max(0, job.retrywork_delay)))
    values = ", ".join(
        ["(CAST(%s AS integer), CAST(%s AS integer), CAST(%s AS integer), CAST(%s AS double precision), CAST(%s AS integer))"]
        * len(turns)
    )
    cells = [
        cell
        for item, report, to, retries in turns
        for cell in (item.pos, int(to), retries, report.seconds, int(item.status == Status.PENDING))
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE work SET status = v.column2, retries = v.column3, seconds = work.seconds + v.column4, "
            f"attempts = attempts + v.column5, attempt_id = NULL, grant_id = NULL, reserved_until = NULL, updated = %s, "
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
    work.delta(job.pk, moved, timed=len(done), seconds=sum(done))


def _time_type() -> str:
    return "timestamptz" if on_postgres() else "text"


def _record(
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
    row = old or _attempt(
        job, grant, report.attempt, report.pos, item.name if item else "", nth, started=now - timedelta(seconds=report.seconds)
    )
    ending = endings[report.attempt]
    if row.ended is None or ending == Ending.COMPLETE:
        row.ended, row.ending = now, ending
    row.reported = True
    row.exit_code, row.signal, row.message = report.exit_code, report.signal, report.message
    row.seconds, row.cpu, row.max_rss = report.seconds, report.cpu, report.rss
    (row.out_from, row.out_to), (row.err_from, row.err_to) = report.out, report.err
    return row


def close(grants: Sequence[GrantRow], ending: Ending, *, now: datetime) -> None:
    """The grants' processes are gone: what they held goes back, their subjobs leave the host, what they took is free."""
    for grant in sorted(grants, key=lambda row: (row.job_id, row.idx)):
        if not GrantRow.objects.filter(pk=grant.pk, ended__isnull=True).update(ended=now, ending=ending):
            continue
        rows = locked(SubjobRow.objects.filter(job_id=grant.job_id, idx=grant.idx, grant_id=grant.pk))
        for row in rows.filter(status__in=PLACED):
            _leave(row, ending, now)
        running = work.give_back(grant.job_id, [grant.pk], ending, now=now)
        if ending == Ending.LOST:
            _count_losses(grant, running, now)
        work.delta(grant.job_id, {})
        events.publish("job", [grant.job_id])


def _leave(row: SubjobRow, ending: Ending, now: datetime) -> None:
    """A subjob whose process is gone is pending again, or what it was asked to become; lost while suspended: blocked."""
    if row.attempt_id:
        AttemptRow.objects.filter(pk=row.attempt_id, ended__isnull=True).update(ended=now, ending=ending)
    to = Status.of(row.asked) if row.asked else Status.PENDING
    if row.status == Status.SUSPENDED and ending == Ending.LOST:
        to = Status.BLOCKED
        JobRow.objects.filter(pk=row.job_id).update(reason=f"{row.host_name} was lost while suspended: unblock to go on")
    subjobs.turn(row.job_id, [row], to, now=now, attempt_id=None)


def _count_losses(grant: GrantRow, running: Sequence[WorkRow], now: datetime) -> None:
    """An item that was lost with its host for the third time fails: it takes hosts down."""
    positions = [item.pos for item in running]
    rows = WorkRow.objects.filter(job_id=grant.job_id, pos__in=positions)
    rows.update(losses=F("losses") + 1)
    doomed = work.take(grant.job_id, frm=[Status.PENDING], where=Q(pos__in=positions, losses__gte=LOSSES))
    if doomed:
        work.fail(grant.job_id, doomed, now=now)
        _explain_losses(grant.job_id, doomed)


def _explain_losses(job: int, doomed: Sequence[WorkRow]) -> None:
    for item in doomed:
        attempts = AttemptRow.objects.filter(job_id=job, pos=item.pos, ending=Ending.LOST).order_by("-id")[:LOSSES]
        hosts = [row.host_name for row in attempts]
        AttemptRow.objects.filter(pk__in=[attempts[0].pk]).update(
            ending=Ending.FAILED, error_line=f"took down {', '.join(reversed(hosts))}", error_key="took down <hosts>"
        )


def over(grant: GrantRow, to: Status, *, now: datetime) -> None:
    """Nothing is left for the grant and no process of it runs: its subjob is *to*, its place is free."""
    rows = locked(SubjobRow.objects.filter(job_id=grant.job_id, idx=grant.idx, grant_id=grant.pk, status__in=PLACED))
    subjobs.turn(grant.job_id, list(rows), to, now=now)
    close([grant], Ending.COMPLETE, now=now)
