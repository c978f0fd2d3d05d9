"""Why attempts failed: the error line, found in the attempt's own log once its bytes are here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from qbcore import events, logs
from qbcore.models import AttemptRow
from qbcore.signatures import find
from qbcore.states import Ending
from qbcore.writing import clock

WINDOW = 256 * 1024
RECENT = timedelta(minutes=10)


def explain(attempts: Iterable[int]) -> int:
    """Finds the error line of failed attempts whose log is here; answers how many were explained."""
    rows = AttemptRow.objects.filter(pk__in=list(attempts), ending=Ending.FAILED, error_key="")
    return sum(_explain(row) for row in rows)


def explain_recent() -> int:
    """Attempts whose report overtook their log: looked at again for a while."""
    since = clock() - RECENT
    rows = AttemptRow.objects.filter(ending=Ending.FAILED, ended__gt=since, error_key="").order_by("-ended")
    return sum(_explain(row) for row in rows[:500])


def _explain(row: AttemptRow) -> int:
    text, complete = _tail(row)
    if not complete and not row.message:
        return 0
    found = find(text, row.exit_code, row.signal)
    line = found.text if found else row.message or _plain(row)
    key = found.key if found else line
    AttemptRow.objects.filter(pk=row.pk, error_key="").update(error_line=line[:400], error_key=key[:400])
    events.publish("work", [row.job_id])
    return 1


def _plain(row: AttemptRow) -> str:
    return f"ended by signal {row.signal}" if row.signal else f"exit code {row.exit_code} without an error line"


def _tail(row: AttemptRow) -> tuple[bytes, bool]:
    """The end of what the attempt wrote, standard output first, and whether all of it is here."""
    parts, complete = [], True
    for stream in logs.STREAMS:
        start, end = logs.attempt_range(row, stream)
        _, here = logs.attempt_log(row.pk, stream, 0, 0)
        data, _ = logs.attempt_log(row.pk, stream, max(0, here - WINDOW))
        parts.append(data)
        complete = complete and here >= end - start
    return b"\n".join(part for part in parts if part), complete
