"""Which of the ids that were asked for the farm does not know. The API leaves them out of its answers in silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qbcore import surface
from qbcore.ids import SubjobId, flatten, parse_job_or_subjob, parse_work


def absent_jobs(ids: Iterable[Any]) -> list[str]:
    """A sentence for each job or subjob that is not there."""
    asked = [parse_job_or_subjob(one) for one in flatten(list(ids))]
    wants_subjobs = any(isinstance(one, SubjobId) for one in asked)
    jobs = sorted({one.job for one in asked})
    found = {job["id"]: job for job in surface.jobinfo(id=jobs, subjobs=wants_subjobs)} if jobs else {}
    missing = [f"There is no job {job}." for job in jobs if job not in found]
    subjobs = {(job["id"], subjob["id"]) for job in found.values() for subjob in job.get("subjobs", ())}
    return missing + [
        f"Job {one.job} has no subjob {one.sub}."
        for one in asked
        if isinstance(one, SubjobId) and one.job in found and (one.job, one.sub) not in subjobs
    ]


def absent_work(ids: Iterable[Any], changed: Iterable[str]) -> list[str]:
    """A sentence for each item that is not there. Only jobs of which nothing changed are looked at frame by frame."""
    asked = [parse_work(one) for one in flatten(list(ids))]
    missing = absent_jobs(sorted({one.job for one in asked}))
    touched = {parse_work(one).job for one in changed}
    for job in sorted({one.job for one in asked} - touched):
        for found in surface.jobinfo(id=job, agenda=True):
            names = {str(item["name"]) for item in found["agenda"]}
            wanted = [one.name for one in asked if one.job == job]
            missing += [f"Job {job} has no frame {name}." for name in wanted if not _is_there(name, names)]
    return missing


def _is_there(name: str, names: set[str]) -> bool:
    if name == "*" or name in names:
        return True
    try:
        return any(str(frame) in names for frame in surface.rangesplit(name))
    except surface.QubeError:
        return False


def absent_hosts(names: Iterable[str]) -> list[str]:
    """A sentence for each host that is not there; patterns may mean none."""
    exact = [name for name in names if not any(sign in name for sign in "*%~")]
    found = {host["name"] for host in surface.workerinfo(name=exact)} if exact else set()
    return [f"There is no host {name}." for name in exact if name not in found]
