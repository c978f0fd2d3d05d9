"""Work as qb hands it out: agendas of any length, read item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import JSONField, Value

from qbcore.models import AttemptRow, JobRow, SubjobRow, WorkRow
from qbcore.objects import Work
from qbcore.queries.filters import stamp
from qbcore.ranges import frameset
from qbcore.states import PLACED, Status

JSON_NULL = Value(None, JSONField())


def items(ids: Sequence[int]) -> Iterator[Work]:
    """The work of jobs, each job's in the order of its agenda, as it is read: however much there is, little is held.

    What of a long range is not stored yet is pending.
    """
    missing = list(JobRow.objects.filter(pk__in=ids, unfilled__gt=0).values_list("pk", "filling", "updated"))
    stored = dict.fromkeys((job for job, _, _ in missing), 0)
    hosts, nulls, percents = _hosts_of(ids), _nulls_of(ids), _percents_of(ids)
    rows = WorkRow.objects.filter(job_id__in=ids).order_by("job_id", "pos").values_list(*WORK_COLUMNS)
    for row in rows.iterator(chunk_size=5000):
        if row[0] in stored:
            stored[row[0]] += 1
        item = _work(row, hosts)
        if nulls and row[:2] in nulls:
            item["resultpackage"] = item["result"] = None
        if percents and row[3] in PLACED and row[:2] in percents:
            item["percent"] = percents[row[:2]]
        yield item
    for job, filling, updated in missing:
        for pos, name in enumerate(frameset(filling)):
            if pos >= stored[job]:
                fresh = WorkRow(job_id=job, pos=pos, name=str(name), updated=updated)
                yield work_object(fresh, hosts)


def _nulls_of(ids: Sequence[int]) -> frozenset[tuple[int, int]]:
    """Items whose program gave null back; those that gave nothing have {}."""
    rows = WorkRow.objects.filter(job_id__in=ids, result=JSON_NULL)
    return frozenset(rows.values_list("job_id", "pos"))


def _percents_of(ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """How far the frames are that run, of which something is known."""
    grants = SubjobRow.objects.filter(job_id__in=ids, status__in=PLACED).values("grant_id")
    rows = AttemptRow.objects.filter(grant_id__in=grants, ended__isnull=True, progress__isnull=False)
    return {(job, pos): percent or 0 for job, pos, percent in rows.values_list("job_id", "pos", "progress")}


def _hosts_of(ids: Sequence[int]) -> dict[tuple[int, int], str]:
    rows = SubjobRow.objects.filter(job_id__in=ids)
    return {(job, idx): name for job, idx, name in rows.values_list("job_id", "idx", "host_name")}


WORK_COLUMNS = (
    "job_id", "pos", "name", "status", "subjob", "package", "result", "attempts", "retries", "wait_until", "updated",
    "started", "finished", "seconds",
)  # fmt: skip


def _work(row: tuple[Any, ...], hosts: Mapping[tuple[int, int], str]) -> Work:
    """An item out of its columns: agendas are long, and rows as objects take twice the time."""
    job, pos, name, status, subjob, package, result, attempts, retries, wait, updated, started, finished, seconds = row
    made: Work = Work.__new__(Work)
    made.update(
        {
            "id": pos,
            "jobid": job,
            "name": name,
            "status": WORD_OF[status],
            "host": hosts.get((job, subjob), ""),
            "subid": subjob,
            "package": package or {},
            "resultpackage": {} if result is None else result,
            "result": {} if result is None else result,
            "count": attempts,
            "retry": retries,
            "retrydelay": stamp(wait),
            "percent": 100 if status == Status.COMPLETE else 0,
            "lastupdate": stamp(updated),
            "timestart": stamp(started),
            "timecomplete": stamp(finished),
            "timecumulative": int(seconds),
        }
    )
    return made


WORD_OF = {int(status): status.word for status in Status}


def work_object(row: WorkRow, hosts: Mapping[tuple[int, int], str]) -> Work:
    return _work(tuple(getattr(row, name) for name in WORK_COLUMNS), hosts)
