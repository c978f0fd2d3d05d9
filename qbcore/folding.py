"""Tallies and job status: deltas are folded into the job row, and what follows from that is decided once.

The fold is one transaction under the job row's lock: add the deltas, count the subjobs, complete or revive subjobs,
decide the status, write history, let dependents go. Whoever raises the number of live items of a job holds the same
lock, so a fold that sees none left is right. Reports do not take it; their delta leads to the next fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Exists, Min

from qbcore import acting, callbacks, events, filling, history, links
from qbcore.callbacks import News
from qbcore.constants import FLAGS
from qbcore.control import flights, marks, subjobs, whole, work
from qbcore.control.marks import Turn
from qbcore.errands import TICK, Errands
from qbcore.jobspec import is_own_unit, loops
from qbcore.models import DeltaRow, JobRow, SubjobRow, Watch
from qbcore.states import DONE, LIVE, Hold, Status, rollup, total
from qbcore.writing import clock, locked, writing

LOOKS = 5
WORDS = tuple(status.word for status in Status)
FOLDED = [
    *(f"{kind}_{word}" for kind in "ns" for word in WORDS),
    *("timed", "seconds", "status", "held", "reason", "timestart", "timecomplete", "updated"),
]
DRAIN = f"DELETE FROM delta WHERE job_id = %s RETURNING {', '.join(('id', *WORDS, 'timed', 'seconds', 'turned'))}"


def begin(job: JobRow, *, blocked: int, over: bool, now: datetime) -> None:
    """The tallies and the status of a job that is not stored yet; *over*: there is nothing to do."""
    job.n_blocked, job.n_pending = blocked, job.todo - blocked
    first = Status.COMPLETE if over else subjobs.first_status(job)
    setattr(job, f"s_{first.word}", job.cpus)
    _decide(job, now)


def began(job: JobRow, now: datetime) -> None:
    """What follows from the status with which a job was stored."""
    if job.status in DONE:
        _passed(job, Status.PENDING, now)


@writing
def fold(job_id: int, *, wait: bool = True) -> JobRow | None:
    """Folds one job; with *wait* off it leaves one that somebody else is folding. None when there is nothing to do."""
    job = locked(JobRow.objects.filter(pk=job_id), skip=not wait).first()
    return settle(job) if job else None


def settle(job: JobRow) -> JobRow:
    """As fold, for a job whose row the caller has locked; writes its held and reason too."""
    news: News = []
    _settle(job, news)
    callbacks.hear(news)
    return job


def _settle(job: JobRow, news: News) -> None:
    """One job; what callbacks listen to is collected, so that their rows are locked after those of all jobs."""
    now = clock()
    turned = _weigh(job, now)
    turns = marks.parse(turned) if job.watched else []
    before = Status(job.status)
    _decide(job, now)
    job.updated = now
    job.save(update_fields=FOLDED)
    events.publish("job", [job.pk])
    if before != job.status:
        _passed(job, before, now)
    if job.watched:
        news.append(callbacks.Fold(job, before, turns))
        _tell_dependents(job, before, turns, now, news)


def _weigh(job: JobRow, now: datetime) -> list[str]:
    """Counts and balances until nothing is left to balance; answers which items and subjobs have turned.

    A report may commit between the reading of the deltas and that of the subjobs, so what is done on the first look (a
    subjob comes back for work that is over by now) has to be looked at again.
    """
    turned = _drain(job)
    for _ in range(LOOKS):
        balanced = not _balance(job, now)
        if not _stop(job, now) and balanced:
            return turned
        turned += _drain(job)
    work.delta(job.pk, {})
    return turned


def _drain(job: JobRow) -> list[str]:
    """Adds the deltas, each exactly once, and counts the subjobs; answers what the deltas say has turned."""
    with connection.cursor() as cursor:
        cursor.execute(DRAIN, [job.pk])
        rows = sorted(cursor.fetchall())
    for number, word in enumerate(WORDS, start=1):
        name = f"n_{word}"
        setattr(job, name, getattr(job, name) + sum(row[number] for row in rows))
    job.timed += sum(row[-3] for row in rows)
    job.seconds += sum(row[-2] for row in rows)
    counted = dict(SubjobRow.objects.filter(job_id=job.pk).values_list("status").annotate(n=Count("idx")).order_by())
    for status in Status:
        setattr(job, f"s_{status.word}", counted.get(status, 0))
    return [row[-1] for row in rows if row[-1]]


def work_tally(job: JobRow) -> dict[Status, int]:
    return {status: getattr(job, f"n_{status.word}") for status in Status}


def subjob_tally(job: JobRow) -> dict[Status, int]:
    return {status: getattr(job, f"s_{status.word}") for status in Status}


def _live(tally: Mapping[Status, int]) -> int:
    return sum(tally[status] for status in LIVE)


def _balance(job: JobRow, now: datetime) -> bool:
    """No live work: waiting subjobs are complete. Live work without a live subjob: one comes back, or it is over.

    Answers whether anything had to be changed.
    """
    if is_own_unit(job.prototype, job.todo):
        return False
    alive_work, tally = _live(work_tally(job)), subjob_tally(job)
    if not alive_work:
        return _rest(job, tally, now)
    if tally[Status.WAITING]:
        subjobs.turn(job.pk, subjobs.take(job.pk, frm=[Status.WAITING]), subjobs.first_status(job), now=now)
        return True
    given_up = tally[Status.FAILED] + tally[Status.KILLED]
    if _come_back(job, alive_work, given_up, now):
        return True
    if _live(tally) or not given_up:
        return False
    filling.complete(job)
    if tally[Status.FAILED]:
        job.reason = "no subjob left"
        return whole.fail(job, now=now)
    return whole.kill(job, now=now)


def _rest(job: JobRow, tally: Mapping[Status, int], now: datetime) -> bool:
    """Nothing is left to do: subjobs that wait are complete, or wait for more, with the flag disable_auto_complete."""
    stays = job.flags & FLAGS["disable_auto_complete"]
    frm = {Status.PENDING, Status.SUSPENDED} if stays else LIVE - {Status.RUNNING}
    idle = subjobs.take(job.pk, frm=frm) if any(tally[status] for status in frm) else []
    if idle and job.postflights:
        owing = flights.owing(job)
        idle = [row for row in idle if row.idx not in owing]
    subjobs.turn(job.pk, idle, Status.WAITING if stays else Status.COMPLETE, now=now)
    return bool(idle)


def _come_back(job: JobRow, alive_work: int, given_up: int, now: datetime) -> bool:
    """Complete subjobs for live work that too few live subjobs are there for; retired ones only when all others failed
    to be there.
    """
    tally = subjob_tally(job)
    usable, alive = total(tally) - given_up, _live(tally)
    if not tally[Status.COMPLETE] or min(job.cpus, usable, alive_work) <= alive:
        return False
    retired = SubjobRow.objects.filter(job_id=job.pk, status=Status.COMPLETE).exclude(asked="").count()
    missing = min(job.cpus - retired, usable - retired, alive_work) - alive
    if subjobs.revive(job, missing, now=now, frm=[Status.COMPLETE], retired=False):
        return True
    if alive or given_up:
        return False
    return subjobs.revive(job, min(job.cpus, usable, alive_work), now=now, frm=[Status.COMPLETE]) > 0


def _stop(job: JobRow, now: datetime) -> bool:
    """A job that the farm itself holds starts nothing more; other holds block subjobs where they are set."""
    pending = subjobs.take(job.pk, frm=[Status.PENDING]) if job.held & Hold.FARM else []
    subjobs.turn(job.pk, pending, Status.BLOCKED, now=now)
    return bool(pending)


def _decide(job: JobRow, now: datetime) -> None:
    rolled = rollup(subjobs=subjob_tally(job), work=work_tally(job), held=bool(job.held))
    job.status = rolled.status
    if job.timestart is None and (rolled.status == Status.RUNNING or rolled.status in DONE):
        job.timestart = SubjobRow.objects.filter(job_id=job.pk).aggregate(first=Min("timestart"))["first"]
    if rolled.status in DONE:
        job.timecomplete = job.timecomplete or now
        job.held = Hold.NONE
    else:
        job.timecomplete = None


def _passed(job: JobRow, before: Status, now: datetime) -> None:
    """What a change of the job's status leads to: a line in its history, and a mail where that is wanted."""
    status = Status(job.status)
    if status in DONE:
        with acting.acting_as(acting.FARM):
            history.record(status.word, now=now, job=job.pk, effect=_outcome(job))
        links.forget(job)
        if before not in DONE and job.flags & FLAGS["mail"]:
            callbacks.mail_status(job, now)


