"""Jobs come in: all of a call or none of it. And jobs are modified while they live."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from qbcore import (
    acting,
    alike,
    callbacks,
    dependencies,
    diskspace,
    events,
    fields,
    filling,
    folding,
    history,
    jobspec,
    verbs,
)
from qbcore.constants import FLAGS
from qbcore.control import growth
from qbcore.control import jobs as job_control
from qbcore.errors import Conflict, Invalid, QubeError, Refused
from qbcore.ids import flatten
from qbcore.models import JobRow, SubmissionRow
from qbcore.objects import SubmitResult
from qbcore.permissions import digest, may, need
from qbcore.queries import jobs_of
from qbcore.reasons import warnings
from qbcore.states import DONE, Hold
from qbcore.triggers import parse_dependency
from qbcore.writing import clock, locked, writing

Agenda = jobspec.Items | range | None
MODIFIABLE = [
    "priority", "hostorder", "max_cpus", "data", "timeout", "timelimit", "agenda_timeout",
    "agenda_timelimit", "name", "label", "account", "notes",
    "cluster", "restrictions", "requirements", "reservations", "groups", "hosts", "omithosts", "omitgroups", "pgrp",
    "cpus", "env", "retrywork", "retrysubjob", "retrywork_delay", "mailaddress", *jobspec.FLIGHTS, *jobspec.PRODUCTION,
]  # fmt: skip


PACKAGE = "package"


def submit(*jobs: Any, _key: str = "", **options: Any) -> SubmitResult:
    """Submits one job, several, or a list; answers them in order with their ids. All are stored, or none.

    *_key* makes a repeated call answer the first call's jobs. Other options of the original are accepted and mean
    nothing here.
    """
    given = [job for one in jobs for job in (one if isinstance(one, (list, tuple)) else [one])]
    if not given:
        raise Invalid("there is no job to submit", field="job")
    ids = _submit(given, _key)
    found = {job["id"]: job for job in jobs_of(ids)}
    return SubmitResult(found[job_id] for job_id in ids if job_id in found)


def validatejob(job: Any) -> list[str]:
    """What submit would say against this job; [] when it would take it. Nothing is stored."""
    actor = acting.current()
    need(actor, "submit")
    try:
        row, _ = _row(job, actor, clock())
        parse_dependency(row.dependency)
    except QubeError as wrong:
        return [str(wrong)]
    return []


@writing
def _submit(given: Sequence[Any], key: str) -> list[int]:
    actor = acting.current()
    need(actor, "submit")
    now = clock()
    call = _call(actor.name, key, given, now)
    if call and call.jobs:
        return [int(job) for job in call.jobs]
    diskspace.need_room_for_jobs()
    stored = _store([_row(job, actor, now) for job in given], now)
    dependencies.link(stored, _former_groups(stored, given), now)
    callbacks.store([(row, job.get("callbacks")) for row, job in zip(stored, given, strict=True)], now)
    callbacks.submitted(stored, now)
    ids = [row.pk for row in stored]
    if call:
        SubmissionRow.objects.filter(pk=call.pk).update(jobs=ids)
    events.publish("job", ids)
    events.publish("wake", [])
    return ids


def _former_groups(stored: Sequence[JobRow], given: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """For jobs out of jobinfo or an archive the process group that they were of: their labels mean its jobs too."""
    pairs = zip(stored, given, strict=True)
    return {row.pk: jobspec.number(job, "pgrp", 0) for row, job in pairs if "id" in job}


def _call(user: str, key: str, given: Sequence[Any], now: datetime) -> SubmissionRow | None:
    """The row of a call that carries a key: of two that come at once, the second waits here for the first."""
    if not key:
        return None
    body = digest(json.dumps(given, sort_keys=True, default=repr))
    new = {"user": user, "at": now, "digest": body}
    row, _ = SubmissionRow.objects.get_or_create(key=digest(f"{user} {key}"), defaults=new)
    if row.digest not in (body, ""):  # rows of older versions have none
        raise Conflict(f"Idempotency-Key: the key {key[:60]!r} was used for another submission: use a new one.")
    return row


def _row(job: Any, actor: acting.Actor, now: datetime) -> tuple[JobRow, Agenda]:
    """A job row not yet stored, and its agenda."""
    if not isinstance(job, Mapping):
        raise Invalid(f"a job must be a dictionary, not {type(job).__name__}", field="job")
    found = jobspec.columns(job)
    if "id" in job:  # a template out of jobinfo or an archive: it starts its own process group
        found["pgrp"] = found["pid"] = 0
    agenda = jobspec.agenda(job, found["package"])
    jobspec.check_command(found, agenda)
    found["user"] = _user(job, actor)
    if agenda is not None and not found["flags"] & FLAGS["disable_cpu_limit"]:
        found["cpus"] = min(found["cpus"], max(1, len(agenda)))
    held = Hold.SUBMIT if fields.blocked(job.get("status"), "status") else Hold.NONE
    return JobRow(**found, todo=len(agenda or ()), timesubmit=now, updated=now, held=held), agenda


def _user(job: Mapping[str, Any], actor: acting.Actor) -> str:
    name = jobspec.text(job, "user") or actor.name
    if name == actor.name or may(actor, "submit_as"):
        return name
    if "id" in job:
        return actor.name
    raise Refused(f"{actor.name} may not submit as {name}.", right="submit_as", holders="operators and admins")


def _store(rows: Sequence[tuple[JobRow, Agenda]], now: datetime) -> list[JobRow]:
    """Stores all jobs of a call, in a number of statements that does not grow with the number of jobs."""
    for row, agenda in rows:
        filling.note(row, agenda or ())
        folding.begin(row, blocked=_blocked(agenda), over=agenda is not None and not agenda, now=now)
    jobs = [row for row, _ in rows]
    JobRow.objects.bulk_create(jobs, batch_size=500)
    _group(jobs)
    filling.insert(rows, now)
    job_control.begin(jobs, now)
    history.record_many("submit", _effects(jobs), now=now)
    for row in jobs:
        folding.began(row, now)
    return jobs


def _effects(jobs: Sequence[JobRow]) -> Iterator[tuple[int, str]]:
    """What history says of each: its name, its size, and what its requirements ask for in vain."""
    strange = warnings(row.requirements for row in jobs)
    for row in jobs:
        said = f"{row.name}, {row.todo:,} frames" if row.todo else row.name
        warning = strange.get(row.requirements)
        yield row.pk, f"{said}; {warning}" if warning else said


def _blocked(agenda: Agenda) -> int:
    return 0 if agenda is None or isinstance(agenda, range) else sum(blocked for _, blocked, _ in agenda)


def _group(jobs: Sequence[JobRow]) -> None:
    """Jobs that name no process group are of the first one's; labels are used once in a group."""
    group = jobs[0].pgrp or jobs[0].pk
    strays = [row for row in jobs if not row.pgrp]
    for row in strays:
        row.pgrp = group
    JobRow.objects.filter(pk__in=[row.pk for row in strays]).update(pgrp=group)
    labelled = [row for row in jobs if row.label]
    taken = Counter((row.pgrp, row.label) for row in labelled)
    for row in labelled:
        if taken[row.pgrp, row.label] > 1:
            raise _second_label(row)
    new = {row.pk for row in jobs}
    for row in labelled:
        if row.pgrp not in new:
            _refuse_second_label(row)


