"""Bulk: 100,000 failed frames retried as a run, and more of them; priority of a thousand jobs; a large job killed.

Each line's floor is the same change of the same rows as one plain UPDATE of this run. `make bench ARGS=bulk`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, start, timed

TIMES = 2
SOME, MANY, KILLED = 100_000, 400_000, 200_000
JOBS, CHANGED = 10_000, 1_000
PENDING, FAILED = 320, 32


def submitted(count: int) -> int:
    """A job of so many frames, all stored; its id."""
    from qbcore import filling, submission

    package = {"cmdline": "true", "range": f"1-{count}"}
    job = submission.submit({"prototype": "cmdrange", "name": f"bulk {count}", "package": package, "cpus": 8})[0]["id"]
    filling.fill(int(job))
    return int(job)


def sql(*statements: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def fail(job: int, count: int) -> None:
    """All frames of the job have failed, and so has the job."""
    sql(
        f"UPDATE work SET status = {FAILED}, retries = 1, "
        "updated = CURRENT_TIMESTAMP, "
        f"finished = CURRENT_TIMESTAMP WHERE job_id = {job}",
        f"DELETE FROM delta WHERE job_id = {job}",
        f"UPDATE subjob SET status = {FAILED} WHERE job_id = {job}",
        f"UPDATE job SET status = {FAILED}, n_pending = 0, n_failed = {count}, s_pending = 0, s_failed = cpus "
        f"WHERE id = {job}",
    )
    settled()


def settled() -> None:
    """Nothing of what went before is left to be cleaned up while something is measured."""
    from django.db import connection

    sql(*(["VACUUM ANALYZE work", "CHECKPOINT"] if connection.vendor == "postgresql" else ["ANALYZE"]))


def raw(job: int, to: int, frm: int) -> float:
    change = f"status = {to}, retries = 0, losses = 0, held = 0, finished = NULL, updated = CURRENT_TIMESTAMP"
    return timed(lambda: sql(f"UPDATE work SET {change} WHERE job_id = {job} AND status = {frm}"))


def retried(job: int) -> float:
    """What a person's retry costs: the preview, freezing the frames, all slices with undo record, history and tally."""
    from qbcore import runs

    selection = runs.Selection((job,), statuses=("failed",))

    def act() -> None:
        runs.preview("retrywork", selection)
        runs.execute(runs.start("retrywork", selection), "bench")

    return timed(act)


def checked(job: int, word: str, count: int) -> None:
    """A figure of a run that did something else is worth nothing."""
    from qbcore.models import JobRow

    found = JobRow.objects.values_list(f"n_{word}", flat=True).get(pk=job)
    assert found == count, f"{found} of {count} frames of job {job} are {word}"


def retry(count: int, times: int) -> tuple[float, float]:
    """Seconds of the run and of the floor."""
    job, runs, floors = submitted(count), [], []
    for _ in range(times):
        fail(job, count)
        floors.append(raw(job, PENDING, FAILED))
        fail(job, count)
        runs.append(retried(job))
        checked(job, "pending", count)
    return statistics.median(runs), statistics.median(floors)


def killed() -> tuple[float, float]:
    """A job killed, and the UPDATE that its frames take."""
    from qbcore import verbs

    spent, floors = [], []
    for _ in range(TIMES):
        first, second = submitted(KILLED), submitted(KILLED)
        settled()
        floors.append(raw(first, 48, PENDING))
        spent.append(timed(lambda job=second: verbs.kill(job)))
        checked(second, "killed", KILLED)
    return statistics.median(spent), statistics.median(floors)


def prioritized() -> tuple[float, float]:
    """A thousand of ten thousand jobs get another priority; and the plain UPDATE of the same."""
    from qbcore import submission

    ids: list[int] = []
    for _ in range(JOBS // 1000):
        job = {"prototype": "cmdrange", "package": {"cmdline": "true", "range": "1-10"}}
        ids += [int(one["id"]) for one in submission.submit([dict(job) for _ in range(1000)])]
    some = ids[:: JOBS // CHANGED]
    named = ", ".join(map(str, some))
    floors = [timed(lambda n=n: sql(f"UPDATE job SET priority = {n} WHERE id IN ({named})")) for n in (11, 12, 13)]
    spent = []
    for priority in (100, 200, 300):
        settled()
        spent.append(timed(lambda priority=priority: submission.modify({"priority": priority}, some)))
    return statistics.median(spent), statistics.median(floors)


def figures() -> list[Figure]:
    from qbcore import acting, filling, runs

    filling.filler.add = lambda job: None  # what fills is not measured here
    runs.set_queue(lambda run: None)  # carried out in this process, at once
    rows: list[tuple[str, Callable[[], tuple[float, float]], float | None]] = [
        (f"priority of {CHANGED:,} of {JOBS:,} jobs", prioritized, 0.1),
        (f"retry of {SOME:,} failed frames, previewed", lambda: retry(SOME, TIMES), None),
        (f"retry of {MANY:,} failed frames, previewed", lambda: retry(MANY, 1), None),
        (f"kill of a job of {KILLED:,} frames", killed, None),
    ]
    found = []
    with acting.acting_as(acting.FARM):
        for name, act, target in rows:
            measured, floor = act()
            found.append(Figure(name, measured, target or 2 * floor, floor))
    return found


if __name__ == "__main__":
    print(start())
    print(HEAD)
    for figure in figures():
        print(figure)
