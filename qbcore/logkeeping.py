"""What becomes of logs with time: packed when their grant has been over for a while, removed as the policy says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from qbcore import history, logs
from qbcore.models import GrantRow, JobRow
from qbcore.states import DONE
from qbcore.writing import clock, writing

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Grants that are marked in one transaction."""
LONGEST = 60.0
"""Seconds after which a round of packing leaves the rest to the next one."""


class Aside:
    """A duty that may take long, done in a thread of its own so that leases and folds do not wait for it."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self._thread: threading.Thread | None = None

    def __call__(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=self._do.__name__, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._do()
        except Exception as error:
            log.warning("%s failed now and is tried again: %s", self._do.__name__, error)
        finally:
            connection.close()


def pack() -> int:
    """Packs the files of grants that have been over, and quiet, for a while; answers how many grants that were.

    Any number of processes may do it at once: who comes second finds the work done.
    """
    until, done = time.monotonic() + LONGEST, 0
    before = clock() - timedelta(seconds=settings.FARM_LOG_PACK_AFTER)
    for batch in _unpacked(before):
        packed = [grant for grant, job, subjob in batch if time.monotonic() < until and _is_packed(job, subjob, grant)]
        done += _mark(packed)
        if time.monotonic() >= until:
            break
    return done


def _unpacked(before: datetime) -> Iterator[list[tuple[int, int, int]]]:
    """Grant, job and subjob of those that ended before then, the oldest first, in batches."""
    rows = GrantRow.objects.filter(logs="", ended__lte=before).order_by("ended", "pk")
    last: tuple[datetime, int] | None = None
    while True:
        further = rows if last is None else rows.filter(ended__gte=last[0]).exclude(ended=last[0], pk__lte=last[1])
        batch = list(further.values_list("pk", "job_id", "idx", "ended")[:AT_ONCE])
        if not batch:
            return
        yield [(grant, job, subjob) for grant, job, subjob, _ in batch]
        ended = batch[-1][3]
        assert ended is not None
        last = (ended, batch[-1][0])


def _is_packed(job: int, subjob: int, grant: int) -> bool:
    """Whether the grant's files need no further look."""
    if logs.quiet_for(job, subjob, grant) < settings.FARM_LOG_PACK_AFTER:
        return False  # its worker was cut off and sends now what it kept
    logs.sweep(job)
    return logs.pack(job, subjob, grant)


@writing
def _mark(grants: list[int]) -> int:
    return GrantRow.objects.filter(pk__in=grants, logs="").update(logs=logs.PACKED) if grants else 0


def retire() -> int:
    """Removes the logs of jobs that have been over for longer than the policy keeps them; answers how many jobs."""
    days = settings.FARM_LOG_DAYS
    if days <= 0:
        return 0
    before = clock() - timedelta(days=days)
    jobs = [job for job in _old_jobs_with_logs(before) if _retired(job, before, days)]
    if jobs:
        text = f"logs of {len(jobs):,} jobs, which had been over for {days:g} days (FARM_LOG_DAYS)"
        history.record(logs.REMOVED, now=clock(), effect=text)
    return len(jobs)


def _old_jobs_with_logs(before: datetime) -> Iterator[int]:
    for shard in sorted(logs.root().glob("[0-9]*")):
        here = [int(entry.name) for entry in shard.iterdir() if entry.name.isdecimal()]
        yield from sorted(_old(before).filter(pk__in=here).values_list("pk", flat=True))


def _old(before: datetime) -> QuerySet[JobRow]:
    return JobRow.objects.filter(status__in=DONE, timecomplete__lt=before)


def _retired(job: int, before: datetime, days: int) -> bool:
    """Whether the job's logs were removed. First it is written down, so that who dies in between leaves files that
    the next round finds, never a log that is not there without a word."""
    marked = _mark_gone(job, before, days)
    over = GrantRow.objects.filter(job_id=job, logs=logs.GONE).values_list("idx", "pk")
    if over:
        logs.remove(job, over)
    return marked > 0


@writing
def _mark_gone(job: int, before: datetime, days: int) -> int:
    now = clock()
    if not _old(before).filter(pk=job).exists():
        return 0
    grants = GrantRow.objects.filter(job_id=job, ended__lt=before).exclude(logs=logs.GONE)
    marked = grants.update(logs=logs.GONE)
    if marked:
        text = f"the farm keeps logs for {days:g} days after a job is over (FARM_LOG_DAYS)"
        history.record(logs.REMOVED, now=now, job=job, effect=text)
    return marked
