"""Callbacks come in, with a job or on their own, and are tied to what they listen to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from qbcore import acting, events, spans
from qbcore.callbacks.hearing import LASTING, NAMES, Event, Listener, finish, hear, listeners
from qbcore.callbacks.languages import refusal
from qbcore.callbackspec import QUBE, Spec, due_of, fires, spec
from qbcore.control import marks
from qbcore.errors import Invalid
from qbcore.fields import storable, whole
from qbcore.ids import parse_job_or_subjob
from qbcore.models import CallbackRow, DeltaRow, FiringRow, JobRow, SubjobRow, TermRow, Watch, WorkRow
from qbcore.permissions import may, need, visible_jobs
from qbcore.states import Status
from qbcore.triggers import Term
from qbcore.writing import clock, locked, writing

WATCHES = {"job": Watch.JOB, "work": Watch.WORK, "subjob": Watch.SUBJOBS}
SELF, PARENT = "self", "parent"
LONGEST_ID = 19
"""Digits from which on a number may be too large for an id: it is read as a label, which no job has."""


def submitcallback(callback: Any, *extraCallbacks: Any) -> list[int]:  # noqa: N803 - the API's spelling
    """Stores callbacks, all or none; answers their ids. `jobid` names the job that 'self' means."""
    given = [callback, *extraCallbacks]
    flat = [one for some in given for one in (some if isinstance(some, (list, tuple)) else [some])]
    if not flat:
        raise Invalid("there is no callback to store", field="callback")
    return _submit(flat)


@writing
def _submit(given: Sequence[Any]) -> list[int]:
    actor = acting.current()
    need(actor, "submit")
    now = clock()
    rows = [_make(one, _own_job(one), now) for one in given]
    listen(rows, now)
    return [row.pk for row in rows]


def _own_job(given: Any) -> JobRow | None:
    """The job that a callback names as its own; one that is not there is as good as none."""
    named = given.get("jobid") if isinstance(given, Mapping) else None
    if named in (None, "", 0, -1):
        return None
    found = parse_job_or_subjob(named).job
    return JobRow.objects.filter(visible_jobs(acting.current()), pk=found).first()


def store(submitted: Sequence[tuple[JobRow, Any]], now: datetime) -> None:
    """The callbacks of jobs that were just submitted, in order; all labels of the call are known."""
    rows = []
    for job, given in submitted:
        if given is None:
            continue
        if not isinstance(given, (list, tuple)):
            raise Invalid(f"callbacks must be a list, not {type(given).__name__}", field="callbacks")
        for place, one in enumerate(given):
            rows.append(_make(one, job, now, field=f"callbacks[{place}]", usual=job.user))
    listen(rows, now)


def submitted(jobs: Sequence[JobRow], now: datetime) -> None:
    """New jobs are there: who waits for their labels listens to them now, and hears that they were submitted."""
    bind([job for job in jobs if job.label])
    watched = JobRow.objects.filter(pk__in=[job.pk for job in jobs], watched__gt=0).order_by("pk")
    hear([Event("job", pk, frozenset({"submit"})) for pk in watched.values_list("pk", flat=True)])


def bind(labelled: Sequence[JobRow]) -> None:
    """Ties terms that wait for a label to the job that has it now."""
    jobs = {(job.pgrp, job.label): job.pk for job in labelled}
    if not jobs:
        return
    labels = {label for _, label in jobs}
    terms = list(TermRow.objects.filter(watched_id__isnull=True, label__in=labels, type__in=list(WATCHES)))
    listening = CallbackRow.objects.filter(pk__in={term.callback_id for term in terms}) if terms else []
    groups = {row.pk: row.pgrp for row in listening}
    mine: dict[int, list[TermRow]] = defaultdict(list)
    for term in terms:
        if (job := jobs.get((groups[term.callback_id], term.label))) is not None:
            mine[job].append(term)
    for job, found in mine.items():
        TermRow.objects.filter(pk__in=[term.pk for term in found]).update(watched_id=job)
    watch({job: _flags(found) for job, found in mine.items()})


def modified(job: JobRow, *, relabelled: bool) -> None:
    """Parameters of a locked job were changed."""
    if relabelled and job.label:
        bind([job])
    if job.watched & Watch.JOB:
        hear([Event("job", job.pk, frozenset({"modified"}))])


def _flags(terms: Iterable[TermRow]) -> Watch:
    found = Watch.NONE
    for term in terms:
        found |= WATCHES[term.type]
    return found


def watch(wanted: Mapping[int, Watch]) -> list[JobRow]:
    """Locks the jobs and has their folds look at what these ask for."""
    found = list(locked(JobRow.objects.filter(pk__in=list(wanted)).order_by("pk"))) if wanted else []
    for job in found:
        if wanted[job.pk] & ~job.watched:
            JobRow.objects.filter(pk=job.pk).update(watched=F("watched").bitor(int(wanted[job.pk])))
    return found


def _make(given: Any, own: JobRow | None, now: datetime, *, field: str = "", usual: str = "") -> CallbackRow:
    """The row with its terms, not tied to any job yet. *usual* is the user when it names none, else who asks."""
    actor = acting.current()
    try:
        pgrp = own.pgrp if own else _pgrp(given)
        found = spec(given, _labels(pgrp))
        user, why = _user(given, usual or actor.name, actor)
    except Invalid as wrong:
        wrong.field = f"{field}.{wrong.field}" if field else wrong.field
        raise
    row = CallbackRow.objects.create(
        job_id=own.pk if own else -1, pgrp=pgrp, user=user, machine=actor.machine and user == actor.name,
        triggers=found.triggers, tree=found.tree, language=found.language[:16], code=found.code, data=found.data,
        maximum=found.maximum, created=now,
    )  # fmt: skip
    terms = [_term(row, number, term, own, now) for number, term in enumerate(found.terms)]
    TermRow.objects.bulk_create(terms)
    _judge(row, found, terms, why, own)
    return row


def _pgrp(given: Any) -> int:
    value = given.get("pgrp") if isinstance(given, Mapping) else None
    return 0 if value in (None, "") else whole(value, "pgrp", least=0)


def _labels(pgrp: int) -> list[str]:
    if not pgrp:
        return []
    locked(JobRow.objects.filter(pk=pgrp)).first()  # a label that comes at the same time waits, and is then bound
    return list(JobRow.objects.filter(pgrp=pgrp).exclude(label="").values_list("label", flat=True))


def _user(given: Mapping[str, Any], usual: str, actor: acting.Actor) -> tuple[str, str]:
    """As whom it acts, and why it must not. One that was read from a job and comes again is its new submitter's."""
    named = given.get("user") or usual
    if not isinstance(named, str):
        raise Invalid(f"the user must be a name, not {type(named).__name__}", field="user")
    storable(named, "user")
    name = usual if "id" in given else named
    if name == actor.name or may(actor, "submit_as"):
        return name, ""
    return actor.name, f"{actor.name} may not act as {name}"


