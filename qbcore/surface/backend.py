"""For the program of a custom job type, as it runs on a host: its job, its work items, its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from qbcore.errors import Unreachable
from qbcore.objects import Job, Work
from qbcore.remote.attempt import own_job, own_subjob, written
from qbcore.remote.transport import ask

PATIENCE = 600.0  # seconds for which a job's process goes on asking a supervisor that does not answer
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


def jobobj() -> Job:
    """The job that this process works for, without its agenda. Source: named beside the reference.

    Raises Invalid outside of a job's process.
    """
    found: Job = _patiently("jobobj")
    return found


def requestwork() -> Work:
    """The next item to do, which is running then. Its status says how to go on when there is none.

    running: do it. waiting: ask again later, all wait for their retry. blocked: only blocked ones are left. pending:
    this subjob is to leave its host, end. killed: end. complete (id -1): nothing is left. Source: named beside the
    reference.
    """
    found: Work = _patiently("requestwork", written=written())
    return found


def reportwork(work: Mapping[str, Any]) -> Work:
    """Tell the farm how an item ended: its `status` (complete, failed, killed, pending) and `resultpackage`.

    `resultpackage` is any value that JSON can write. The item as the farm has it now; its status is not yours when it
    was taken away meanwhile. Source: named beside the reference.
    """
    found: Work = _patiently("reportwork", work, written=written())
    return found


def reportjob(status: str) -> bool:
    """Tell the farm what this subjob shall become when its process ends: complete, failed, killed, blocked or pending.

    Source: named beside the reference.
    """
    found: bool = _patiently("reportjob", status)
    return found


def _patiently(name: str, *args: Any, **kwargs: Any) -> Any:
    """As ask; a job's process outlives a supervisor that is away for minutes. Asking twice is harmless."""
    deadline, pause = time.monotonic() + PATIENCE, SHORTEST_PAUSE
    while True:
        try:
            return ask(name, *args, **kwargs)
        except Unreachable:
            if own_job() < 0 or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def jobid() -> int:
    """The id of the job that this process works for, -1 outside of one. Source: named beside the reference."""
    return own_job()


def subid() -> int:
    """The number of the subjob that this process is, -1 outside of one. Source: named beside the reference."""
    return own_subjob()
