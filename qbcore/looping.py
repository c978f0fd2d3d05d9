"""What the program of a custom job type asks of the farm with its attempt's token: its job, its items, its end.

Its subjob's row is the lock: of two calls of one program the second finds what the first did, so a call that is
repeated because its answer was lost gives the same item again and ends none twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import JSONField, Q, Value

from qbcore import acting, events, folding, thumbnails, views, wrangling
from qbcore.control import loops, work
from qbcore.control.attempts import Report
from qbcore.control.flights import UNIT
from qbcore.control.loops import Sizes
from qbcore.errors import Invalid, Refused
from qbcore.models import AttemptRow, GrantRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.objects import Job, Work
from qbcore.queries import jobinfo, work_object
from qbcore.remote.wire import dumps, loads_storable
from qbcore.states import PLACED, Ending, Status
from qbcore.writing import clock, locked, writing

ENDS = (Status.COMPLETE, Status.FAILED, Status.KILLED, Status.PENDING)
"""What a program may say of an item; of its subjob it may also say blocked."""
JSON_NULL = Value(None, JSONField())


def jobobj() -> Job:
    """The job of the asking process."""
    actor = acting.current()
    found = jobinfo(id=actor.job) if actor.role == "attempt" and actor.job else []
    if not found:
        raise _refusal("jobobj")
    return found[0]


def requestwork(written: Mapping[str, Any] | None = None) -> Work:
    """The item that the program has or gets; its status says how to go on when there is none."""
    return _request(_program("requestwork"), _sizes(written))


def reportwork(work: Mapping[str, Any], written: Mapping[str, Any] | None = None) -> Work:
    """Ends the item if it is still the program's; answers it as the farm has it then."""
    attempt = _program("reportwork")
    if not isinstance(work, Mapping):
        raise Invalid(f"give the item that requestwork gave, not a {type(work).__name__}", field="work")
    pos = work.get("id")
    if isinstance(pos, bool) or not isinstance(pos, int) or not -1 <= pos < 2**31:
        raise Invalid(f"{pos!r} is no item of this job", field="work.id", hint="Give the item that requestwork gave.")
    becomes = _status(work.get("status"), "work.status", ENDS)
    told, watched = _report(attempt, pos, becomes, work.get("attempt"), _result(work), _sizes(written))
    if watched is not None:
        _note(watched)
    return told


def reportjob(status: Any) -> bool:
    """Notes what the subjob becomes when its process ends; whether it is still placed."""
    attempt = _program("reportjob")
    becomes = _status(status, "status", (*ENDS, Status.BLOCKED))
    found = SubjobRow.objects.filter(job_id=attempt.job_id, idx=attempt.subjob, attempt_id=attempt.pk)
    return found.filter(status__in=PLACED).update(told=becomes.word) > 0


def end_overdue() -> int:
    """Stops programs whose item ran longer than the job's agenda_timelimit; answers how many items."""
    late = _overdue(clock()).values_list("job_id", "grant_id").distinct()
    return sum(_end_overdue(job, grant) for job, grant in sorted(late))


def _overdue(now: datetime) -> Any:
    return WorkRow.objects.filter(grant_id__isnull=False, status=Status.RUNNING, reserved_until__lt=now)


@writing
def _end_overdue(job_id: int, grant: int) -> int:
    now = clock()
    job = JobRow.objects.filter(pk=job_id).first()
    if job is None:
        return 0
    loops.holders(job, Q(grant_id=grant))
    items = work.take(job_id, frm=[Status.RUNNING], where=Q(grant_id=grant, reserved_until__lt=now))
    for item in WorkRow.objects.filter(job_id=job_id, pos__in=[one.pos for one in items]).order_by("pos"):
        message = f"ran longer than its agenda_timelimit of {job.agenda_timelimit} s"
        loops.end(job, item, Status.FAILED, now=now, written={}, message=message)
    loops.stop(job, items, now=now)
    _tell(job_id)
    return len(items)


def _own_attempt(what: str) -> AttemptRow:
    """The attempt whose token asks."""
    actor = acting.current()
    row = AttemptRow.objects.filter(pk=actor.attempt).first() if actor.role == "attempt" and actor.attempt else None
    if row is None:
        raise _refusal(what)
    return row


def _refusal(what: str) -> Refused:
    sentence = f"{what} is for the process of a job, which has the token of its attempt"
    return Refused(sentence, right=what, holders="processes that a worker started")


def _program(what: str) -> AttemptRow:
    """The attempt of a subjob's own process."""
    row = _own_attempt(what)
    if row.pos != UNIT or row.frame:
        given = f"frame {row.frame}" if row.pos != UNIT else f"a {row.frame.split()[0]}"
        raise Refused(
            f"{what} is for the process of a subjob; this one is {given}, which the worker reports by its exit code",
            right=what,
            holders="programs of custom job types",
        )
    return row


def _status(given: Any, field: str, known: tuple[Status, ...]) -> Status:
    try:
        found = Status.of(given if isinstance(given, int) and not isinstance(given, bool) else str(given))
    except ValueError:
        found = Status.RUNNING
    if found not in known:
        words = ", ".join(status.word for status in known)
        raise Invalid(f"{given!r} is not how it ended", field=field, hint=f"Set it to one of {words} first.")
    return found


