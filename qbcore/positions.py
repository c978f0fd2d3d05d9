"""Which items of a job are meant: by position in a query, by name, or by a range of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db.models import Q, QuerySet

from qbcore import filling, spans
from qbcore.control.places import among, islands
from qbcore.models import WorkRow
from qbcore.ranges import frameset

FEW = 200
FRAME = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def at(found: spans.Spans) -> Q:
    """A set of positions as a filter: ranges while they are few, else a list."""
    return among(found)


def runs_of(rows: QuerySet[WorkRow]) -> spans.Spans:
    """Where the items of one job stand, as runs of neighbours that the database itself puts together."""
    return islands(rows).get((), [])


def positions_named(job_id: int, names: Sequence[str]) -> spans.Spans:
    """Where the items stand that these texts mean: an exact name first, else the frames of a range; `*` is all."""
    filling.fill(job_id)
    rows = WorkRow.objects.filter(job_id=job_id).order_by("pos")
    if "*" in names:
        return runs_of(rows)
    exact = dict(rows.filter(name__in=names).values_list("pos", "name"))
    ranges = [frames for name in set(names) - set(exact.values()) for frames in _frames_of(name)]
    if sum(map(len, ranges)) <= FEW:
        found = rows.filter(name__in={str(frame) for frames in ranges for frame in frames})
        return spans.of(sorted({*exact, *found.values_list("pos", flat=True)}))
    known = rows.values_list("pos", "name").iterator()  # a range may be far longer than the job
    return spans.of(pos for pos, name in known if pos in exact or _is_in(name, ranges))


def _frames_of(name: str) -> list[Sequence[int]]:
    """Each range of a comma list; empty for what is no range: an unknown id, which is absent from the answer."""
    parts = [frameset(part) for part in name.split(",")]
    return parts if all(parts) else []


def _is_in(name: str, ranges: Sequence[Sequence[int]]) -> bool:
    """Whether an item's name is a bare frame number of one of the ranges."""
    if not FRAME.fullmatch(name):
        return False
    number = int(name)
    return any(number in frames for frames in ranges)
