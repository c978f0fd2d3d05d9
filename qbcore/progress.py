"""How far running attempts are, as their workers say: written for all hosts of a moment in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection

from qbcore import events
from qbcore.errors import Invalid
from qbcore.writing import writing

MOST = 4096  # attempts of one host in one message
HINT = "progress"
"""The kind of news; its ids are those of the jobs."""
Told = dict[int, int]
"""Percent by attempt."""


def read(said: Any) -> Told:
    """What a worker says, checked: percent by attempt. Raises Invalid."""
    if not isinstance(said, Mapping) or len(said) > MOST:
        raise Invalid(f"progress must be a dictionary of at most {MOST} attempts", field="progress")
    found: Told = {}
    for attempt, percent in said.items():
        number = int(attempt) if isinstance(attempt, str) and attempt.isdecimal() and len(attempt) < 19 else 0
        if not number or isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= 100:
            raise Invalid("progress gives 0 to 100 by the number of an attempt", field=f"progress.{attempt!s:.20}")
        found[number] = percent
    return found


def store(told: Mapping[int, Told]) -> list[int]:
    """Notes it, by host; the jobs whose frames it is of. Nothing goes back, and what has ended stays as it is."""
    rows = sorted((attempt, percent, host) for host, some in told.items() for attempt, percent in some.items())
    jobs: set[int] = set()
    for start in range(0, len(rows), MOST):
        jobs.update(_store(rows[start : start + MOST]))
    return sorted(jobs)


@writing
def _store(rows: list[tuple[int, int, int]]) -> set[int]:
    values = ", ".join(["(CAST(%s AS bigint), CAST(%s AS integer), CAST(%s AS bigint))"] * len(rows))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE attempt SET progress = v.column2 FROM (VALUES {values}) AS v "
            "WHERE attempt.id = v.column1 AND attempt.host_id = v.column3 AND attempt.ended IS NULL "
            "AND (attempt.progress IS NULL OR attempt.progress < v.column2) RETURNING attempt.job_id",
            [cell for row in rows for cell in row],
        )
        jobs = {int(job) for (job,) in cursor.fetchall()}
    if jobs:
        events.publish(HINT, jobs)
    return jobs