def _result(work: Mapping[str, Any]) -> Any:
    """What the item is to keep: any JSON value; nothing when the program set none."""
    value = work.get("resultpackage", {})
    if value is None:
        return JSON_NULL
    try:
        return loads_storable(dumps(value))
    except Invalid as wrong:
        wrong.field = "work.resultpackage"
        raise


def _sizes(given: Mapping[str, Any] | None) -> Sizes:
    """How long the program's logs are, in bytes, as far as it can say."""
    if given is not None and not isinstance(given, Mapping):
        raise Invalid(f"written must be a dictionary, not {type(given).__name__}", field="written")
    sizes = {key: (given or {}).get(key) for key in ("out", "err")}
    found = {key: size for key, size in sizes.items() if size is not None}
    if any(isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**62 for size in found.values()):
        raise Invalid("written names numbers of bytes", field="written", hint='Give {"out": 0, "err": 0}.')
    return found


@writing
def _request(attempt: AttemptRow, written: Sizes) -> Work:
    now = clock()
    subjob, job = _placed(attempt), JobRow.objects.filter(pk=attempt.job_id).first()
    if subjob is None or job is None:
        return _nothing(attempt, _left_as(attempt))
    grant = GrantRow.objects.get(pk=attempt.grant_id)
    item = loops.held(grant.pk)
    if item is not None:
        return _item(item, attempt, status="running")
    if subjob.asked:
        return _nothing(attempt, Status.PENDING)
    shun = views.shuns(job, grant.host_id, now)
    running = subjob.status == Status.RUNNING
    item = loops.give(job, grant, now=now, written=written, shun=shun) if running else None
    if item is None and running and shun is not None:
        return _nothing(attempt, Status.PENDING)  # what is left is for another host, and this place for others
    if item is None:
        return _nothing(attempt, _why_none(job, subjob))
    _tell(job.pk)
    return _item(item, attempt)


def _placed(attempt: AttemptRow) -> SubjobRow | None:
    """The program's subjob, locked; None when it has lost its place."""
    rows = SubjobRow.objects.filter(job_id=attempt.job_id, idx=attempt.subjob, attempt_id=attempt.pk)
    return locked(rows.filter(status__in=PLACED)).first()


def _left_as(attempt: AttemptRow) -> Status:
    """Why the program has no place any more: killed, or only moved away."""
    killed = SubjobRow.objects.filter(job_id=attempt.job_id, idx=attempt.subjob, status=Status.KILLED)
    gone = not JobRow.objects.filter(pk=attempt.job_id).exists()
    return Status.KILLED if gone or killed.exists() else Status.PENDING


def _why_none(job: JobRow, subjob: SubjobRow) -> Status:
    """Why there is no item now. One that somebody else is just about to take counts as waiting."""
    items = WorkRow.objects.filter(job_id=job.pk)
    later = [Status.PENDING, Status.WAITING]
    if job.unfilled or subjob.status != Status.RUNNING or items.filter(status__in=later).exists():
        return Status.WAITING
    return Status.BLOCKED if items.filter(status=Status.BLOCKED).exists() else Status.COMPLETE


def _nothing(attempt: AttemptRow, status: Status) -> Work:
    none = work_object(WorkRow(job_id=attempt.job_id, pos=-1, name=""), {})
    return Work({**none, "status": status.word, "subid": attempt.subjob, "host": attempt.host_name})


def _item(row: WorkRow, attempt: AttemptRow, **also: Any) -> Work:
    found = work_object(row, {(row.job_id, row.subjob): attempt.host_name})
    return Work({**found, "attempt": row.attempt_id, **also})


@writing
def _report(
    attempt: AttemptRow, pos: int, becomes: Status, number: Any, result: Any, written: Sizes
) -> tuple[Work, AttemptRow | None]:
    """The item as it is then, and its attempt if somebody watches how hosts do with the job."""
    now = clock()
    subjob, job = _placed(attempt), JobRow.objects.filter(pk=attempt.job_id).first()
    rows = WorkRow.objects.filter(job_id=attempt.job_id, pos=pos)
    item = locked(rows).first()
    if item is None:
        return _nothing(attempt, _left_as(attempt) if subjob is None else Status.COMPLETE), None
    mine = item.grant_id == attempt.grant_id and item.status in PLACED and number in (None, item.attempt_id)
    watched = None
    if job is not None and subjob is not None and mine:
        ended = loops.end(job, item, becomes, now=now, written=written, result=result)
        watched = ended if wrangling.watches(job) else None
        if ended is not None and becomes == Status.COMPLETE:
            thumbnails.note(attempt.pk, ended.pk, result)
        _tell(job.pk)
    return _item(rows.get(), attempt), watched


@writing
def _note(row: AttemptRow) -> None:
    """Counts how the host did with the job; in a transaction of its own, since hosts are locked first."""
    host = locked(HostRow.objects.filter(pk=row.host_id)).first()
    job = JobRow.objects.filter(pk=row.job_id).first()
    if host is None or job is None or row.ending not in (Ending.COMPLETE, Ending.FAILED):
        return
    failed = row.ending == Ending.FAILED
    report = Report(attempt=row.pk, pos=row.pos, exit_code=int(failed))
    wrangling.note(host, job, [report], {row.pk} if failed else (), clock())


def _tell(job: int) -> None:
    folding.soon(job)
    events.publish("work", [job])
