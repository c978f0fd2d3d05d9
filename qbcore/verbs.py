"""The verbs of qb: one declared row each. What a verb does is in `control`; here is how it is asked, recorded and
answered.

All answer the ids that changed (subjobs '250.0' for job verbs, items '250:5' for work verbs); what did not change is
absent, and so are ids that do not exist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from qbcore import acting, callbacks, events, filling, folding, history, links, spans
from qbcore.control import departures, jobs, loops, subjobs, work
from qbcore.ids import SubjobId, flatten, parse_job_or_subjob, parse_work
from qbcore.models import JobRow, SubjobRow
from qbcore.permissions import need, visible_jobs
from qbcore.positions import FRAME, at, positions_named
from qbcore.ranges import rangejoin
from qbcore.states import DONE, LIVE, PLACED, Hold, Status
from qbcore.writing import clock, locked, writing

COUNT = Count("pos")
SLICE = 10_000
"""Frames that one call changes in one transaction, so that reports come in between."""
PARTIAL = frozenset([
    "modify", "remove", "block", "unblock", "suspend", "resume", "top", "bottom", "preempt", "interrupt", "migrate",
])  # fmt: skip
"""Verbs that leave items as they are: they need not wait until a long range is stored."""
NAMED_IN_HISTORY = 2000
"""Frames of one change that history names; beyond that it gives the count."""


@dataclass(frozen=True, slots=True)
class JobVerb:
    """A verb on jobs and subjobs: from which statuses it acts, what it does to a locked job, and what becomes of it."""

    name: str
    frm: frozenset[Status]
    act: Callable[[JobRow, int | None, datetime], Sequence[SubjobRow]]
    becomes: str


@dataclass(frozen=True, slots=True)
class WorkVerb:
    """A verb on work items: from which statuses it acts and what it does to taken items."""

    name: str
    frm: frozenset[Status]
    act: Callable[..., None]
    to: Status
    revives: bool = False
    lifts: bool = False


JOB_VERBS = {
    verb.name: verb
    for verb in (
        JobVerb("kill", LIVE, jobs.kill, "killed"),
        JobVerb("retry", DONE, jobs.retry, "pending"),
        JobVerb("requeue", DONE, jobs.requeue, "blocked"),
        JobVerb("block", frozenset({Status.PENDING, Status.WAITING, Status.RUNNING}), jobs.block, "blocked"),
        JobVerb("unblock", frozenset({Status.BLOCKED}), jobs.unblock, "pending"),
        JobVerb("suspend", frozenset({Status.RUNNING}), jobs.suspend, "suspended"),
        JobVerb("resume", frozenset({Status.SUSPENDED}), jobs.resume, "running"),
        JobVerb("preempt", frozenset({Status.RUNNING}), departures.preempt, "pending after their frame"),
        JobVerb("interrupt", frozenset({Status.RUNNING}), departures.interrupt, "pending"),
        JobVerb("migrate", frozenset({Status.RUNNING}), departures.migrate, "pending for another host"),
        JobVerb("retire", LIVE, departures.retire, "complete"),
    )
}
WORK_VERBS = {
    verb.name: verb
    for verb in (
        WorkVerb("killwork", LIVE, work.kill, Status.KILLED),
        WorkVerb("retrywork", DONE, work.retry, Status.PENDING, revives=True),
        WorkVerb("requeuework", DONE, work.requeue, Status.BLOCKED, revives=True),
        WorkVerb("blockwork", frozenset({Status.PENDING}), work.block, Status.BLOCKED),
        WorkVerb("unblockwork", frozenset({Status.BLOCKED}), work.unblock, Status.PENDING, revives=True, lifts=True),
        WorkVerb("retirework", LIVE, work.complete, Status.COMPLETE),
    )
}


def acts_on(verb: str, job: JobRow) -> bool:
    """Whether a job verb changes this job now. One that is held while its last frames run counts as blocked already."""
    if verb == "unblock" and job.status not in DONE and job.held:
        return True
    if (verb in ("block", "preempt") and job.held) or (verb == "unblock" and not (job.s_blocked or job.n_blocked)):
        return False
    return job.status in JOB_VERBS[verb].frm


def hold_job(verb: str, job_id: int) -> JobRow | None:
    """The job's row, locked and folded, after asking whether the actor may; None when it is not to be seen."""
    actor = acting.current()
    job = locked(JobRow.objects.filter(visible_jobs(actor), pk=job_id)).first()
    if job is None:
        return None
    need(actor, verb, owner=job.user)
    if verb not in PARTIAL:
        filling.complete(job)
    return folding.settle(job)