def _term(row: CallbackRow, number: int, term: Term, own: JobRow | None, now: datetime) -> TermRow:
    watched, label = _watched(term, own, row.pgrp)
    return TermRow(
        callback_id=row.pk, number=number, name=term.name, type=term.type, watched_id=watched, label=label,
        extra=term.extra, due=due_of(term, now),
    )  # fmt: skip


def _watched(term: Term, own: JobRow | None, pgrp: int) -> tuple[int | None, str]:
    """The job that a term listens to, or the label that no job of the group has yet, or the host's name."""
    if term.type not in WATCHES:
        return None, host_named(term) if term.type == "host" else ""
    if term.context == SELF:
        return (own.pk if own else None), ""
    if term.context == PARENT:
        return (_parent(own) if own else None), ""
    if term.context.isascii() and term.context.isdecimal() and len(term.context) < LONGEST_ID:
        return int(term.context), ""
    known = JobRow.objects.filter(pgrp=pgrp, label=term.context).values_list("pk", flat=True).first() if pgrp else None
    return known, "" if known else term.context


def host_named(term: Term) -> str:
    """The host that a term means; empty for any. Its name may hold hyphens: running-host-render-01."""
    if term.context in (SELF, PARENT, "*", "any"):
        return "" if term.extra == "*" else term.extra
    return term.context if term.extra in ("", "*") else f"{term.context}-{term.extra}"


