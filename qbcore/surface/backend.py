"""For the program of a custom job type, as it runs on a host: its job, its work items, its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qbcore.objects import Job, Work
from qbcore.remote.attempt import own_job, own_subjob, written
from qbcore.remote.transport import ask


def jobobj() -> Job:
    """The job that this process works for, without its agenda. Source: named beside the reference.

    Raises Invalid outside of a job's process.
    """
    found: Job = ask("jobobj")
    return found


def requestwork() -> Work:
    """The next item to do, which is running then. Its status says how to go on when there is none.

    running: do it. waiting: ask again later, all wait for their retry. blocked: only blocked ones are left. pending:
    this subjob is to leave its host, end. killed: end. complete (id -1): nothing is left. Source: named beside the
    reference.
    """
    found: Work = ask("requestwork", written=written())
    return found


def reportwork(work: Mapping[str, Any]) -> Work:
    """Tell the farm how an item ended: its `status` (complete, failed, killed, pending) and `resultpackage`.

    `resultpackage` is any value that JSON can write. The item as the farm has it now; its status is not yours when it
    was taken away meanwhile. Source: named beside the reference.
    """
    found: Work = ask("reportwork", work, written=written())
    return found


def reportjob(status: str) -> bool:
    """Tell the farm what this subjob shall become when its process ends: complete, failed, killed, blocked or pending.

    Source: named beside the reference.
    """
    found: bool = ask("reportjob", status)
    return found


def jobid() -> int:
    """The id of the job that this process works for, -1 outside of one. Source: named beside the reference."""
    return own_job()


def subid() -> int:
    """The number of the subjob that this process is, -1 outside of one. Source: named beside the reference."""
    return own_subjob()
