"""Reading: jobinfo over 100,000 jobs by its filters, an agenda of 100,000 frames. `make bench` runs it.

Measured is the function itself, rows to objects; the floor of each line is the same rows fetched by plain SQL.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, start, timed

JOBS = 100_000
FRAMES = 100_000
TIMES = 7
chance = random.Random(3)


def rows() -> Iterator[Any]:
    """Jobs of ten frames: most are over, some failed, a few run."""
    from django.utils import timezone

    from qbcore.models import JobRow
    from qbcore.states import Status

    now = timezone.now()
    for number in range(1, JOBS + 1):
        status = chance.choices(
            [Status.COMPLETE, Status.PENDING, Status.FAILED, Status.RUNNING], weights=[80, 15, 4, 1]
        )[0]
        at = now - timedelta(minutes=JOBS - number)
        yield JobRow(
            id=number, pgrp=number, name=f"shot_{number % 5000:04d}_comp_v{number % 9}", user=f"user{number % 90}",
            prototype="cmdrange", show=f"show{number % 40}", cluster=f"/show{number % 40}/unit{number % 7}",
            priority=chance.choice([9999, 5000, 100]), cpus=1, todo=10, package={"cmdline": "true", "range": "1-10"},
            status=status, timesubmit=at, updated=at, **{f"n_{status.word}": 10, f"s_{status.word}": 1},
        )  # fmt: skip


def fill() -> None:
    from django.core.management import call_command
    from django.db import connection, transaction

    from qbcore.models import JobRow

    call_command("flush", interactive=False, verbosity=0)
    batch: list[Any] = []
    with transaction.atomic():
        for row in rows():
            batch.append(row)
            if len(batch) == 5000:
                JobRow.objects.bulk_create(batch, batch_size=400)
                batch.clear()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence('job', 'id'), %s)", [JOBS])
        cursor.execute("ANALYZE")


QUESTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("id=5000", {"id": 5000}, "id = 5000"),
    ("status='running' (1 %)", {"status": "running"}, "status = 336"),
    ("status='failed' (4 %)", {"status": "failed"}, "status = 32"),
    ("user (1 %)", {"filters": {"user": "user7"}}, "\"user\" = 'user7'"),
    ("user and status", {"filters": {"user": "user7"}, "status": "failed"}, "\"user\" = 'user7' AND status = 32"),
    ("name with wildcards (0.02 %)", {"filters": {"name": "shot_0042_*"}}, "name LIKE 'shot\\_0042\\_%%' ESCAPE '\\'"),
    ("name by regular expression (0.02 %)", {"filters": {"name": "~^shot_0042_"}}, "name LIKE 'shot_0042_%%'"),
    ("cluster with wildcards (2.5 %)", {"filters": {"cluster": "/show7/*"}}, "cluster LIKE '/show7/%%'"),
    ("priority, the first 100", {"filters": {"priority": 100}, "limit": 100}, "priority = 100 ORDER BY id LIMIT 100"),
    ("orderby='id DESC', 100", {"orderby": "id DESC", "limit": 100}, "true ORDER BY id DESC LIMIT 100"),
    ("orderby='priority ASC', 100", {"orderby": "priority ASC", "limit": 100}, "true ORDER BY priority LIMIT 100"),
    ("pgrp", {"filters": {"pgrp": 777}}, "pgrp = 777"),
]


def asked(kwargs: dict[str, Any]) -> float:
    from qbcore.queries import jobinfo

    return statistics.median(timed(lambda: jobinfo(**kwargs)) for _ in range(TIMES))


def fetched(sql: str) -> float:
    from django.db import connection

    def fetch() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            cursor.fetchall()

    return statistics.median(timed(fetch) for _ in range(TIMES))


def figures() -> list[Figure]:
    from qbcore import queries, submission
    from qbcore.ranges import genframes

    fill()
    found = [
        Figure(
            f"jobinfo of 100,000 jobs, {name}", asked(kwargs), floor=fetched(f"SELECT * FROM job WHERE {where}"),
            note=f"{len(queries.jobinfo(**kwargs)):,} jobs",
        )
        for name, kwargs, where in QUESTIONS
    ]  # fmt: skip
    job = submission.submit(
        {"prototype": "cmdrange", "package": {"cmdline": "true"}, "agenda": genframes(f"1-{FRAMES}")}
    )["id"]
    agenda = statistics.median(timed(lambda: queries.jobinfo(id=job, agenda=True)) for _ in range(3))
    found.append(
        Figure(
            "jobinfo(agenda=True) of 100,000 frames", agenda, floor=fetched(f"SELECT * FROM work WHERE job_id={job}")
        )
    )
    return found


if __name__ == "__main__":
    print(start())
    print(HEAD)
    for figure in figures():
        print(figure)
