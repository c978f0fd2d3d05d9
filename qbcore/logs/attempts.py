"""What one attempt wrote: its parts of its grant's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Max

from qbcore.logs.files import opened
from qbcore.logs.marks import Marks, marks_of
from qbcore.logs.places import path
from qbcore.logs.seekable import Bytes
from qbcore.logs.weaving import Range, Strand, Woven
from qbcore.models import AttemptRow
from qbcore.writing import clock

AWAITED = timedelta(seconds=10)
"""How long the marks of an attempt that has ended are waited for by somebody who follows it."""
ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True)
class GrantFiles:
    """The open files of a grant."""

    out: Bytes
    err: Bytes
    marks: Marks

    def of(self, stream: str) -> Bytes:
        return self.out if stream == "out" else self.err


@contextmanager
def files_of(job: int, subjob: int, grant: int) -> Iterator[GrantFiles]:
    """Marks first: what they speak of is then likely to be here."""
    told = marks_of(path(job, subjob, grant, "marks"))
    with opened(path(job, subjob, grant, "out")) as out, opened(path(job, subjob, grant, "err")) as err:
        yield GrantFiles(out, err, told)


def range_of(row: AttemptRow, stream: str) -> Range:
    """Where the attempt's bytes stand in its grant's file; a running one has all after the one before it."""
    begun, end = (row.out_from, row.out_to) if stream == "out" else (row.err_from, row.err_to)
    if row.reported:
        return begun, end
    rows = AttemptRow.objects.filter(job_id=row.job_id, grant_id=row.grant_id, reported=True)
    earlier = rows.filter(started__lte=row.started).exclude(pk=row.pk)  # numbers of attempts are in no order
    return max(begun, earlier.aggregate(end=Max(f"{stream}_to"))["end"] or 0), ENDLESS


def strand(row: AttemptRow, stream: str, file: Bytes, *, after: int = 0) -> Strand:
    """The attempt's part of what is here, from *after* on if it began before that."""
    begin, end = range_of(row, stream)
    begin = max(begin, after)
    return Strand(stream, file, begin, max(begin, min(end, file.size)))


def woven(row: AttemptRow, files: GrantFiles, after: Range = (0, 0), *, steady: bool = False) -> Woven:
    """Both streams in the order of their coming. `steady`: for somebody who follows, nothing whose place may change."""
    out, err = (
        strand(row, stream, files.of(stream), after=begin) for stream, begin in zip(("out", "err"), after, strict=True)
    )
    told = files.marks
    if not row.reported or out.end < row.out_to or err.end < row.err_to:
        told = told.until(out.end, err.end)
    settled = row.reported and (told.cover(row.out_to, row.err_to) or _is_long_over(row))
    return Woven(out, err, told, whole=settled or not steady)


def _is_long_over(row: AttemptRow) -> bool:
    return row.ended is not None and row.ended < clock() - AWAITED