@writing
def act_on_job(verb: str, job_id: int, only: int | None = None) -> list[int]:
    """Does *verb* to one job (or its subjob *only*); answers the numbers of the subjobs that changed."""
    job = hold_job(verb, job_id)
    if job is None:
        return []
    if only is None and not acts_on(verb, job):
        return []
    now = clock()
    row = JOB_VERBS[verb]
    changed = sorted(subjob.idx for subjob in row.act(job, only, now))
    if verb == "unblock" and only is None:
        links.forget(job)
    if changed:
        effect = f"{len(changed):,} subjob{'s' * (len(changed) != 1)} {row.becomes}"
        history.record(verb, now=now, job=job.pk, subjob=-1 if only is None else only, effect=effect)
        events.publish("work", [job.pk])
    folding.settle(job)
    return changed


@writing
def act_on_work(
    verb: str, job_id: int, where: Q, *, after: int = -1, limit: int | None = None, record: bool = True
) -> list[work.Item]:
    """Does *verb* to the items of a job that fit *where*, at most *limit* after *after*; answers them as they were."""
    job = hold_job(verb, job_id)
    if job is None:
        return []
    now = clock()
    row = WORK_VERBS[verb]
    if row.frm & PLACED:
        loops.holders(job, where)
    items = work.take(job.pk, frm=row.frm, where=where, after=after, limit=limit)
    if not items:
        return []
    wake_holders(job, items)
    row.act(job.pk, items, now=now)
    loops.stop(job, items, now=now)
    if job.dependency:
        links.forget(job, at(spans.of(item.pos for item in items)))
    if row.lifts:
        subjobs.lift(job, Hold.SUBMIT | Hold.DEPENDENCY, now=now)
    if row.revives:
        jobs.revive(job, now)
    if record:
        effect = f"{len(items):,} frame{'s' * (len(items) != 1)} {row.to.word}"
        history.record(verb, now=now, job=job.pk, frames=names_of(items), effect=effect)
    folding.settle(job)
    events.publish("work", [job.pk])
    return items


@writing
def act_on_part(verb: str, job_id: int, part: spans.Spans) -> work.Groups:
    """Does *verb* to a slice of a bulk run, which keeps its own record; answers how the items that changed stood."""
    row = WORK_VERBS[verb]
    if not row.frm <= DONE:
        return work.grouped(act_on_work(verb, job_id, at(part), record=False))
    job = hold_job(verb, job_id)
    stood = work.standing(job.pk, part, frm=row.frm) if job else {}
    if job is None or not stood:
        return {}
    now = clock()
    row.act(job.pk, stood, now=now)
    links.forget(job, at(part))
    jobs.revive(job, now)
    folding.settle(job)
    events.publish("work", [job.pk])
    events.publish("wake", [])
    return stood


def wake_holders(job: JobRow, items: Sequence[work.Item]) -> None:
    """Hosts that hold one of the items must hear that it is no longer theirs."""
    grants = {item.grant_id for item in items if item.grant_id}
    held = SubjobRow.objects.filter(job_id=job.pk, grant_id__in=grants) if grants else []
    events.publish("wake", [row.host_id for row in held if row.host_id])


