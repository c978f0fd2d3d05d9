"""The codes of the language qube: what a firing does to its callback's own job, to its item or to its subjob."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from qbcore import events, filling, folding, history, verbs
from qbcore.callbacks import mail_status
from qbcore.callbackspec import MAIL_STATUS, Code
from qbcore.control import failing, subjobs, work
from qbcore.errors import Invalid
from qbcore.firings.occasion import Occasion
from qbcore.models import JobRow, WorkRow
from qbcore.states import DONE, LIVE, Hold, Status
from qbcore.writing import clock

NAMED = {"complete": "retire"}
"""Codes whose verb has another name here."""
UNCHANGED = "nothing changed"


def act(code: Code, occasion: Occasion) -> str:
    """Does it as the actor that is set; answers what came of it. Raises Invalid when there is nothing to act on."""
    job = occasion.job()
    if job is None:
        raise Invalid("its job is not there")
    if code.act == MAIL_STATUS:
        return mail_status(job, clock())
    if code.unit == "work":
        return _on_work(code.act, job, occasion)
    if code.unit == "subjob":
        return _on_job(code.act, job, _subjob_of(occasion))
    return _on_job(code.act, job, None)


def _subjob_of(occasion: Occasion) -> int:
    if occasion.firing.subjob < 0:
        raise Invalid("the event came from no subjob, so there is none to act on")
    return occasion.firing.subjob


def _on_job(name: str, job: JobRow, only: int | None) -> str:
    if name == "fail":
        changed = _fail(job.pk, only)
    elif name == "unblock" and only is None:
        changed = _lift(job.pk)
    else:
        changed = verbs.act_on_job(NAMED.get(name, name), job.pk, only)
    return f"{name}: {len(changed)} subjob{'s' * (len(changed) != 1)}" if changed else f"{name}: {UNCHANGED}"


def _fail(job_id: int, only: int | None) -> list[int]:
    """The right to end a job as killed is the right to end it as failed."""
    job = verbs.hold_job("kill", job_id)
    if job is None or (only is None and job.status in DONE):
        return []
    now = clock()
    filling.complete(job)
    changed = sorted(row.idx for row in failing.fail(job, only, now))
    if changed:
        effect = f"{len(changed):,} subjob{'s' * (len(changed) != 1)} failed"
        history.record("fail", now=now, job=job.pk, subjob=-1 if only is None else only, effect=effect)
        events.publish("work", [job.pk])
    folding.settle(job)
    return changed


def _lift(job_id: int) -> list[int]:
    """Holds of the submission and of dependencies only: what a person or the farm holds stays held."""
    job = verbs.hold_job("unblock", job_id)
    if job is None or not job.held & (Hold.SUBMIT | Hold.DEPENDENCY):
        return []
    now = clock()
    lifted = subjobs.lift(job, Hold.SUBMIT | Hold.DEPENDENCY, now=now)
    if lifted:
        history.record("unblock", now=now, job=job.pk, effect=f"{len(lifted):,} subjobs pending")
    folding.settle(job)
    return [row.idx for row in lifted]


def _on_work(name: str, job: JobRow, occasion: Occasion) -> str:
    """On the item of the own job that has the name of the item that raised the event."""
    frame = occasion.firing.frame
    if not frame:
        raise Invalid("the event came from no item, so there is none to act on")
    if not WorkRow.objects.filter(job_id=job.pk, name=frame).exists():
        filling.complete(verbs.hold_job("unblockwork", job.pk) or job)
    items = Q(name=frame)
    if name == "fail":
        changed = _fail_work(job.pk, items, clock())
    elif f"{NAMED.get(name, name)}work" in verbs.WORK_VERBS:
        allowed = items & Q(held__in=[0, *work.LIFTABLE]) if name == "unblock" else items
        changed = len(verbs.act_on_work(f"{NAMED.get(name, name)}work", job.pk, allowed))
    else:
        placed = WorkRow.objects.filter(items, job_id=job.pk, status__in=[Status.RUNNING, Status.SUSPENDED])
        changed = sum(len(verbs.act_on_job(name, job.pk, row.subjob)) for row in placed)
    return f"{name} {frame}: {f'{changed} changed' if changed else UNCHANGED}"


def _fail_work(job_id: int, items: Q, now: datetime) -> int:
    job = verbs.hold_job("killwork", job_id)
    found = work.take(job_id, frm=LIVE, where=items) if job else []
    if job is None or not found:
        return 0
    verbs.wake_holders(job, found)
    work.fail(job_id, found, now=now)
    history.record("failwork", now=now, job=job_id, frames=verbs.names_of(found), effect="failed")
    folding.settle(job)
    events.publish("work", [job_id])
    return len(found)
