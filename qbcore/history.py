"""The record of what people did, and of what the farm did by itself that they should know. Append only."""

from __future__ import annotations

from datetime import datetime

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
    actor = acting.current()
    return HistoryRow.objects.create(
        at=now,
        actor=actor.name,
        machine=actor.machine,
        verb=verb,
        job_id=job,
        subjob=subjob,
        frames=frames,
        host_name=host,
        effect=effect,
        why=actor.why,
        run_id=actor.run,
    )
