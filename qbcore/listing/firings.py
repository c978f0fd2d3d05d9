"""What the callbacks of a job have done, as pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qbcore.acting import current
from qbcore.models import CallbackRow, FiringRow
from qbcore.permissions import may

SHOWN = 200


@dataclass(frozen=True, slots=True)
class FiringLine:
    """One firing. `state` is waiting, done, failed or refused; `message` says what came of it, or why it waits."""

    id: int
    callback: int
    language: str
    at: datetime
    event: str
    frame: str
    subjob: int
    state: str
    tries: int
    due: datetime
    message: str


def firings_of(job: int) -> list[FiringLine]:
    """The firings of a job's callbacks, the last first; the mail that a flag asks for is of callback 0. Two queries."""
    if not may(current(), "see", job=job):
        return []
    rows = list(FiringRow.objects.filter(job_id=job).order_by("-pk")[:SHOWN])
    known = CallbackRow.objects.filter(pk__in={row.callback_id for row in rows})
    languages = dict(known.values_list("pk", "language"))
    return [_line(row, languages.get(row.callback_id, "" if row.callback_id else "mail")) for row in rows]


def _line(row: FiringRow, language: str) -> FiringLine:
    return FiringLine(
        id=row.pk,
        callback=row.callback_id,
        language=language,
        at=row.at,
        event=row.event,
        frame=row.frame,
        subjob=row.subjob,
        state=row.state,
        tries=row.tries,
        due=row.due,
        message=row.message,
    )
