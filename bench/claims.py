"""Frames claimed and reported on one hot job by eight hosts at once, sixteen at a time. `make bench` runs it.

What is measured is the door of the worker's protocol (`backend.sync`): on PostgreSQL in two processes of four threads,
as web processes have them, and again in eight processes, each of which also folds and tells the others what is new; on
SQLite in eight threads of one process, as the farm itself is one there. Afterwards the tallies are compared with the
counted rows, and the attempts with the frames that the hosts reported. The floor is the same rows claimed, completed
and recorded by bare statements that check nothing, in eight processes.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, start

HOSTS = 8
WEBS = 2
BATCH = 16
SECONDS = 8.0
FLOOR_SECONDS = 4.0
FRAMES = 400_000
TARGET = 8000.0
Done = tuple[int, float]
"""How many frames were done, in how many seconds."""


class Claimer:
    """A host with one slot whose frames all take a sixteenth of a second, as it says, and none in truth."""

    def __init__(self, number: int) -> None:
        from qbcore import hosts, permissions

        joined = hosts.join({"name": f"claimer{number}", "token": permissions.new_join_token(), "protocol": 1})
        self.id, self.session, self.seq = joined["host"], f"{number:032x}", 0
        facts = {"os": "Linux", "slots": 1}
        hosts.hello(self.id, {"protocol": 1, "session": self.session, "facts": facts, "held": {}})
        self.frames: dict[int, list[dict[str, Any]]] = {}

    def sync(self, reports: list[dict[str, Any]]) -> int:
        """One request: says what is done, takes what it is given; how many frames that was."""
        from qbcore import backend

        self.seq += 1
        said: dict[str, Any] = {"session": self.session, "seq": self.seq, "reports": reports}
        said |= {"held": {str(grant): [] for grant in self.frames}, "want": list(self.frames)}
        said |= {"room": not self.frames, "load": {"cpu": 0.5, "memory": 1000}}
        answer = backend.sync(self.id, said)
        for given in answer["starts"]:
            self.frames[given["grant"]] = given["frames"]
        for grant, frames in answer["frames"].items():
            self.frames[int(grant)] = frames
        for grant in answer["over"]:
            del self.frames[grant]
        return len(answer["accepted"])

    def reports(self) -> list[dict[str, Any]]:
        found = [
            {"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0, "elapsed": 1 / BATCH,
             "rss": 4096, "cpu": 0.05, "out": [0, 0], "err": [0, 0], "result": {}}
            for grant, frames in self.frames.items() for frame in frames
        ]  # fmt: skip
        self.frames = {grant: [] for grant in self.frames}
        return found

    def run(self, seconds: float) -> Done:
        """Claims and reports for so long; what it holds at the end is reported too."""
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            done += self.sync(self.reports())
        spent = time.perf_counter() - began
        return done + self.sync(self.reports()), spent


def warm(claimer: Claimer) -> None:
    """Until the job's frames are known to be short, which the fold tells."""
    from qbcore.models import JobRow

    deadline = time.monotonic() + 20
    while not JobRow.objects.filter(timed__gt=0).exists() or len(next(iter(claimer.frames.values()), [])) < BATCH:
        claimer.sync(claimer.reports())
        if time.monotonic() > deadline:
            raise SystemExit(f"the claimer was never given {BATCH} frames at once")


def claim(number: int, barrier: Any, answers: Any) -> None:
    """One of the eight."""
    claimer = Claimer(number)
    warm(claimer)
    barrier.wait(60)
    answers.put(claimer.run(SECONDS))


def together(act: Any, numbers: range, barrier: Any, answers: Any) -> None:
    """Some of the eight as the threads of one process."""
    import django

    django.setup()
    with ThreadPoolExecutor(len(numbers)) as pool:
        for one in [pool.submit(act, number, barrier, answers) for number in numbers]:
            one.result()


def in_processes(act: Any, processes: int = HOSTS, first: int = 0) -> list[Done]:
    """The claimers from number *first* on, spread over so many processes."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(HOSTS), context.Queue()
    each = HOSTS // processes
    shares = [range(start, start + each) for start in range(first, first + HOSTS, each)]
    found = [context.Process(target=together, args=(act, share, barrier, answers)) for share in shares]
    for one in found:
        one.start()
    done = [answers.get(timeout=SECONDS + 120) for _ in range(HOSTS)]
    for one in found:
        one.join(20)
    return done


def in_threads(act: Any) -> list[Done]:
    """Each thread's answers go into a list that a process would put into a queue."""
    import queue

    barrier: threading.Barrier = threading.Barrier(HOSTS)
    answers: queue.SimpleQueue[Done] = queue.SimpleQueue()
    with ThreadPoolExecutor(HOSTS) as pool:
        for one in [pool.submit(act, number, barrier, answers) for number in range(HOSTS)]:
            one.result()
    return [answers.get() for _ in range(HOSTS)]


