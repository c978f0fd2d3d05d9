"""Frames of /bin/true through the whole farm: one web process, one worker with four slots, both as in production.

From the first attempt's start to the last frame's end, as the rows say. The floors of the same run: four loops that do
nothing but start /bin/true and wait for it, and a Celery worker of four processes whose tasks start it. On SQLite the
web process is the one that there is, and Celery has no Redis: its floor is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, Figure, start
from bench.rest import serving
from tests.servers import free_port

SLOTS = 4
FRAMES = int(os.environ.get("BENCH_FRAMES", "10000"))
TASKS = 2000
FLOOR_SECONDS = 3.0
TARGET = 1000.0


def spawn(seconds: float = FLOOR_SECONDS) -> float:
    """Processes a second that four loops start and wait for."""

    def loop(_: int) -> int:
        count, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            subprocess.Popen(["/bin/true"], stdin=subprocess.DEVNULL, start_new_session=True).wait()
            count += 1
        return count

    with ThreadPoolExecutor(SLOTS) as pool:
        return sum(pool.map(loop, range(SLOTS))) / seconds


QUEUE = """
import os, subprocess
import celery
app = celery.Celery("bare", broker=os.environ["BARE_REDIS"], backend=os.environ["BARE_REDIS"])
app.conf.task_default_queue = "bare"
@app.task
def true(): return subprocess.run(["/bin/true"]).returncode
"""


def queue(redis: str) -> float:
    """Tasks a second through a bare Celery worker that start /bin/true each."""
    with tempfile.TemporaryDirectory(prefix="qbfarm-bare-") as folder:
        Path(folder, "bare.py").write_text(QUEUE)
        env = {"PYTHONPATH": folder, "BARE_REDIS": redis}
        worker = ("-m", "celery", "-A", "bare", "worker", f"--concurrency={SLOTS}", "--loglevel=ERROR")
        ask = (
            "import bare, time; bare.true.delay().get(timeout=60); began = time.perf_counter()\n"
            f"found = [bare.true.delay() for _ in range({TASKS})]\n"
            "for one in found: one.get(timeout=120)\n"
            "print(time.perf_counter() - began)"
        )
        with serving(*worker, **env):
            told = subprocess.run(
                [sys.executable, "-c", ask], env={**os.environ, **env}, capture_output=True, text=True, timeout=200,
                check=True,
            )  # fmt: skip
    return TASKS / float(told.stdout)


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.2)


def done(job: int) -> bool:
    from qbcore.models import WorkRow
    from qbcore.states import Status

    return not WorkRow.objects.filter(job_id=job).exclude(status=Status.COMPLETE).exists()


def farm(folder: Path) -> tuple[float, str]:
    """Frames a second of the whole farm, and the processor time of the web process and the worker a frame."""
    from django.db.models import Max, Min

    from qbcore import filling, permissions, submission
    from qbcore.models import AttemptRow, HostRow

    filling.filler.add = lambda job: None
    permissions.ensure_user("root", role="admin")
    join = folder / "join"
    join.write_text(permissions.new_join_token(host="bench"))
    port = free_port()
    web = ("-m", "uvicorn", "farm.asgi:application", "--host=127.0.0.1", f"--port={port}", "--log-level=warning")
    kept = {key: os.environ[key] for key in ("DATABASE_URL", "REDIS_URL", "FARM_DATA") if key in os.environ}
    own = (
        *("-m", "qbcore.worker", "--name", "bench", "--join", str(join), "--supervisor", f"http://127.0.0.1:{port}/"),
        *("--state", str(folder / "state"), "--slots", str(SLOTS), "--allow-root"),
    )
    with serving(*web, **kept) as server, serving(*own) as worker:
        until(lambda: HostRow.objects.filter(name="bench", state="active").exists(), "the worker has joined")
        before = [sum(one.cpu_times()[:2]) for one in (server, worker)]
        package = {"cmdline": "/bin/true", "range": f"1-{FRAMES}"}
        job = int(submission.submit({"prototype": "cmdrange", "cpus": SLOTS, "package": package})["id"])
        filling.fill(job)
        until(lambda: done(job), "all frames are complete", 300)
        after = [sum(one.cpu_times()[:2]) for one in (server, worker)]
    rows = AttemptRow.objects.filter(job_id=job)
    span = rows.aggregate(first=Min("started"), last=Max("ended"))
    spent = [(late - early) / FRAMES * 1e6 for early, late in zip(before, after, strict=True)]
    told = (
        f"{rows.count():,} attempts, a frame takes {spent[0]:.0f} us of the web process, {spent[1]:.0f} of the worker"
    )
    return FRAMES / (span["last"] - span["first"]).total_seconds(), told


def figures() -> list[Figure]:
    redis = os.environ.get("REDIS_URL", "")
    floor = spawn()
    bare = queue(redis) if redis else None
    with tempfile.TemporaryDirectory(prefix="qbfarm-frames-") as folder:
        measured, told = farm(Path(folder))
    found = [Figure(f"frames of /bin/true, one worker of {SLOTS} slots", measured, TARGET, floor, told, "/s")]
    if bare:
        found.append(Figure("  against a bare Celery worker that starts it", measured, 2 * bare, bare, "", "/s"))
    return found


if __name__ == "__main__":
    print(start(), psutil.cpu_count(), "processors")
    print(HEAD)
    for figure in figures():
        print(figure)