def names_of(items: work.Items) -> str:
    """The items' names as a range where they are numbers; cut with a note when there are too many to read."""
    if len(items) > NAMED_IN_HISTORY:
        return f"{items[0].name} … {items[-1].name}"
    if all(FRAME.fullmatch(item.name) for item in items):
        return rangejoin(sorted(int(item.name) for item in items))
    return ",".join(item.name for item in items)


def _job_verb(verb: str, ids: Iterable[Any]) -> list[str]:
    """All jobs of the call, in the order of their ids so that two calls never wait for each other."""
    found = [parse_job_or_subjob(one) for one in flatten(list(ids))]
    changed: dict[int, set[int]] = defaultdict(set)
    for one in sorted(found, key=lambda one: (one.job, getattr(one, "sub", -1))):
        only = one.sub if isinstance(one, SubjobId) else None
        changed[one.job].update(act_on_job(verb, one.job, only))
    order = dict.fromkeys(one.job for one in found)
    return [f"{job}.{idx}" for job in order for idx in sorted(changed[job])]


def _work_verb(verb: str, ids: Iterable[Any]) -> list[str]:
    wanted: dict[int, list[str]] = defaultdict(list)
    for one in (parse_work(text) for text in flatten(list(ids))):
        wanted[one.job].append(one.name)
    changed: list[str] = []
    for job_id in sorted(wanted):
        for part in spans.slices(positions_named(job_id, wanted[job_id]), SLICE):
            items = act_on_work(verb, job_id, at(part))
            changed += [f"{job_id}:{item.name}" for item in items]
    return changed


def kill(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("kill", [jobid, *extraJobids])


def retry(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("retry", [jobid, *extraJobids])


def requeue(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("requeue", [jobid, *extraJobids])


def block(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("block", [jobid, *extraJobids])


def unblock(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("unblock", [jobid, *extraJobids])


def suspend(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("suspend", [jobid, *extraJobids])


def resume(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("resume", [jobid, *extraJobids])


def preempt(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("preempt", [jobid, *extraJobids])


def interrupt(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("interrupt", [jobid, *extraJobids])


def migrate(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("migrate", [jobid, *extraJobids])


def retire(jobid: Any, *extraJobids: Any) -> list[str]:
    return _job_verb("retire", [jobid, *extraJobids])


def killwork(workid: Any, *extraWorkids: Any) -> list[str]:
    return _work_verb("killwork", [workid, *extraWorkids])


def retrywork(workid: Any, *extraWorkids: Any) -> list[str]:
    return _work_verb("retrywork", [workid, *extraWorkids])


def requeuework(workid: Any, *extraWorkids: Any) -> list[str]:
    return _work_verb("requeuework", [workid, *extraWorkids])


def blockwork(workid: Any, *extraWorkids: Any) -> list[str]:
    return _work_verb("blockwork", [workid, *extraWorkids])


def unblockwork(workid: Any, *extraWorkids: Any) -> list[str]:
    return _work_verb("unblockwork", [workid, *extraWorkids])


def retirework(workid: Any, *extraWorkids: Any) -> list[str]:
    return _work_verb("retirework", [workid, *extraWorkids])


def remove(jobid: Any, *extraJobids: Any) -> list[int]:
    """Answers the ids that are gone; running jobs are killed first. History and attempts stay."""
    return [one for one in whole_jobs([jobid, *extraJobids]) if remove_job(one)]


def whole_jobs(ids: Iterable[Any]) -> list[int]:
    found = (parse_job_or_subjob(one) for one in flatten(list(ids)))
    return list(dict.fromkeys(one.job for one in found))


@writing
def remove_job(job_id: int) -> bool:
    job = hold_job("remove", job_id)
    if job is None:
        return False
    now = clock()
    history.record("remove", now=now, job=job.pk, effect=f"{job.name}, {job.todo:,} frames, {Status(job.status).word}")
    if job.status not in DONE:
        jobs.kill(job, None, now)
        folding.settle(job)  # who waits for its end is told of it
    callbacks.removed(job, now)
    jobs.remove(job)
    links.removed(job_id, now)
    events.publish("work", [job.pk])
    return True
