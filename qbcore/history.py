"""The record of what people did, and of what the farm did by itself that they should know. Append only."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from qbcore import acting
from qbcore.models import HistoryRow
from qbcore.writing import on_postgres

_MANY = """
INSERT INTO history (at, actor, machine, verb, why, run_id, job_id, subjob, frames, host_name, effect)
SELECT %s, %s, %s, %s, %s, CAST(%s AS bigint), r.job, -1, '', '', r.effect FROM {}
"""
_POSTGRES = "json_to_recordset(%s::json) AS r(job bigint, effect text)"
_SQLITE = (
    "(SELECT json_extract(value, '$.job') AS job, json_extract(value, '$.effect') AS effect FROM json_each(%s)) AS r"
)


def record(
    verb: str,
    *,
    now: datetime,
    job: int = -1,
    subjob: int = -1,
    frames: str = "",
    host: str = "",
    effect: str = "",
) -> HistoryRow:
    """One line: who (from `acting`), did what, to what, with what effect; never one line per frame."""
    row = _row(verb, now, job_id=job, subjob=subjob, frames=frames, host_name=host, effect=effect)
    row.save(force_insert=True)
    return row


def record_many(verb: str, effects: Iterable[tuple[int, str]], *, now: datetime) -> None:
    """A line for each job: (its id, the effect). One statement, however many jobs a person changes at once."""
    said = json.dumps([{"job": job, "effect": effect} for job, effect in effects])
    actor = acting.current()
    at = connection.ops.adapt_datetimefield_value(now)
    sql = _MANY.format(_POSTGRES if on_postgres() else _SQLITE)
    with connection.cursor() as cursor:
        cursor.execute(sql, [at, actor.name, actor.machine, verb, actor.why, actor.run, said])


def _row(verb: str, now: datetime, **columns: Any) -> HistoryRow:
    actor = acting.current()
    return HistoryRow(
        at=now, actor=actor.name, machine=actor.machine, verb=verb, why=actor.why, run_id=actor.run, **columns
    )
