"""What is known of a host that begins or asks for work, and of a job that it may be given: a statement for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import orjson
from django.db import connection

from qbcore.control.placed import Part
from qbcore.models import HostRow, JobRow
from qbcore.prepared import array
from qbcore.states import Status
from qbcore.views import READY, Barred
from qbcore.writing import ask, clock, on_postgres

START = (
    *("id", "name", "label", "user", "account", "kind", "prototype", "show", "cluster", "pgrp", "priority", "extra"),
    *("package", "env", "cwd", "cpus", "timelimit", "agenda_timelimit", "flags", "held", "todo", "status"),
    *("max_cpus", "preflights", "postflights", "n_pending", "s_pending", "s_running", "timed", "seconds", "unfilled"),
)
"""The columns of a job that it is started by, and by which what runs on a host is told apart."""
_host = Part(HostRow, "h", 0)
_job = Part(JobRow, "j", 0, START)
_OUT = """
(SELECT {list}({pair}(job_id, idx)) FROM exclusion WHERE host_id = h.id AND (until IS NULL OR until > {now})) AS barred
"""
_HOST = f"SELECT {_host.columns}, {{out}} FROM host AS h WHERE id = {{id}}"
_HOST_POSTGRES = _HOST.format(
    out=_OUT.format(list="json_agg", pair="json_build_array", now="%s::timestamptz"), id="%s::bigint"
)
_HOST_SQLITE = _HOST.format(out=_OUT.format(list="json_group_array", pair="json_array", now="%s"), id="%s")
_GREETED = f"""
SELECT {_host.columns}, {{now}}, EXISTS (SELECT 1 FROM placement WHERE host_id = h.id AND ended IS NULL),
    EXISTS (SELECT 1 FROM term WHERE type = 'host')
FROM host AS h WHERE id = {{id}} {{lock}}
"""
_GREETED_POSTGRES = _GREETED.format(now="clock_timestamp()", id="%s::bigint", lock="FOR UPDATE")
_GREETED_SQLITE = _GREETED.format(now="NULL", id="%s", lock="")
_JOBS = f"SELECT {_job.columns} FROM job AS j WHERE id {{among}}"
_JOBS_POSTGRES = _JOBS.format(among="= ANY(%s::bigint[])")
_JOBS_SQLITE = _JOBS.format(among="IN (SELECT value FROM json_each(%s))")


def host(number: int, now: datetime) -> tuple[HostRow, Barred]:
    """The host's row, and what it is not given. Its row is locked by the caller."""
    at = now if on_postgres() else connection.ops.adapt_datetimefield_value(now)
    [row] = ask(_HOST_POSTGRES if on_postgres() else _HOST_SQLITE, [at, number])
    said = row[_host.end]
    pairs = said if isinstance(said, list) else orjson.loads(said or "[]")
    return _host.of(HostRow, row), _barred(pairs)


class Greeted(NamedTuple):
    """A host whose worker begins, its row locked: since when, whether anything is placed there, whether anybody
    listens to hosts.
    """

    host: HostRow
    at: datetime
    busy: bool
    heard: bool


def greeted(number: int) -> Greeted:
    [row] = ask(_GREETED_POSTGRES if on_postgres() else _GREETED_SQLITE, [number])
    at, busy, listens = row[_host.end :]
    return Greeted(_host.of(HostRow, row), at or clock(), bool(busy), bool(listens))


def _barred(pairs: Collection[tuple[int, int]]) -> Barred:
    subjobs: dict[int, set[int]] = defaultdict(set)
    for job, idx in pairs:
        if idx >= 0:
            subjobs[job].add(idx)
    whole = frozenset(job for job, idx in pairs if idx < 0)
    return Barred(whole, {job: frozenset(some) for job, some in subjobs.items()})


def jobs(numbers: Collection[int]) -> dict[int, JobRow]:
    """These jobs with the columns of START; others are read when they are asked for, at one query each."""
    if not numbers:
        return {}
    if on_postgres():
        found = ask(_JOBS_POSTGRES, [array(numbers)])
    else:
        found = ask(_JOBS_SQLITE, [orjson.dumps(list(numbers)).decode()])
    return {row.pk: row for row in (_job.of(JobRow, one) for one in found)}


def ready(number: int) -> JobRow | None:
    """The job, if it may start anything."""
    row = jobs([number]).get(number)
    return row if row is not None and Status(row.status) in READY else None
