"""Agendas become rows: explicit items at once, a long range slice by slice behind the submission.

A job whose range is not all there counts all its frames already, so its tallies are final from the first moment, and
what is there renders meanwhile. Who must act on all frames fills the rest first, under the job's lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.db import connection

from qbcore import events
from qbcore.constants import FLAGS
from qbcore.errands import Errands
from qbcore.models import JobRow
from qbcore.ranges import binarySort, frameset
from qbcore.states import Hold, Status
from qbcore.writing import clock, locked, on_postgres, writing

Items = Sequence[tuple[str, bool, str | None]]
SLICE = 25_000
STALE = timedelta(seconds=5)
"""A job that nobody has filled for this long is housekeeping's to fill."""
COLUMNS = (
    "job_id, pos, rank, name, status, held, retries, losses, attempts, subjob, updated, seconds, package"
)  # fmt: skip


def note(job: JobRow, items: Items | range) -> None:
    """Notes in a job that is not stored yet what of its long range will be stored later."""
    if isinstance(items, range):
        job.unfilled = max(0, len(items) - SLICE)
        job.filling = f"{items.start}-{items[-1]}x{abs(items.step)}" if job.unfilled else ""


def insert(rows: Sequence[tuple[JobRow, Items | range | None]], now: datetime) -> None:
    """Stores the items of new jobs; of a long range the first slice."""
    explicit = [(job, items) for job, items in rows if items and not isinstance(items, range)]
    if explicit:
        _insert_items([line for job, items in explicit for line in _lines(job, items, now)])
    for job, items in rows:
        if isinstance(items, range):
            _insert_range(job, items, range(len(items) - job.unfilled), now)
        if job.unfilled:
            filler.soon(job.pk)


def _lines(job: JobRow, items: Items, now: datetime) -> Iterator[tuple[Any, ...]]:
    ranks = _ranks(job, [name for name, _, _ in items])
    stamp = now if on_postgres() else connection.ops.adapt_datetimefield_value(now)
    free, held = (int(Status.PENDING), int(Hold.NONE)), (int(Status.BLOCKED), int(Hold.SUBMIT))
    for pos, (name, blocked, package) in enumerate(items):
        yield job.pk, pos, ranks[pos], name, *(held if blocked else free), 0, 0, 0, -1, stamp, 0.0, package


def _insert_items(lines: Sequence[tuple[Any, ...]]) -> None:
    """COPY on PostgreSQL, one prepared INSERT on SQLite."""
    with connection.cursor() as cursor:
        if on_postgres():
            with cursor.copy(f"COPY work ({COLUMNS}) FROM STDIN") as copy:
                for line in lines:
                    copy.write_row(line)
        else:
            marks = ", ".join(["%s"] * len(COLUMNS.split(",")))
            cursor.executemany(f"INSERT INTO work ({COLUMNS}) VALUES ({marks})", lines)


def _ranks(job: JobRow, names: Sequence[str]) -> Sequence[int]:
    """The order of rendering: as submitted; or those that p_agenda names first; or, with the flag alone, first, last,
    then the medians.
    """
    places = range(len(names))
    wanted = job.extra.get("p_agenda")
    if wanted:
        known = set(names)
        first = list(chain.from_iterable([one] if one in known else map(str, frameset(one)) for one in wanted))
        nth = {name: place for place, name in reversed(list(enumerate(first)))}
        order = sorted(places, key=lambda pos: nth.get(names[pos], len(first)))
    elif job.flags & FLAGS["p_agenda"]:
        order = binarySort(list(places))
    else:
        return places
    ranks = [0] * len(names)
    for rank, pos in enumerate(order):
        ranks[pos] = rank
    return ranks


def _insert_range(job: JobRow, frames: range, places: range, now: datetime) -> None:
    """The items at these places of the range, made by the database itself."""
    series = (
        "generate_series(CAST(%s AS integer), CAST(%s AS integer)) AS n(p)"
        if on_postgres()
        else "(WITH RECURSIVE n(p) AS (SELECT %s UNION ALL SELECT p + 1 FROM n WHERE p < %s) SELECT p FROM n)"
    )
    stamp = "CAST(%s AS timestamptz)" if on_postgres() else "%s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO work ({COLUMNS}) SELECT %s, p, p, CAST(CAST(%s AS bigint) + CAST(%s AS bigint) * p AS text), "
            f"%s, 0, 0, 0, 0, -1, {stamp}, 0.0, NULL FROM {series}",
            [
                *(job.pk, frames.start, frames.step, int(Status.PENDING)),
                *(connection.ops.adapt_datetimefield_value(now), places[0], places[-1]),
            ],
        )


def complete(job: JobRow) -> None:
    """Stores all that is missing; the caller has locked the job."""
    while job.unfilled:
        _next_slice(job)


def _next_slice(job: JobRow) -> None:
    frames = frameset(job.filling)
    assert isinstance(frames, range)
    start = len(frames) - job.unfilled
    places = range(start, min(start + SLICE, len(frames)))
    now = clock()
    _insert_range(job, frames, places, now)
    job.unfilled -= len(places)
    job.filling = job.filling if job.unfilled else ""
    job.updated = now
    JobRow.objects.filter(pk=job.pk).update(unfilled=job.unfilled, filling=job.filling, updated=now)
    events.publish("job", [job.pk])


@writing
def _fill_slice(job_id: int) -> bool:
    """Whether there was something to fill, and nobody else was at it."""
    job = locked(JobRow.objects.filter(pk=job_id, unfilled__gt=0), skip=True).first()
    if job is not None:
        _next_slice(job)
    return job is not None


def fill(job_id: int) -> None:
    """Stores all that is missing of a job, a slice in each transaction, so that others come in between."""
    while _fill_slice(job_id):
        pass


def fill_forgotten() -> int:
    """Jobs whose process died before their range was stored; answers how many."""
    stale = clock() - STALE
    found = list(JobRow.objects.filter(unfilled__gt=0, updated__lt=stale).values_list("pk", flat=True))
    for job in found:
        fill(job)
    return len(found)


filler = Errands("filler", fill)