CLAIM = (
    "UPDATE work SET status = 336, attempt_id = 1, grant_id = %s, started = {now}, updated = {now} WHERE job_id = -1 "
    "AND pos IN (SELECT pos FROM work WHERE job_id = -1 AND status = 320 ORDER BY rank LIMIT 16 {skip}) RETURNING pos"
)
REPORT = (
    "UPDATE work SET status = 16, attempt_id = NULL, grant_id = NULL, finished = {now}, updated = {now} "
    "WHERE job_id = -1 AND pos IN ({places})"
)
ATTEMPT = (
    'INSERT INTO attempt (id, job_id, job_name, show, "user", pos, frame, subjob, number, grant_id, host_id, '
    "host_name, started, ended, ending, reported, message, seconds, cpu, max_rss, out_from, out_to, err_from, err_to, "
    "error_line, error_key, overdue) SELECT -pos - 1, -1, '', '', '', pos, '', 0, 1, 1, 1, '', {now}, {now}, "
    "'complete', true, '', 0, 0, 0, 0, 0, 0, 0, '', '', false FROM work WHERE job_id = -1 AND pos IN ({places})"
)
DELTA = (
    "INSERT INTO delta (job_id, pending, running, complete, failed, killed, blocked, waiting, suspended, timed, "
    "seconds, turned) VALUES (-1, -16, 0, 16, 0, 0, 0, 0, 0, 16, 1, '')"
)


def bare(number: int, barrier: Any, answers: Any) -> None:
    """The floor: claims and completes without looking at what it is given."""
    from django.db import connection, transaction

    from qbcore.writing import on_postgres, turns

    words = {"now": "now()" if on_postgres() else "datetime('now')", "skip": "FOR UPDATE SKIP LOCKED"}
    if not on_postgres():
        words["skip"] = ""
    mine: list[int] = []
    done = 0
    barrier.wait(60)
    began = time.perf_counter()
    while time.perf_counter() - began < FLOOR_SECONDS:
        turn = nullcontext() if on_postgres() else turns.taken()
        with turn, transaction.atomic(), connection.cursor() as cursor:
            if mine:
                places = ", ".join(map(str, mine))
                cursor.execute(ATTEMPT.format(places=places, **words))
                cursor.execute(REPORT.format(places=places, **words))
                cursor.execute(DELTA)
                done += len(mine)
            cursor.execute(CLAIM.format(**words), [number])
            mine = [row[0] for row in cursor.fetchall()]
    answers.put((done, time.perf_counter() - began))


def stored(job: int, count: int) -> None:
    """The frames of the floor's job, which is none."""
    from django.db import connection

    from qbcore.models import WorkRow

    with connection.cursor() as cursor:
        if job != -1:
            columns = ("rank, name, status, held, retries, losses, attempts, subjob, updated, seconds",)
            cursor.execute(
                f"INSERT INTO work (job_id, pos, {columns[0]}) SELECT -1, pos, {columns[0]} FROM work "
                "WHERE job_id = %s AND pos < %s",
                [job, count],
            )
        else:
            WorkRow.objects.filter(job_id=-1).delete()
            cursor.execute("DELETE FROM attempt WHERE job_id = -1")
            cursor.execute("DELETE FROM delta WHERE job_id = -1")
        cursor.execute("ANALYZE work")


def verify(job: int, reported: int) -> str:
    """What is true afterwards, or why the figure counts for nothing."""
    from django.db.models import Count

    from qbcore import folding
    from qbcore.models import AttemptRow, JobRow, WorkRow
    from qbcore.states import Status

    folding.fold(job)
    row = JobRow.objects.get(pk=job)
    counted = dict(WorkRow.objects.filter(job_id=job).values_list("status").annotate(n=Count("pos")).order_by())
    wrong = [one.word for one in Status if getattr(row, f"n_{one.word}") != counted.get(one, 0)]
    attempts = AttemptRow.objects.filter(job_id=job, ending="complete").count()
    complete = counted.get(Status.COMPLETE, 0)
    if wrong or attempts != complete or complete < reported:
        raise SystemExit(f"wrong tallies {wrong}, {complete} complete, {attempts} attempts, {reported} reported")
    return f"{complete:,} frames: tallies and attempts exact"


def rate(done: list[Done]) -> float:
    """Frames a second of all together."""
    return sum(count / spent for count, spent in done)


def figures() -> list[Figure]:
    from django.db import connection

    from qbcore import filling, submission
    from qbcore.writing import on_postgres

    filling.filler.add = lambda job: None
    package = {"cmdline": "true", "range": f"1-{FRAMES}"}
    job = int(submission.submit({"prototype": "cmdrange", "cpus": 2 * HOSTS, "package": package})["id"])
    filling.fill(job)
    stored(job, FRAMES // 2)
    connection.close()
    floor = rate(in_processes(bare) if on_postgres() else in_threads(bare))
    stored(-1, 0)
    connection.close()
    done = in_processes(claim, WEBS) if on_postgres() else in_threads(claim)
    connection.close()
    apart = in_processes(claim, first=HOSTS) if on_postgres() else []
    note = verify(job, sum(count for count, _ in [*done, *apart]))
    name = f"frames claimed on one hot job, {HOSTS} claimers, K={BATCH}"
    found = [Figure(name, rate(done), TARGET, floor, note, "/s")]
    return [*found, Figure(f"  by {HOSTS} processes", rate(apart), TARGET, floor, "", "/s")] if apart else found


if __name__ == "__main__":
    print(start())
    print(HEAD, os.getpid())
    for figure in figures():
        print(figure)
