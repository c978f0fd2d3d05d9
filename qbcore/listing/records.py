"""History and bulk runs as pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When

from qbcore.errors import NotFound
from qbcore.listing.windows import LIMIT, Window
from qbcore.models import HistoryRow, RunRow, RunTargetRow

OUTCOMES = ("error", "refused", "unchanged", "todo", "done", "cancelled")
"""Of a run's targets, problems first."""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    id: int
    at: datetime
    actor: str
    machine: bool
    verb: str
    job: int
    subjob: int
    frames: str
    host_name: str
    effect: str
    why: str
    run: int | None


@dataclass(frozen=True, slots=True)
class RunLine:
    """A bulk run. All numbers count items: frames, or jobs for a verb that acts on jobs."""

    id: int
    verb: str
    title: str
    user: str
    why: str
    source: str
    state: str
    total: int
    done: int
    changed: int
    unchanged: int
    refused: int
    errors: int
    cancel: bool
    message: str
    created: datetime
    started: datetime | None
    finished: datetime | None

    @property
    def live(self) -> bool:
        return self.state in ("waiting", "running")


@dataclass(frozen=True, slots=True)
class TargetLine:
    """What came of one job of a run; `frames` are ranges of positions, empty for the job itself."""

    id: int
    run: int
    job: int
    job_name: str
    frames: str
    total: int
    outcome: str
    changed: int
    message: str


def history(job: int, *, before: int = 0, limit: int = LIMIT) -> Window[HistoryLine]:
    """What was done to a job, newest first; also to one that was removed."""
    query = HistoryRow.objects.filter(job_id=job)
    rows = list((query.filter(id__lt=before) if before else query).order_by("-id")[: limit + 1])
    return Window(tuple(_history(row) for row in rows[:limit]), str(rows[limit - 1].id) if len(rows) > limit else "")


def history_count(job: int) -> int:
    return HistoryRow.objects.filter(job_id=job).count()


def runs(*, before: int = 0, limit: int = LIMIT) -> Window[RunLine]:
    """Bulk runs, newest first."""
    query = RunRow.objects.filter(id__lt=before) if before else RunRow.objects.all()
    rows = list(query.order_by("-id")[: limit + 1])
    return Window(tuple(_run(row) for row in rows[:limit]), str(rows[limit - 1].id) if len(rows) > limit else "")


def some_runs(ids: Iterable[int]) -> list[RunLine]:
    return [_run(row) for row in RunRow.objects.filter(pk__in=list(ids))]


def newer_runs(than: int, *, limit: int = 1000) -> list[int]:
    """Ids of runs that were started after the run *than*."""
    return list(RunRow.objects.filter(pk__gt=than).order_by("-id").values_list("id", flat=True)[:limit])


def run(number: int) -> RunLine:
    """Raises NotFound."""
    found = some_runs([number])
    if not found:
        raise NotFound(f"There is no action {number} on this farm.")
    return found[0]


def targets(number: int, *, outcome: str = "", limit: int = 500) -> list[TargetLine]:
    """What came of a run job by job, problems first."""
    query = RunTargetRow.objects.filter(run_id=number)
    if outcome:
        query = query.filter(outcome=outcome)
    rank = Case(*(When(outcome=word, then=Value(at)) for at, word in enumerate(OUTCOMES)), output_field=IntegerField())
    return _targets(query.annotate(rank=rank).order_by("rank", "id")[:limit])


def some_targets(ids: Iterable[int]) -> list[TargetLine]:
    return _targets(RunTargetRow.objects.filter(pk__in=list(ids)))


def _targets(query: QuerySet[RunTargetRow]) -> list[TargetLine]:
    return [
        TargetLine(
            id=row.id,
            run=row.run_id,
            job=row.job_id,
            job_name=row.job_name,
            frames=row.frames,
            total=row.total,
            outcome=row.outcome,
            changed=row.changed,
            message=row.message,
        )
        for row in query
    ]


def _history(row: HistoryRow) -> HistoryLine:
    return HistoryLine(
        id=row.id,
        at=row.at,
        actor=row.actor,
        machine=row.machine,
        verb=row.verb,
        job=row.job_id,
        subjob=row.subjob,
        frames=row.frames,
        host_name=row.host_name,
        effect=row.effect,
        why=row.why,
        run=row.run_id,
    )


def _run(row: Any) -> RunLine:
    return RunLine(
        id=row.id,
        verb=row.verb,
        title=row.title,
        user=row.user,
        why=row.why,
        source=row.source,
        state=row.state,
        total=row.total,
        done=row.done,
        changed=row.changed,
        unchanged=row.unchanged,
        refused=row.refused,
        errors=row.errors,
        cancel=row.cancel,
        message=row.message,
        created=row.created,
        started=row.started,
        finished=row.finished,
    )
