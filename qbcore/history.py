"""The record of what people did, and of what the farm did by itself that they should know. Append only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from qbcore import acting
from qbcore.models import HistoryRow


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
    """A line for each job: (its id, the effect)."""
    rows = [_row(verb, now, job_id=job, effect=effect) for job, effect in effects]
    HistoryRow.objects.bulk_create(rows, batch_size=500)


def _row(verb: str, now: datetime, **columns: Any) -> HistoryRow:
    actor = acting.current()
    return HistoryRow(
        at=now, actor=actor.name, machine=actor.machine, verb=verb, why=actor.why, run_id=actor.run, **columns
    )
