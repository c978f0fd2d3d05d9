"""How much of a job is in which status, up to what is committed."""

from __future__ import annotations

from django.db import connection

from qbcore.states import Status

WORDS = tuple(status.word for status in Status)
UNFOLDED = f"""
SELECT job.id, {", ".join(f"job.n_{word} + d.{word}" for word in WORDS)}
FROM job JOIN (SELECT job_id, {", ".join(f"SUM({word}) AS {word}" for word in WORDS)} FROM delta GROUP BY job_id) AS d
ON d.job_id = job.id
"""


def unfolded() -> dict[int, dict[Status, int]]:
    """The tallies of work of all jobs that have changes not folded yet: counter and changes, read in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(UNFOLDED)
        return {row[0]: dict(zip(Status, map(int, row[1:]), strict=True)) for row in cursor.fetchall()}
