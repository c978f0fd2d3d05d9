"""What a bulk run would do: counted with the same tables that it acts by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from qbcore import acting, spans, submission, verbs
from qbcore.errors import Invalid
from qbcore.models import JobRow, WorkRow
from qbcore.permissions import may, visible_jobs
from qbcore.states import DONE, LIVE, Status

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


def check(verb: str, selection: Selection, params: Mapping[str, Any]) -> None:
    if not is_work(verb) and verb not in JOB_FROM:
        raise Invalid(
            f"{verb!r} is no action", field="verb", hint=f"Give one of {', '.join([*verbs.WORK_VERBS, *JOB_FROM])}."
        )
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


def asked(selection: Selection) -> Q:
    """The selected frames of a job."""
    found = at(spans.parse(selection.positions)) if selection.positions else Q()
    if selection.statuses:
        found &= Q(status__in=[int(Status.of(word)) for word in selection.statuses])
    return found


def selected(selection: Selection) -> list[JobRow]:
    rows = JobRow.objects.filter(visible_jobs(acting.current()), pk__in=selection.jobs)
    return list(rows.only("id", "name", "user", "status", "todo").order_by("pk"))


def preview(verb: str, selection: Selection, params: Mapping[str, Any] | None = None) -> Preview:
    """Counts, with the tables that the run itself acts by, what will change and what will not, and why."""
    check(verb, selection, params or {})
    actor = acting.current()
    rows = selected(selection)
    allowed = [row for row in rows if may(actor, verb, owner=row.user)]
    counts = _counts(verb, selection, allowed)
    frm = _acts_from(verb)
    total = sum(sum(found.values()) for found in counts.values())
    will = sum(count for found in counts.values() for status, count in found.items() if status in frm)
    unit = "frame" if is_work(verb) else "job"
    changing = sum(any(status in frm for status in found) for found in counts.values())
    found = Preview(
        verb=verb,
        unit=unit,
        total=total,
        will_change=will,
        jobs=changing,
        title=title(verb, will, unit, changing, params or {}),
    )
    if will:
        found.lines.append(Line("done", will, changing, _becomes(verb, unit, will)))
    found.lines += _unchanged(counts, frm, unit)
    refused = len(rows) - len(allowed)
    if refused:
        owners = ", ".join(sorted({row.user for row in rows} - {row.user for row in allowed})[:3])
        found.lines.append(
            Line("refused", refused, refused, f"{refused:,} jobs of {owners} are not yours: ask an operator")
        )
    found.warnings += _warnings(verb, counts)
    return found


def _counts(verb: str, selection: Selection, rows: Sequence[JobRow]) -> dict[int, Counter[Status]]:
    """Per job, how many selected units stand in which status."""
    if not is_work(verb):
        return {row.pk: Counter({Status(row.status): 1}) for row in rows}
    found: dict[int, Counter[Status]] = {row.pk: Counter() for row in rows}
    work = WorkRow.objects.filter(asked(selection), job_id__in=list(found)).values_list("job_id", "status").order_by()
    from_db = work.annotate(n=verbs.COUNT)
    for job, status, count in from_db:
        found[job][Status(status)] = count
    return found


def plural(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'s' * (count != 1)}"


def title(verb: str, will: int, unit: str, jobs: int, params: Mapping[str, Any]) -> str:
    inside = f" in {plural(jobs, 'job')}" if unit == "frame" else ""
    changes = ", ".join(f"{key} to {value}" for key, value in params.items())
    return f"{WORDS[verb]} {changes + ' of ' if changes else ''}{plural(will, unit)}{inside}"


def _becomes(verb: str, unit: str, count: int) -> str:
    to = verbs.WORK_VERBS[verb].to.word if is_work(verb) else {"archive": "archived", "modify": "changed"}.get(verb, "")
    to = to or (verbs.JOB_VERBS[verb].becomes if verb in verbs.JOB_VERBS else "removed")
    return f"{plural(count, unit)} will be {to}"


def _unchanged(counts: Mapping[int, Counter[Status]], frm: frozenset[Status], unit: str) -> list[Line]:
    lines = []
    for status in Status:
        count = sum(found[status] for found in counts.values())
        if count and status not in frm:
            jobs = sum(bool(found[status]) for found in counts.values())
            lines.append(Line("unchanged", count, jobs, f"{plural(count, unit)} will not change: {status.word} now"))
    return lines


def _warnings(verb: str, counts: Mapping[int, Counter[Status]]) -> list[str]:
    running = sum(found[Status.RUNNING] for found in counts.values())
    if verb in ("kill", "killwork") and running:
        return [
            f"{running:,} run right now: their processes end and what they rendered so far is lost. Kill has no undo."
        ]
    if verb == "remove":
        return ["Jobs, frames and logs are deleted; history stays. Remove has no undo: archive first."]
    return []
