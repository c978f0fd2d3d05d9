"""Bulk runs are started, carried out slice by slice, and cancelled."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Q, When

from qbcore import acting, events, history, spans, submission, verbs
from qbcore.control.work import Groups
from qbcore.errors import Invalid, NotFound, QubeError, Refused
from qbcore.models import JobRow, RunRow, RunTargetRow, UndoRow, WorkRow
from qbcore.permissions import may, need
from qbcore.positions import at, runs_of
from qbcore.runs.ahead import Ahead, asker, prepare, recorded
from qbcore.runs.preview import Selection, asked, check, is_work, plural, selected, title
from qbcore.writing import AWAY, clock, locked, on_postgres, writing

log = logging.getLogger(__name__)
LEASE = timedelta(seconds=30)
YIELD = 0.005
COUNTED = ("done", "changed", "unchanged", "refused", "errors")
MOVED = ("after", "changed", "outcome", "message")
"""What a slice writes of its run and of its target: never the frames again, which may be a long text."""


@writing
def start(
    verb: str, selection: Selection, params: Mapping[str, Any] | None = None, *, why: str = "", source: str = ""
) -> int:
    """Freezes the targets and hands the run to Celery once this is committed; answers its id."""
    params = dict(params or {})
    check(verb, selection, params)
    if verb == "modify" and not params:
        raise Invalid("nothing is to be changed", field="params", hint="Give a parameter and its new value.")
    actor = acting.current()
    rows = selected(selection)
    if len(rows) == 1:
        need(actor, verb, owner=rows[0].user)
    if not rows:
        raise Invalid("none of the selected jobs is there any more", field="jobs", hint="Select jobs or frames again.")
    now = clock()
    run = RunRow.objects.create(
        verb=verb, params=params, user=actor.name, role=actor.role, why=why[:500], source=source[:500], created=now
    )
    targets = [target for row in rows if (target := _target(run, row, selection)).total]
    if not targets:
        raise Invalid("no frame fits the selection", field="statuses", hint="Select other frames.")
    RunTargetRow.objects.bulk_create(targets, batch_size=1000)
    run.total = sum(target.total for target in targets)
    unit = "frame" if is_work(verb) else "job"
    run.title = title(verb, run.total, unit, len(targets), params)
    run.save(update_fields=["total", "title"])
    events.publish("run", [run.pk])
    pk = int(run.pk)
    transaction.on_commit(lambda: enqueue(pk), robust=True)
    return pk


def _target(run: RunRow, row: JobRow, selection: Selection) -> RunTargetRow:
    target = RunTargetRow(run_id=run.pk, job_id=row.pk, job_name=row.name, total=1)
    if is_work(run.verb):
        found = runs_of(WorkRow.objects.filter(asked(selection), job_id=row.pk))
        target.frames, target.total = spans.text(found), spans.size(found)
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
        raise Refused(
            f"{actor.name} may not cancel a run of {run.user}.",
            right="cancel it",
            holders=f"{run.user}, operators and admins",
        )
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
    while _slice(run_id, owner, prepare(run_id, lambda: _prolong(run_id, owner))):
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
def _prolong(run_id: int, owner: str) -> None:
    RunRow.objects.filter(pk=run_id, owner=owner, finished__isnull=True).update(lease=clock() + LEASE)


@writing
def _slice(run_id: int, owner: str, ahead: Ahead) -> bool:
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
    with acting.acting_as(asker(run)):
        _step(run, target, ahead)
    run.lease = clock() + LEASE
    run.save(update_fields=[*COUNTED, "lease"])
    events.publish("run", [run.pk])
    return True


def _finish(run: RunRow, state: str) -> None:
    run.state, run.finished = state, clock()
    run.save()
    if state == "cancelled":
        RunTargetRow.objects.filter(run_id=run.pk, outcome="todo").update(outcome="cancelled")
    events.publish("run", [run.pk])


def _step(run: RunRow, target: RunTargetRow, ahead: Ahead) -> None:
    """One slice of one job. A refusal or an error belongs to this job alone: the run goes on with the next."""
    try:
        with transaction.atomic():
            if is_work(run.verb):
                _step_work(run, target)
            else:
                _step_job(run, target, ahead)
    except AWAY:
        raise  # a deadlock or a lost connection: `writing` repeats the slice, or another carrier does
    except QubeError as wrong:
        _give_up(run, target, str(wrong), refused=isinstance(wrong, Refused))
    except Exception:
        log.exception("run %s failed on job %s", run.pk, target.job_id)
        _give_up(run, target, "the farm failed here; its log says why", refused=False)


def _give_up(run: RunRow, target: RunTargetRow, why: str, *, refused: bool) -> None:
    """What is left of the target stays as it is."""
    left = spans.size(_left(target)) if target.frames else 1
    target.outcome, target.message = ("refused" if refused else "error"), why[:400]
    run.done += left
    run.refused += left if refused else 0
    run.errors += 0 if refused else left
    target.save(update_fields=MOVED)


def _left(target: RunTargetRow) -> spans.Spans:
    return spans.after(_frozen(target.frames), target.after)


@lru_cache(maxsize=2)
def _frozen(frames: str) -> spans.Spans:
    """Parsed once for all slices of a target."""
    return spans.parse(frames)


def _step_work(run: RunRow, target: RunTargetRow) -> None:
    part, *more = islice(spans.slices(_left(target), settings.FARM_SLICE), 2)
    count = spans.size(part)
    stood = verbs.act_on_part(run.verb, target.job_id, part)
    changed = sum(map(spans.size, stood.values()))
    target.changed += changed
    UndoRow.objects.bulk_create(_undo(run, target, stood), batch_size=500)
    target.after = part[-1][-1]
    run.done += count
    run.changed += changed
    run.unchanged += count - changed
    if not more:
        _end_target(run, target)
    target.save(update_fields=MOVED)


def _undo(run: RunRow, target: RunTargetRow, stood: Groups) -> list[UndoRow]:
    """What stood there before."""
    return [
        UndoRow(run_id=run.pk, job_id=target.job_id, stood=status, retries=retries, frames=spans.text(some))
        for (status, retries), some in stood.items()
    ]


def _end_target(run: RunRow, target: RunTargetRow) -> None:
    target.outcome = "done" if target.changed else "unchanged"
    if target.changed:
        verb = verbs.WORK_VERBS[run.verb]
        effect = f"{plural(target.changed, 'frame')} {verb.to.word}"
        history.record(run.verb, now=clock(), job=target.job_id, frames=_changed_names(target), effect=effect)
        target.message = effect


def _changed_names(target: RunTargetRow) -> str:
    rows = UndoRow.objects.filter(run_id=target.run_id, job_id=target.job_id)
    texts = list(rows.values_list("frames", flat=True))
    items = WorkRow.objects.filter(job_id=target.job_id).order_by("pos").only("job_id", "pos", "name")
    if target.changed > verbs.NAMED_IN_HISTORY:
        ends = [min(map(spans.first, texts)), max(map(spans.last, texts))]
        return " … ".join(item.name for item in items.filter(pos__in=ends))
    return verbs.names_of(list(items.filter(at(spans.parse(",".join(texts))))))


def _step_job(run: RunRow, target: RunTargetRow, ahead: Ahead) -> None:
    changed, message = _act(run, target.job_id, ahead)
    target.outcome, target.changed, target.message = ("done" if changed else "unchanged"), int(changed), message
    run.done += 1
    run.changed += int(changed)
    run.unchanged += int(not changed)
    target.save(update_fields=MOVED)


def _act(run: RunRow, job_id: int, ahead: Ahead) -> tuple[bool, str]:
    if run.verb == "archive":
        return recorded(ahead, job_id)
    if run.verb == "remove":
        return verbs.remove_job(job_id), ""
    if run.verb == "modify":
        old = submission.modify_job(job_id, submission.checked_changes(run.params))
        said = ", ".join(f"{key} was {value}" for key, value in (old or {}).items())
        return old is not None, said if old is not None else "the job is over"
    changed = verbs.act_on_job(run.verb, job_id)
    return bool(changed), f"{plural(len(changed), 'subjob')} changed" if changed else "its status does not allow it"


def state(run_id: int) -> dict[str, Any]:
    """The run's record and its targets, problems first; raises NotFound."""
    row = RunRow.objects.filter(pk=run_id).values().first()
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    problems = Case(When(outcome__in=["error", "refused"], then=0), default=1)
    targets = RunTargetRow.objects.filter(run_id=run_id).order_by(problems, "pk")[:1000]
    return {
        **row,
        "targets": list(targets.values("job_id", "job_name", "total", "outcome", "changed", "message", "after")),
    }