def _outcome(job: JobRow) -> str:
    counts = [
        (word, getattr(job, f"n_{word}" if job.todo else f"s_{word}")) for word in ("complete", "failed", "killed")
    ]
    unit = "frames" if job.todo else "subjobs"
    return ", ".join(f"{count:,} {word}" for word, count in counts if count) + f" of {job.todo or job.cpus:,} {unit}"


def _tell_dependents(job: JobRow, before: Status, turns: Sequence[Turn], now: datetime, news: News) -> None:
    """Jobs and items that wait for this job, its items or its subjobs are looked at again, where they may be met."""
    status = Status(job.status)
    ended = status != before and (status in DONE or before in DONE)
    told = links.turned(job.pk, turns) if turns and job.watched & (Watch.WORK | Watch.SUBJOBS) else {}
    if ended:
        for child, positions in links.passed(job.pk, status).items():
            told.setdefault(child, set()).update(positions)
    for child in sorted(told):
        _look_again(child, told[child], now, news)


def _look_again(child_id: int, positions: set[int], now: datetime, news: News) -> None:
    child = locked(JobRow.objects.filter(pk=child_id)).first()
    if child is None or child.status in DONE:
        return
    links.let_go(child, positions, now)
    if loops(child.prototype, child.todo):  # its programs may have ended because only blocked items were left
        subjobs.lift(child, Hold.NONE, now=now)
    if child.held & Hold.DEPENDENCY and links.ITSELF in positions and links.met(child):
        subjobs.lift(child, Hold.SUBMIT | Hold.DEPENDENCY, now=now)
    if links.ITSELF in positions or not links.waits(child):
        links.explain(child)
    _settle(child, news)


def sweep() -> int:
    """Folds every job that has deltas and that nobody else is folding; answers how many."""
    found = list(DeltaRow.objects.values_list("job_id", flat=True).distinct())
    for job_id in found:
        if fold(job_id, wait=False) is None:
            _forget_orphans(job_id)
    return len(found)


@writing
def _forget_orphans(job_id: int) -> None:
    """Deltas of a job that was removed meanwhile are nobody's."""
    if not JobRow.objects.filter(pk=job_id).exists():
        DeltaRow.objects.filter(job_id=job_id).delete()


def _fold_now(job_id: int) -> None:
    """However many processes are told of a job, it is folded about once a tick; who comes too soon comes again."""
    told = JobRow.objects.filter(Exists(DeltaRow.objects.filter(job_id=job_id)), pk=job_id)
    updated = told.values_list("updated", flat=True).first()
    if updated is None:
        return  # somebody else has folded what this process was told of, or the job was removed
    if clock() - updated < timedelta(seconds=TICK) or fold(job_id, wait=False) is None:
        folder.add(job_id)


folder = Errands("folder", _fold_now)
soon = folder.soon
"""Asks for a fold of the job once this transaction is committed: at most one a tick and job in this process."""
