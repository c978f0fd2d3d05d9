"""The flag export_environment: the client's own environment travels with the job."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from qbcore.constants import FLAGS, flags_number

# Tokens and secrets of the farm never travel. What a worker set for one attempt would be wrong in another.
_KEPT_BACK = re.compile(
    r"QB_TOKEN|DATABASE_URL|REDIS_URL|(QB|FARM)_.*(TOKEN|SECRET|PASSWORD|CREDENTIAL|KEY).*"
    r"|QBJOBID|QBSUBID|QBPGRPID|QB_JOBSLOTS|QB_FRAME_.*",
    re.IGNORECASE,
)


def exported() -> dict[str, str]:
    """This process's environment without secrets of the farm, and without names or values that are not UTF-8."""
    return {
        name: value
        for name, value in os.environ.items()
        if not _KEPT_BACK.fullmatch(name) and _is_text(name) and _is_text(value)
    }


def with_environment(args: Sequence[Any]) -> list[Any]:
    """The arguments of submit (jobs and lists of jobs); a job that has the flag gets this environment under its own."""
    return [[_exporting(job) for job in arg] if isinstance(arg, (list, tuple)) else _exporting(arg) for arg in args]


def _exporting(job: Any) -> Any:
    env = job.get("env") or {} if isinstance(job, Mapping) else None
    if not isinstance(env, Mapping):
        return job
    flags = flags_number(job.get("flags")) | flags_number(job.get("flagsstring"))
    return {**job, "env": {**exported(), **env}} if flags & FLAGS["export_environment"] else job


def _is_text(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
