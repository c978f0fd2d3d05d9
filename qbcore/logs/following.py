"""A log as it grows, for somebody who follows it: what came since, attempt by attempt, each piece once.

Of an attempt only that is told whose place cannot change any more, and the next one begins when nothing of this one is
to come. So a place in a log is an attempt and how many bytes of it were told, and stays right whatever arrives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import QuerySet

from qbcore.errors import Invalid
from qbcore.logs.attempts import AWAITED, GrantFiles, files_of, range_of, woven
from qbcore.logs.places import GONE, STREAMS
from qbcore.logs.weaving import Range, Segment, cut_off
from qbcore.models import AttemptRow, GrantRow
from qbcore.writing import clock

MOST = 1024 * 1024
"""Bytes of one log that are told at once."""
AT_ONCE = 256
"""Attempts of one log that are looked at at once."""
NEEDED = (
    *("job_id", "subjob", "grant_id", "pos", "frame", "number", "host_name", "started", "ended", "reported"),
    *("out_from", "out_to", "err_from", "err_to"),
)
PLACE = re.compile(r"(\d{1,18}):(\d{1,18})")


@dataclass(slots=True)
class Followed:
    """What came. `next`: the place to go on from; `settled`: nothing more is to come of the attempts that are known."""

    pieces: list[tuple[AttemptRow, Segment]] = field(default_factory=list)
    next: str = ""
    settled: bool = True


def follow(rows: QuerySet[AttemptRow], since: str) -> Followed:
    """What the log of these attempts has grown by since a place, which is "" at the beginning."""
    attempt, offset = place(since)
    found, room = Followed(next=since), MOST
    ordered = _ordered(rows)
    begin = next((at for at, (row, _) in enumerate(ordered) if row.pk == attempt), 0)
    for number, (row, after) in enumerate(ordered[begin:]):
        found.settled = number < AT_ONCE and room > 0
        if not found.settled:
            break
        told_before = offset if row.pk == attempt else 0
        told, found.settled = _news(row, after, told_before, room)
        taken = sum(len(segment.data) for segment in told)
        room -= taken
        found.pieces += [(row, segment) for segment in told]
        found.next = f"{row.pk}:{told_before + taken}"
        if not found.settled:
            break
    return found


def place(since: object) -> tuple[int, int]:
    """An attempt and a number of bytes; (0, 0) is the beginning. Raises Invalid."""
    found = PLACE.fullmatch(since) if isinstance(since, str) else None
    if since and not found:
        raise Invalid(f"{since!r} is no place in a log", field="since", hint="Give what the row before said as next.")
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _ordered(rows: QuerySet[AttemptRow]) -> list[tuple[AttemptRow, Range]]:
    """The attempts in the order of their logs, each with where the ones before it in its grant's files have ended.

    An item of a program lies within what its program wrote.
    """
    gone = GrantRow.objects.filter(pk__in=rows.values("grant_id"), logs=GONE).values("pk")
    known = rows.exclude(grant_id__in=gone).only(*NEEDED)
    ranges = [(row, [range_of(row, stream) for stream in STREAMS]) for row in known]
    ranges.sort(key=lambda one: (one[0].grant_id, *(begin for begin, _ in one[1]), *_began(one[0])))
    found: list[tuple[AttemptRow, Range]] = []
    grant, after = 0, (0, 0)
    for row, ((_, out), (_, err)) in ranges:
        after = after if row.grant_id == grant else (0, 0)
        found.append((row, after))
        grant, after = row.grant_id, (max(after[0], out), max(after[1], err))
    return found


def _began(row: AttemptRow) -> tuple[bool, datetime, int]:
    """Of those that begin at one place: a program before its items, else the one that wrote nothing first."""
    return row.pos >= 0, row.started, row.pk


def _news(row: AttemptRow, after: Range, offset: int, room: int) -> tuple[list[Segment], bool]:
    """The pieces of an attempt from *offset* on, and whether these are its last."""
    over = row.ended is not None and row.ended < clock() - AWAITED
    with files_of(row.job_id, row.subjob, row.grant_id) as files:
        if not (over or files.marks or _has_none(row)):
            return [], False  # they are on their way; without them its pieces have no order yet
        log = woven(row, files, after, steady=not over)
        told = list(log.segments(offset, room))
        here = offset + sum(len(segment.data) for segment in told) >= log.size
        arrived = over or (log.settled and _arrived(row, files))
    if told and not here:
        told[-1] = replace(told[-1], data=told[-1].data[: len(told[-1].data) - cut_off(told[-1].data)])
    return told, here and arrived


def _has_none(row: AttemptRow) -> bool:
    """Whether no marks are to be waited for: an older worker sends none."""
    return row.started < clock() - AWAITED


def _arrived(row: AttemptRow, files: GrantFiles) -> bool:
    """Whether all that it wrote is here."""
    return row.reported and files.out.size >= row.out_to and files.err.size >= row.err_to
