"""Bulk runs: a verb on many jobs or frames, as a record that survives whoever carries it out.

Targets are frozen at the start. Each slice is one transaction that acts and moves the run's cursor, so a run that is taken up again
after a kill goes on exactly where it was, and no item is done twice. It acts as its starter.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q

from qbcore import acting, archiving, events, history, spans, submission, verbs
from qbcore.errors import Invalid, NotFound, QubeError, Refused
from qbcore.models import JobRow, RunRow, RunTargetRow, WorkRow
from qbcore.permissions import may, need, visible_jobs
from qbcore.states import DONE, LIVE, Status
from qbcore.writing import clock, locked, on_postgres, writing

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)
YIELD = 0.02
FEW = 200
MOST_JOBS = 100_000
ANY = frozenset(Status)
JOB_FROM: dict[str, frozenset[Status]] = {
    "kill": LIVE,
    "retry": DONE,
    "requeue": DONE,
    "block": frozenset({Status.PENDING, Status.WAITING, Status.RUNNING}),
    "unblock": frozenset({Status.BLOCKED}),
    "suspend": frozenset({Status.RUNNING}),
    "resume": frozenset({Status.SUSPENDED}),
    "modify": LIVE,
    "remove": ANY,
    "archive": ANY,
}
WORDS = {
    "kill": "Kill", "retry": "Retry", "requeue": "Requeue, to blocked,", "block": "Block", "unblock": "Unblock",
    "suspend": "Suspend", "resume": "Resume", "modify": "Change", "remove": "Remove", "archive": "Archive as XML",
    "killwork": "Kill", "retrywork": "Retry", "requeuework": "Requeue, to blocked,", "blockwork": "Block",
    "unblockwork": "Unblock",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run is to act on: jobs, or frames of jobs narrowed by positions (ranges, one job) and statuses (words)."""

    jobs: tuple[int, ...]
    positions: str = ""
    statuses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One outcome of a preview: how many, in how many jobs, and the sentence."""

    outcome: str
    count: int
    jobs: int
    text: str


@dataclass(slots=True)
class Preview:
    """What a run would do now; nothing has been sent."""

    verb: str
    unit: str
    total: int
    will_change: int
    jobs: int
    title: str
    lines: list[Line] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def at(found: spans.Spans) -> Q:
    """A set of positions as a filter: ranges while they are few, else a list."""
    if len(found) > FEW or not found:
        return Q(pos__in=list(spans.positions(found)))
    return reduce(or_, (Q(pos__gte=first, pos__lte=last) for first, last in found))


def is_work(verb: str) -> bool:
    return verb in verbs.WORK_VERBS


def _check(verb: str, selection: Selection, params: Mapping[str, Any]) -> None:
    if not is_work(verb) and verb not in JOB_FROM:
        raise Invalid(f"{verb!r} is no action", field="verb", hint=f"Give one of {', '.join([*verbs.WORK_VERBS, *JOB_FROM])}.")
    if not selection.jobs:
        raise Invalid("nothing is selected", field="jobs", hint="Select jobs or frames first.")
    if len(selection.jobs) > MOST_JOBS:
        raise Invalid(f"a run takes at most {MOST_JOBS:,} jobs", field="jobs")
    if selection.positions and len(selection.jobs) > 1:
        raise Invalid("positions belong to one job", field="positions")
    if verb == "modify":
        submission.checked_changes(params)


def _acts_from(verb: str) -> frozenset[Status]:
    return verbs.WORK_VERBS[verb].frm if is_work(verb) else JOB_FROM[verb]


def _asked(selection: Selection) -> Q:
    """The selected frames of a job."""
    found = at(spans.parse(selection.positions)) if selection.positions else Q()
    if selection.statuses:
        found &= Q(status__in=[int(Status.of(word)) for word in selection.statuses])
    return found


def _selected(selection: Selection) -> list[JobRow]:
    rows = JobRow.objects.filter(visible_jobs(acting.current()), pk__in=selection.jobs)
    return list(rows.only("id", "name", "user", "status", "todo").order_by("pk"))


def preview(verb: str, selection: Selection, params: Mapping[str, Any] | None = None) -> Preview:
    """Counts, with the tables that the run itself acts by, what will change and what will not, and why."""
    _check(verb, selection, params or {})
    actor = acting.current()
    rows = _selected(selection)
    allowed = [row for row in rows if may(actor, verb, owner=row.user)]
    counts = _counts(verb, selection, allowed)
    frm = _acts_from(verb)
    total = sum(sum(found.values()) for found in counts.values())
    will = sum(count for found in counts.values() for status, count in found.items() if status in frm)
    unit = "frame" if is_work(verb) else "job"
    changing = sum(any(status in frm for status in found) for found in counts.values())
    title = _title(verb, will, unit, changing, params or {})
    found = Preview(verb=verb, unit=unit, total=total, will_change=will, jobs=changing, title=title)
    if will:
        found.lines.append(Line("done", will, changing, _becomes(verb, unit, will)))
    found.lines += _unchanged(counts, frm, unit)
    refused = len(rows) - len(allowed)
    if refused:
        owners = ", ".join(sorted({row.user for row in rows} - {row.user for row in allowed})[:3])
        found.lines.append(Line("refused", refused, refused, f"{refused:,} jobs of {owners} are not yours: ask an operator"))
    found.warnings += _warnings(verb, counts)
    return found


def _counts(verb: str, selection: Selection, rows: Sequence[JobRow]) -> dict[int, Counter[Status]]:
    """Per job, how many selected units stand in which status."""
    if not is_work(verb):
        return {row.pk: Counter({Status(row.status): 1}) for row in rows}
    found: dict[int, Counter[Status]] = {row.pk: Counter() for row in rows}
    work = WorkRow.objects.filter(_asked(selection), job_id__in=list(found)).values_list("job_id", "status").order_by()
    from_db = work.annotate(n=verbs.COUNT)
    for job, status, count in from_db:
        found[job][Status(status)] = count
    return found


def _plural(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'s' * (count != 1)}"


def _title(verb: str, will: int, unit: str, jobs: int, params: Mapping[str, Any]) -> str:
    inside = f" in {_plural(jobs, 'job')}" if unit == "frame" else ""
    changes = ", ".join(f"{key} to {value}" for key, value in params.items())
    return f"{WORDS[verb]} {changes + ' of ' if changes else ''}{_plural(will, unit)}{inside}"


def _becomes(verb: str, unit: str, count: int) -> str:
    to = verbs.WORK_VERBS[verb].to.word if is_work(verb) else {"archive": "archived", "modify": "changed"}.get(verb, "")
    to = to or (verbs.JOB_VERBS[verb].becomes if verb in verbs.JOB_VERBS else "removed")
    return f"{_plural(count, unit)} will be {to}"


def _unchanged(counts: Mapping[int, Counter[Status]], frm: frozenset[Status], unit: str) -> list[Line]:
    lines = []
    for status in Status:
        count = sum(found[status] for found in counts.values())
        if count and status not in frm:
            jobs = sum(bool(found[status]) for found in counts.values())
            lines.append(Line("unchanged", count, jobs, f"{_plural(count, unit)} will not change: {status.word} now"))
    return lines


def _warnings(verb: str, counts: Mapping[int, Counter[Status]]) -> list[str]:
    running = sum(found[Status.RUNNING] for found in counts.values())
    if verb in ("kill", "killwork") and running:
        return [f"{running:,} run right now: their processes end and what they rendered so far is lost. Kill has no undo."]
    if verb == "remove":
        return ["Jobs, frames and logs are deleted; history stays. Remove has no undo: archive first."]
    return []


@writing
def start(
    verb: str, selection: Selection, params: Mapping[str, Any] | None = None, *, why: str = "", source: str = ""
) -> int:
    """Freezes the targets and hands the run to Celery once this is committed; answers its id."""
    params = dict(params or {})
    _check(verb, selection, params)
    actor = acting.current()
    rows = _selected(selection)
    if len(rows) == 1:
        need(actor, verb, owner=rows[0].user)
    now = clock()
    run = RunRow.objects.create(
        verb=verb, params=params, user=actor.name, role=actor.role, why=why[:500], source=source[:500], created=now
    )
    targets = [_target(run, row, selection) for row in rows]
    RunTargetRow.objects.bulk_create(targets, batch_size=1000)
    run.total = sum(target.total for target in targets)
    unit = "frame" if is_work(verb) else "job"
    run.title = _title(verb, run.total, unit, len(targets), params)
    run.save(update_fields=["total", "title"])
    events.publish("run", [run.pk])
    pk = int(run.pk)
    transaction.on_commit(lambda: enqueue(pk), robust=True)
    return pk


def _target(run: RunRow, row: JobRow, selection: Selection) -> RunTargetRow:
    target = RunTargetRow(run_id=run.pk, job_id=row.pk, job_name=row.name, total=1)
    if is_work(run.verb):
        found = WorkRow.objects.filter(_asked(selection), job_id=row.pk).order_by("pos").values_list("pos", flat=True)
        positions = list(found)
        target.frames, target.total = spans.text(spans.of(positions)), len(positions)
    return target


_enqueue: list[Any] = []


def set_queue(send: Any) -> None:
    """Says how a run reaches Celery; `tasks` does, which is above this door."""
    _enqueue[:] = [send]


def enqueue(run: int) -> None:
    """Sends the run to Celery. A broker that does not answer delays it: housekeeping sends it again."""
    try:
        for send in _enqueue:
            send(run)
    except Exception as error:
        log.warning("run %s was not sent to the queue now: %s", run, error)


def waiting() -> list[int]:
    """Runs that nobody has taken up for ten seconds, or whose carrier is silent."""
    now = clock()
    nobody = Q(lease__isnull=True, created__lt=now - timedelta(seconds=10)) | Q(lease__lt=now)
    return list(RunRow.objects.filter(nobody, finished__isnull=True).values_list("pk", flat=True)[:100])


@writing
def cancel(run_id: int) -> None:
    """Stops the run after its current slice; what is done stays done."""
    actor = acting.current()
    run = locked(RunRow.objects.filter(pk=run_id)).first()
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if run.user != actor.name and not may(actor, "host"):
        raise Refused(f"{actor.name} may not cancel a run of {run.user}.", right="cancel it", holders=f"{run.user}, operators and admins")
    if run.finished is None:
        run.cancel = True
        run.save(update_fields=["cancel"])
        if run.lease is None or run.lease < clock():
            _finish(run, "cancelled")
    events.publish("run", [run_id])


def execute(run_id: int, owner: str) -> None:
    """Carries the run out, slice by slice, until it is done, cancelled, or somebody else has taken it over."""
    if not _take_up(run_id, owner):
        return
    while _slice(run_id, owner):
        if not on_postgres():
            time.sleep(YIELD)  # one writer at a time: let claims and reports in between


@writing
def _take_up(run_id: int, owner: str) -> bool:
    now = clock()
    free = Q(lease__isnull=True) | Q(lease__lt=now) | Q(owner=owner)
    rows = RunRow.objects.filter(free, pk=run_id, finished__isnull=True)
    taken = rows.update(owner=owner, lease=now + LEASE, state="running")
    RunRow.objects.filter(pk=run_id, started__isnull=True).update(started=now)
    events.publish("run", [run_id])
    return bool(taken)


@writing
def _slice(run_id: int, owner: str) -> bool:
    """One slice: acts and moves the cursor in one transaction. False when the run is over for this carrier."""
    run = locked(RunRow.objects.filter(pk=run_id, owner=owner, finished__isnull=True)).first()
    if run is None:
        return False
    if run.cancel:
        _finish(run, "cancelled")
        return False
    target = RunTargetRow.objects.filter(run_id=run.pk, outcome="todo").order_by("pk").first()
    if target is None:
        _finish(run, "done")
        return False
    actor = acting.Actor(run.user, run.role, run=run.pk, why=run.why)
    with acting.acting_as(actor):
        _step(run, target)
    run.lease = clock() + LEASE
    run.save()
    events.publish("run", [run.pk])
    return True


def _finish(run: RunRow, state: str) -> None:
    run.state, run.finished = state, clock()
    run.save()
    if state == "cancelled":
        RunTargetRow.objects.filter(run_id=run.pk, outcome="todo").update(outcome="cancelled")
    events.publish("run", [run.pk])


def _step(run: RunRow, target: RunTargetRow) -> None:
    """One slice of one job. A refusal or an error belongs to this job alone: the run goes on with the next."""
    try:
        with transaction.atomic():
            if is_work(run.verb):
                _step_work(run, target)
            else:
                _step_job(run, target)
    except QubeError as wrong:
        left = target.total - _positions_done(target)
        target.outcome = "refused" if isinstance(wrong, Refused) else "error"
        target.message = str(wrong)[:400]
        run.done += left
        if target.outcome == "refused":
            run.refused += left
        else:
            run.errors += left
        target.save()


def _positions_done(target: RunTargetRow) -> int:
    return sum(1 for pos in spans.positions(spans.parse(target.frames)) if pos <= target.after) if target.frames else 0


def _step_work(run: RunRow, target: RunTargetRow) -> None:
    left = [pos for pos in spans.positions(spans.parse(target.frames)) if pos > target.after]
    part = left[: settings.FARM_SLICE]
    items = verbs.act_on_work(run.verb, target.job_id, at(spans.of(part)), record=False) if part else []
    target.changed += len(items)
    target.undo = [*target.undo, *_undo(items)]
    target.after = part[-1] if part else target.after
    run.done += len(part)
    run.changed += len(items)
    run.unchanged += len(part) - len(items)
    if len(part) == len(left):
        _end_target(run, target)
    target.save()


def _undo(items: Sequence[WorkRow]) -> list[list[Any]]:
    """What stood there before, as [status, retries, ranges]."""
    groups: dict[tuple[int, int], list[int]] = {}
    for item in items:
        groups.setdefault((item.status, item.retries), []).append(item.pos)
    return [[status, retries, spans.text(spans.of(positions))] for (status, retries), positions in groups.items()]


def _end_target(run: RunRow, target: RunTargetRow) -> None:
    target.outcome = "done" if target.changed else "unchanged"
    if target.changed:
        verb = verbs.WORK_VERBS[run.verb]
        effect = f"{_plural(target.changed, 'frame')} {verb.to.word}"
        frames = spans.text([span for line in target.undo for span in spans.parse(line[2])])
        history.record(run.verb, now=clock(), job=target.job_id, frames=f"positions {frames}"[:400], effect=effect)
        target.message = effect


def _step_job(run: RunRow, target: RunTargetRow) -> None:
    changed, message = _act(run, target.job_id)
    target.outcome, target.changed, target.message = ("done" if changed else "unchanged"), int(changed), message
    run.done += 1
    run.changed += int(changed)
    run.unchanged += int(not changed)
    target.save()


def _act(run: RunRow, job_id: int) -> tuple[bool, str]:
    if run.verb == "archive":
        row = archiving.archive(job_id)
        return row is not None, f"{row.size:,} bytes" if row else "there is no such job"
    if run.verb == "remove":
        return verbs.remove_job(job_id), ""
    if run.verb == "modify":
        old = submission.modify_job(job_id, submission.checked_changes(run.params))
        said = ", ".join(f"{key} was {value}" for key, value in (old or {}).items())
        return old is not None, said if old is not None else "the job is over"
    changed = verbs.act_on_job(run.verb, job_id)
    return bool(changed), f"{_plural(len(changed), 'subjob')} changed" if changed else "its status does not allow it"


def state(run_id: int) -> dict[str, Any]:
    """The run's record and its targets, problems first; raises NotFound."""
    row = RunRow.objects.filter(pk=run_id).values().first()
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    targets = RunTargetRow.objects.filter(run_id=run_id).order_by("pk")[:1000]
    return {**row, "targets": list(targets.values("job_id", "job_name", "total", "outcome", "changed", "message", "after"))}
