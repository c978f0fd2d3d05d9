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
MOST = 500
RECENT = timedelta(minutes=10)


def explain(attempts: Iterable[int]) -> int:
    """Finds the error line of failed attempts whose log is here; answers how many were explained."""
    wanted = list(attempts)
    return _explain(AttemptRow.objects.filter(pk__in=wanted, ending=Ending.FAILED, error_key="")) if wanted else 0


def explain_recent() -> int:
    """Attempts whose report overtook their log: looked at again for a while."""
    since = clock() - RECENT
    rows = AttemptRow.objects.filter(ending=Ending.FAILED, ended__gt=since, error_key="").order_by("-ended")
    return _explain(rows[:MOST])


def _explain(rows: Iterable[AttemptRow]) -> int:
    explained = [row for row in rows if _found(row)]
    if explained:
        AttemptRow.objects.bulk_update(explained, ["error_line", "error_key"], batch_size=200)
        events.publish("work", {row.job_id for row in explained})
    return len(explained)


def _found(row: AttemptRow) -> bool:
    """Whether the attempt's error line is known now; it is kept in the row."""
    text, complete = logs.tail(row, WINDOW)
    if not complete and not row.message:
        return False
    found = find(text, row.exit_code, row.signal)
    line = found.text if found else row.message or _plain(row)
    row.error_line, row.error_key = line[:400], (found.key if found else line)[:400]
    return True


def _plain(row: AttemptRow) -> str:
    if row.exit_code is None and not row.signal:
        return "the program said that it failed, without an error line"
    return f"ended by signal {row.signal}" if row.signal else f"exit code {row.exit_code} without an error line"
