"""What a bulk run would do: counted with the same tables that it acts by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from django.db.models import Q

from qbcore import acting, filling, spans, submission, verbs
from qbcore.errors import Invalid
from qbcore.jobspec import MOST_FRAMES
from qbcore.models import JobRow, WorkRow
from qbcore.permissions import may, visible_jobs
from qbcore.positions import at
from qbcore.states import LIVE, Status

MOST_JOBS = 100_000
OTHERS: dict[str, frozenset[Status]] = {"modify": LIVE, "remove": frozenset(Status), "archive": frozenset(Status)}
"""Verbs on whole jobs that change no status, and from which statuses they act."""

Counts: TypeAlias = dict[int, Counter[Status]]
WORDS = {
    "kill": "Kill", "retry": "Retry", "requeue": "Requeue, to blocked,", "block": "Block", "unblock": "Unblock",
    "suspend": "Suspend", "resume": "Resume", "modify": "Change", "remove": "Remove", "archive": "Archive as XML",
    "killwork": "Kill", "retrywork": "Retry", "requeuework": "Requeue, to blocked,", "blockwork": "Block",
    "unblockwork": "Unblock", "preempt": "Preempt", "interrupt": "Interrupt", "migrate": "Migrate", "retire": "Retire",
    "retirework": "Retire",
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


def is_work(verb: str) -> bool:
    return verb in verbs.WORK_VERBS


def check(verb: str, selection: Selection, params: Mapping[str, Any]) -> None:
    if verb not in WORDS:
        raise Invalid(f"{verb!r} is no action", field="verb", hint=f"Give one of {', '.join(WORDS)}.")
    if not selection.jobs:
        raise Invalid("nothing is selected", field="jobs", hint="Select jobs or frames first.")
    if len(selection.jobs) > MOST_JOBS:
        raise Invalid(f"a run takes at most {MOST_JOBS:,} jobs", field="jobs")
    if selection.positions and len(selection.jobs) > 1:
        raise Invalid("positions belong to one job", field="positions")
    if spans.size(spans.parse(selection.positions)) > MOST_FRAMES:
        raise Invalid(f"a job has at most {MOST_FRAMES:,} frames", field="positions")
    if verb == "modify":
        submission.checked_changes(params)


def asked(selection: Selection) -> Q:
    """The selected frames of a job."""
    found = at(spans.parse(selection.positions)) if selection.positions else Q()
    if selection.statuses:
        found &= Q(status__in=[_status(word) for word in selection.statuses])
    return found


def _status(word: str) -> int:
    try:
        return int(Status.of(word))
    except ValueError as unknown:
        raise Invalid(str(unknown), field="statuses") from unknown


def selected(selection: Selection) -> list[JobRow]:
    rows = JobRow.objects.filter(visible_jobs(acting.current()), pk__in=selection.jobs)
    for job in rows.filter(unfilled__gt=0).values_list("pk", flat=True):
        filling.fill(job)
    return list(rows.only("id", "name", "user", "status", "todo", "held", "s_blocked").order_by("pk"))


def preview(verb: str, selection: Selection, params: Mapping[str, Any] | None = None) -> Preview:
    """Counts, with the tables that the run itself acts by, what will change and what will not, and why."""
    check(verb, selection, params or {})
    actor = acting.current()
    rows = selected(selection)
    allowed = [row for row in rows if may(actor, verb, owner=row.user)]
    change, stay = _counts(verb, selection, allowed)
    will = sum(sum(found.values()) for found in change.values())
    unit = "frame" if is_work(verb) else "job"
    changing = sum(bool(found) for found in change.values())
    found = Preview(
        verb=verb,
        unit=unit,
        total=will + sum(sum(found.values()) for found in stay.values()),
        will_change=will,
        jobs=changing,
        title=title(verb, will, unit, changing, params or {}),
    )
    if will:
        found.lines.append(Line("done", will, changing, _becomes(verb, unit, will)))
    found.lines += _unchanged(stay, unit)
    refused = len(rows) - len(allowed)
    if refused:
        owners = ", ".join(sorted({row.user for row in rows} - {row.user for row in allowed})[:3])
        found.lines.append(
            Line("refused", refused, refused, f"{refused:,} jobs of {owners} are not yours: ask an operator")
        )
    found.warnings += _warnings(verb, change)
    return found


def _counts(verb: str, selection: Selection, rows: Sequence[JobRow]) -> tuple[Counts, Counts]:
    """Per job, how many selected units stand in which status: those that will change, and those that will not."""
    change: Counts = defaultdict(Counter)
    stay: Counts = defaultdict(Counter)
    if not is_work(verb):
        for row in rows:
            (change if _acts_on(verb, row) else stay)[row.pk][Status(row.status)] = 1
        return change, stay
    work = WorkRow.objects.filter(asked(selection), job_id__in=[row.pk for row in rows]).values_list("job_id", "status")
    for job, status, count in work.annotate(n=verbs.COUNT).order_by():
        (change if status in verbs.WORK_VERBS[verb].frm else stay)[job][Status(status)] = count
    return change, stay


def _acts_on(verb: str, row: JobRow) -> bool:
    return verbs.acts_on(verb, row) if verb in verbs.JOB_VERBS else row.status in OTHERS[verb]


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


def _unchanged(counts: Counts, unit: str) -> list[Line]:
    lines = []
    for status in Status:
        count = sum(found[status] for found in counts.values())
        if count:
            jobs = sum(bool(found[status]) for found in counts.values())
            lines.append(Line("unchanged", count, jobs, f"{plural(count, unit)} will not change: {status.word} now"))
    return lines


def _warnings(verb: str, counts: Counts) -> list[str]:
    running = sum(found[Status.RUNNING] for found in counts.values())
    if verb in ("kill", "killwork") and running:
        return [
            f"{running:,} run right now: their processes end and what they rendered so far is lost. Kill has no undo."
        ]
    if verb == "remove":
        return ["Jobs, frames and logs are deleted; history stays. Remove has no undo: archive first."]
    return []
