"""Submitting: one job, a thousand, 100,000 explicit frames, a range of a million. `make bench` runs it.

What is measured goes through the HTTP API in this process: reading the JSON, checking, storing, answering. The floors
are the same rows given to the database as fast as it takes them: COPY or executemany for explicit frames, one
INSERT ... SELECT for a range.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, median, start, timed

COLUMNS = "job_id, pos, rank, name, status, held, retries, losses, attempts, subjob, updated, seconds, package"


def call(token: str, *jobs: dict[str, object]) -> list[int]:
    """Submits over the API; the ids of the jobs."""
    from django.test import Client

    answer = Client(headers={"host": "localhost"}).post(
        "/api/v1/submit",
        json.dumps({"args": list(jobs)}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.content[:500]
    return [job["id"] for job in answer.json()["result"]]


def explicit(count: int) -> dict[str, object]:
    agenda = [{"name": str(number), "package": {"shot": f"s{number % 100}"}} for number in range(1, count + 1)]
    return {"prototype": "cmdrange", "name": "explicit", "package": {"cmdline": "true"}, "agenda": agenda}


def ranged(text: str) -> dict[str, object]:
    return {"prototype": "cmdrange", "name": "ranged", "package": {"cmdline": "true", "range": text}}


def copy_floor(count: int) -> float:
    """The rows of explicit frames, as fast as the database takes them."""
    from django.db import connection, transaction
    from django.utils import timezone

    from qbcore.models import WorkRow

    now = timezone.now()
    stamp = now if connection.vendor == "postgresql" else connection.ops.adapt_datetimefield_value(now)
    lines = [
        (-1, pos, pos, str(pos + 1), 320, 0, 0, 0, 0, -1, stamp, 0.0, json.dumps({"shot": f"s{pos % 100}"}))
        for pos in range(count)
    ]

    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                with cursor.copy(f"COPY work ({COLUMNS}) FROM STDIN") as copy:
                    for line in lines:
                        copy.write_row(line)
            else:
                marks = ", ".join(["%s"] * len(lines[0]))
                cursor.executemany(f"INSERT INTO work ({COLUMNS}) VALUES ({marks})", lines)

    spent = timed(write)
    WorkRow.objects.filter(job_id=-1).delete()
    return spent


def range_floor(count: int) -> float:
    """A range, made by the database itself in one statement."""
    from django.db import connection, transaction

    from qbcore.models import WorkRow

    postgres = connection.vendor == "postgresql"
    numbers = (
        f"generate_series(0, {count - 1}) AS n(p)"
        if postgres
        else f"(WITH RECURSIVE n(p) AS (SELECT 0 UNION ALL SELECT p + 1 FROM n WHERE p < {count - 1}) SELECT p FROM n)"
    )
    now = "now()" if postgres else "'2026-01-01 00:00:00'"

    def write() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO work ({COLUMNS}) SELECT -1, p, p, CAST(p + 1 AS text), 320, 0, 0, 0, 0, -1, {now}, 0.0, "
                f"NULL FROM {numbers}"
            )

    spent = timed(write)
    WorkRow.objects.filter(job_id=-1).delete()
    return spent


def filled(token: str, count: int) -> tuple[float, float]:
    """A long range: seconds until the answer, and until its last frame is stored."""
    from qbcore import filling

    ids: list[int] = []
    answered = timed(lambda: ids.extend(call(token, ranged(f"1-{count}"))))
    return answered, answered + timed(lambda: filling.fill(ids[0]))


def figures() -> list[Figure]:
    from qbcore import filling, permissions

    filling.filler.add = lambda job: None  # what fills is timed by itself
    token = permissions.new_token(permissions.ensure_user("bench", role="admin"), label="bench")
    call(token, explicit(10))
    one = median(lambda: call(token, ranged("1-10")), 50)
    thousand = median(lambda: call(token, *(ranged("1-10") for _ in range(1000))))
    floors, explicits, answers, fills, selects = [], [], [], [], []
    for _ in range(3):
        floors.append(copy_floor(100_000))
        explicits.append(timed(lambda: call(token, explicit(100_000))))
    for _ in range(3):
        selects.append(range_floor(1_000_000))
        answered, done = filled(token, 1_000_000)
        answers.append(answered)
        fills.append(done)
    floor, select = statistics.median(floors), statistics.median(selects)
    return [
        Figure("submit one job of 10 frames", one),
        Figure("submit 1,000 jobs of 10 frames in one call", thousand),
        Figure("submit 100,000 explicit frames", statistics.median(explicits), 4 * floor, floor),
        Figure("submit a range of 1,000,000: answer", statistics.median(answers), 1.0),
        Figure("  and its last frame stored", statistics.median(fills), 2 * select, select),
    ]


if __name__ == "__main__":
    print(start())
    print(HEAD)
    for figure in figures():
        print(figure)