def _refuse_second_label(row: JobRow) -> None:
    if not row.label:
        return
    locked(JobRow.objects.filter(pk=row.pgrp)).first()  # two calls that add to one group take turns
    if JobRow.objects.filter(pgrp=row.pgrp, label=row.label).exclude(pk=row.pk).exists():
        raise _second_label(row)


def _second_label(row: JobRow) -> Invalid:
    return Invalid(f"two jobs of process group {row.pgrp} are labelled {row.label!r}", field="label")


def modify(modifyParamDict: Mapping[str, Any], jobid: Any, *extraJobids: Any) -> list[int]:
    """Changes parameters of jobs that are not over; answers their ids. An unknown parameter is an error."""
    if not isinstance(modifyParamDict, Mapping):
        raise Invalid("modify takes the parameters first: modify({...}, 250)", field="modifyParamDict")
    changes = checked_changes(modifyParamDict)
    jobs = verbs.whole_jobs(flatten([jobid, *extraJobids]))
    if len(jobs) > 1 and alike.fits(changes):
        changed = alike.modify(jobs, changes)
        return [job for job in jobs if job in changed]
    return [job for job in jobs if modify_job(job, changes) is not None]


def checked_changes(params: Mapping[str, Any]) -> dict[str, Any]:
    """The columns to change, checked as submit checks them."""
    unknown = [key for key in params if key not in MODIFIABLE]
    if unknown:
        raise Invalid(
            f"{unknown[0]!r} cannot be modified",
            field=str(unknown[0]),
            hint=f"Give one of {', '.join(sorted(MODIFIABLE))}.",
        )
    numbers = [key for key in params if key in jobspec.NUMBERS]
    empty = next((key for key in params if params[key] is None or (key in numbers and params[key] == "")), None)
    if empty:
        raise Invalid("give the new value", field=empty)
    params = {PACKAGE if key == "data" else key: value for key, value in params.items()}
    found = jobspec.columns({"prototype": "cmdline", **params})
    return {key: jobspec.text(params, key) if key in jobspec.PRODUCTION else found[key] for key in params}


@writing
def modify_job(job_id: int, changes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Changes one job; answers the old values, or None when it is not there or over."""
    job = verbs.hold_job("modify", job_id)
    if job is None or job.status in DONE:
        return None
    wanted = {**changes, "cpus": _cpus(job, changes["cpus"])} if "cpus" in changes else changes
    old = {key: _old(job, key) for key in wanted}
    new = {key: value for key, value in wanted.items() if old[key] != value}
    if PACKAGE in new:
        jobspec.check_command({"prototype": job.prototype, PACKAGE: new[PACKAGE]}, range(1, 2) if job.todo else None)
    if new:
        _change(job, old, new, clock())
    return old


def _old(job: JobRow, key: str) -> Any:
    if key == "prod_show":
        return job.show
    return job.extra.get(key, "") if key in jobspec.PRODUCTION else getattr(job, key)


def _change(job: JobRow, old: Mapping[str, Any], new: Mapping[str, Any], now: datetime) -> None:
    if "cpus" in new:
        job_control.resize(job, new["cpus"], now)
    if "max_cpus" in new:
        job.max_cpus = new["max_cpus"]
        growth.relieve(job, now)
    for key, value in new.items():
        if key in jobspec.PRODUCTION:
            job.extra[key] = value
        else:
            setattr(job, key, value)
    job.show = new.get("prod_show", job.show)
    if {"label", "pgrp"} & set(new):
        _refuse_second_label(job)
    job.save(update_fields=[*(key for key in new if key not in jobspec.PRODUCTION), "extra", "show"])
    history.record("modify", now=now, job=job.pk, effect=alike.said(old, new))
    callbacks.modified(job, relabelled=bool({"label", "pgrp"} & set(new)))
    folding.settle(job)
    events.publish("wake", [])


def _cpus(job: JobRow, wanted: int) -> int:
    limited = job.todo and not job.flags & FLAGS["disable_cpu_limit"]
    return min(wanted, job.todo) if limited else wanted
