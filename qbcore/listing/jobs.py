"""Jobs as pages show them: a window, a count, one. Tallies are read in one statement: counters and unfolded deltas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Max, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from qbcore.acting import current
from qbcore.errors import Invalid, NotFound
from qbcore.listing.terms import Term, where
from qbcore.listing.windows import LIMIT, Window, cut
from qbcore.models import DeltaRow, JobRow
from qbcore.permissions import visible_jobs
from qbcore.states import Status, Tally, rollup, total

SORTS = {
    "id": "id",
    "name": "name",
    "user": "user",
    "status": "status",
    "failed": "n_failed",
    "priority": "priority",
    "cluster": "cluster",
    "submitted": "timesubmit",
}
SUMMED = (*(status.word for status in Status), "timed", "seconds")


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job. `average` is in seconds, None before a frame is complete; `units` are frames, or subjobs without any."""

    id: int
    name: str
    label: str
    user: str
    show: str
    cluster: str
    prototype: str
    priority: int
    cpus: int
    status: Status
    reason: str
    failing: bool
    work: Mapping[Status, int]
    subjobs: Mapping[Status, int]
    submitted: datetime
    started: datetime | None
    finished: datetime | None
    average: float | None

    @property
    def units(self) -> Tally:
        return self.work if total(self.work) else self.subjobs

    @property
    def placed(self) -> int:
        """Subjobs that are on a host."""
        return self.subjobs[Status.RUNNING] + self.subjobs[Status.SUSPENDED]


def window(
    terms: Iterable[Term] = (), *, sort: str = "priority", down: bool = False, after: str = "", limit: int = LIMIT
) -> Window[JobLine]:
    """Jobs that fit all *terms*. Raises Invalid for an unknown sort or a foreign cursor."""
    if sort not in SORTS:
        raise Invalid(f"jobs are not sorted by {sort!r}", field="sort", hint=f"Known: {', '.join(SORTS)}.")
    rows, more = cut(_tallied(_visible().filter(where(terms))), column=SORTS[sort], down=down, after=after, limit=limit)
    return Window(tuple(_line(row) for row in rows), more)


def count(terms: Iterable[Term] = ()) -> int:
    return _visible().filter(where(terms)).count()


def some(ids: Iterable[int]) -> list[JobLine]:
    """Those of the jobs that exist and may be seen, in no order."""
    return [_line(row) for row in _tallied(_visible().filter(pk__in=list(ids)))]


def one(job: int) -> JobLine:
    """Raises NotFound."""
    found = some([job])
    if not found:
        raise NotFound(f"There is no job {job} on this farm. It may have been removed: its history stays.")
    return found[0]


def newest() -> int:
    """The largest id that a job has had so far and that is still there; 0 without jobs."""
    return int(_visible().aggregate(last=Max("id"))["last"] or 0)


def newer(than: int, *, limit: int = 1000) -> list[int]:
    """Ids after *than*, largest first."""
    return list(_visible().filter(pk__gt=than).order_by("-id").values_list("id", flat=True)[:limit])


def visible(ids: Iterable[int]) -> set[int]:
    """Those of the jobs that exist and may be seen."""
    return set(_visible().filter(pk__in=list(ids)).values_list("id", flat=True))


def owners(ids: Iterable[int]) -> set[str]:
    """Whose jobs these are."""
    return set(_visible().filter(pk__in=list(ids)).values_list("user", flat=True))


def _visible() -> QuerySet[JobRow]:
    return JobRow.objects.filter(visible_jobs(current()))


def _tallied(query: QuerySet[JobRow]) -> QuerySet[JobRow]:
    """Each counter with what is not folded yet, as `w_<name>`. Package, environment and extra stay in the database."""
    sums = {f"w_{name}": F(_column(name)) + _unfolded(name) for name in SUMMED}
    return query.defer("package", "env", "extra").annotate(**sums)


def _column(name: str) -> str:
    return name if name in ("timed", "seconds") else f"n_{name}"


def _unfolded(name: str) -> Coalesce:
    deltas = DeltaRow.objects.filter(job_id=OuterRef("pk")).order_by().values("job_id")
    return Coalesce(Subquery(deltas.annotate(sum=Sum(name)).values("sum")), Value(0.0 if name == "seconds" else 0))


def _line(row: Any) -> JobLine:
    work = {status: getattr(row, f"w_{status.word}") for status in Status}
    subjobs = {status: getattr(row, f"s_{status.word}") for status in Status}
    return JobLine(
        id=row.id,
        name=row.name,
        label=row.label,
        user=row.user,
        show=row.show,
        cluster=row.cluster,
        prototype=row.prototype,
        priority=row.priority,
        cpus=row.cpus,
        status=Status(row.status),
        reason=row.reason,
        failing=rollup(subjobs=subjobs, work=work, held=bool(row.held)).failing,
        work=work,
        subjobs=subjobs,
        submitted=row.timesubmit,
        started=row.timestart,
        finished=row.timecomplete,
        average=row.w_seconds / row.w_timed if row.w_timed else None,
    )