def _parent(own: JobRow) -> int | None:
    """The job named by the pid, else the first of the process group; a first job has no parent."""
    return own.pid or (own.pgrp if own.pgrp != own.pk else None)


def _judge(row: CallbackRow, found: Spec, terms: Sequence[TermRow], why: str, own: JobRow | None) -> None:
    """Whether it can act: refused when it never may, idle when nothing that it listens to can come."""
    row.reason = why or refusal(found)
    row.state = "refused" if row.reason else "ready"
    deaf = {term.number for term in terms if term.type in WATCHES and term.watched_id is None and not term.label}
    if row.state == "ready" and deaf:
        contexts = {found.terms[number].context for number in deaf}
        row.reason = " and ".join(f"there is no job that '{one}' could mean" for one in sorted(contexts))
        if not fires(row.tree, {term.number for term in terms} - deaf):
            row.state = "idle"
    if row.state == "ready" and row.language == QUBE and own is None:
        row.state, row.reason = "idle", "it has no job of its own that its code could act on: name one in 'jobid'"
    row.save(update_fields=["state", "reason"])


def listen(rows: Sequence[CallbackRow], now: datetime) -> None:
    """Has the jobs watched, and looks at what is so already: a job, or an item or subjob that a term names."""
    wanted: dict[int, Watch] = defaultdict(lambda: Watch.NONE)
    if not rows:
        return
    terms = TermRow.objects.filter(callback_id__in=[row.pk for row in rows], watched_id__isnull=False)
    for term in terms:
        wanted[term.watched_id or 0] |= WATCHES[term.type]
    jobs = {job.pk: job for job in watch(wanted)}
    heard = listeners([row.pk for row in rows if row.state == "ready"], now)
    for listener in heard:
        for event in _present(listener, jobs):
            listener.hear(event)
    finish(heard)
    own = {row.job_id for row in rows if row.job_id > 0}
    if own:
        events.publish("job", own)


def _present(listener: Listener, jobs: Mapping[int, JobRow]) -> Iterable[Event]:
    """How the things are that lasting terms name."""
    seen: set[tuple[str, int | None, str]] = set()
    for term in listener.terms:
        key = (term.type, term.watched_id, term.extra)
        job = jobs.get(term.watched_id or 0)
        if job is None or term.name not in LASTING or term.extra == "*" or key in seen:
            continue
        seen.add(key)
        if term.type == "job":
            yield Event("job", job.pk, NAMES.get(Status(job.status), frozenset()))
        else:
            yield from _named(job, term)


def _named(job: JobRow, term: TermRow) -> Iterable[Event]:
    """The items or the subjob of a name, as they were when the job was last folded: what came since is heard then."""
    if term.type == "work":
        rows = list(WorkRow.objects.filter(job_id=job.pk, name=term.extra).values_list("pos", "status"))
        kind = marks.WORK
    else:
        number = int(term.extra) if term.extra.isdecimal() and len(term.extra) < 10 else -1
        rows = list(SubjobRow.objects.filter(job_id=job.pk, idx=number).values_list("idx", "status"))
        kind = marks.SUBJOB
    turns = marks.parse(DeltaRow.objects.filter(job_id=job.pk).values_list("turned", flat=True))
    coming = set(spans.positions(marks.places(turns, kind, Status)))
    for place, status in rows:
        if place not in coming:
            number = place if kind == marks.SUBJOB else -1
            frame = term.extra if kind == marks.WORK else ""
            yield Event(term.type, job.pk, NAMES.get(Status(status), frozenset()), frame=frame, subjob=number)


def removed(job: JobRow, now: datetime) -> None:
    """A job is about to go, and its callbacks with it, once what they have fired is carried out."""
    if job.watched:
        hear([Event("job", job.pk, frozenset({"removed"}))])
    own = CallbackRow.objects.filter(job_id=job.pk)
    pks = list(own.values_list("pk", flat=True))
    if not pks:
        return
    TermRow.objects.filter(callback_id__in=pks).delete()
    open_ = set(FiringRow.objects.filter(callback_id__in=pks, state="waiting").values_list("callback_id", flat=True))
    own.filter(pk__in=open_).update(state="done", reason="its job was removed")
    own.exclude(pk__in=open_).delete()
