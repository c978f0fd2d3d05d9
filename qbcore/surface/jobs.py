"""Jobs and subjobs: submitting, changing, and the verbs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qbcore.errors import Invalid, set_error
from qbcore.objects import SubmitResult
from qbcore.remote.transport import ask, verb

if TYPE_CHECKING:
    from qbcore.surface.types import Id


def submit(
    job: Mapping[str, Any] | Sequence[Mapping[str, Any]], *extraJobs: Mapping[str, Any], **options: Any
) -> SubmitResult:
    """Submit jobs, all or none; each needs `prototype`. Jobs of one call share a pgrp and may name each other's labels.

    A list of Job in the order given, each with its `id`; text keys reach the first: `r[0]["id"]`, `r["id"]`. A call
    that is repeated by a dropped connection submits once. Options of the original (deferTableCreation) are accepted.
    Raises Invalid naming the field, Unsupported for what this version does not honour yet. Source: reference, widened.
    """
    jobs: SubmitResult = ask("submit", job, *extraJobs, **options)
    return jobs


def validatejob(job: Mapping[str, Any]) -> bool:
    """Whether submit would take this job; nothing is stored. What is wrong with it stays in error().

    Source: named beside the reference.
    """
    problems: list[str] = ask("validatejob", job)
    if problems:
        set_error(problems[0])
    return not problems


def modify(modifyParamDict: Mapping[str, Any], jobid: Id, *extraJobids: Id) -> list[int]:
    """Change parameters of live jobs: `modify({"priority": 100}, 250)`. Limits are in seconds, -1 for none.

    The ids of the live jobs named, also of those that had these values already. Raises Invalid for an unknown
    parameter. Requirements, reservations and env take effect at the next start. Source: reference.
    """
    if not isinstance(modifyParamDict, Mapping) or (isinstance(jobid, Mapping) and "id" not in jobid):
        raise Invalid("modify takes the parameters first: modify({...}, 250)", field="modifyParamDict")
    return verb("modify", (jobid, *extraJobids), modifyParamDict)


def remove(jobid: Id, *extraJobids: Id) -> list[int]:
    """Remove jobs with their work and logs; running ones are killed first. History and attempts stay.

    The ids of the jobs removed. Source: reference.
    """
    return verb("remove", (jobid, *extraJobids))


def kill(jobid: Id, *extraJobids: Id) -> list[str]:
    """End jobs, or single subjobs ('250.0'), with their processes, at once; live ones become killed.

    The ids ('250.0') of the subjobs changed. A subjob killed by id hands its frame back. Source: reference.
    """
    return verb("kill", (jobid, *extraJobids))


def retry(jobid: Id, *extraJobids: Id) -> list[str]:
    """Do complete, failed or killed jobs again, every frame of them; they become pending.

    The ids ('250.0') of the subjobs changed. Only the failed frames: retrywork. Source: reference.
    """
    return verb("retry", (jobid, *extraJobids))


def requeue(jobid: Id, *extraJobids: Id) -> list[str]:
    """Like retry, but the jobs become blocked and wait for unblock.

    The ids ('250.0') of the subjobs changed. Source: reference.
    """
    return verb("requeue", (jobid, *extraJobids))


def block(jobid: Id, *extraJobids: Id) -> list[str]:
    """Hold pending jobs back; running subjobs end their current frame first.

    The ids ('250.0') of the subjobs changed. Source: reference.
    """
    return verb("block", (jobid, *extraJobids))


def unblock(jobid: Id, *extraJobids: Id) -> list[str]:
    """Let blocked jobs go, whoever held them; they become pending.

    The ids ('250.0') of the subjobs changed. Source: named by the reference.
    """
    return verb("unblock", (jobid, *extraJobids))


def suspend(jobid: Id, *extraJobids: Id) -> list[str]:
    """Stop the processes of running jobs where they are and start no more of them; slots and memory stay taken.

    The ids ('250.0') of the subjobs changed. Source: reference.
    """
    return verb("suspend", (jobid, *extraJobids))


def resume(jobid: Id, *extraJobids: Id) -> list[str]:
    """Let suspended jobs go on.

    The ids ('250.0') of the subjobs changed. Source: reference.
    """
    return verb("resume", (jobid, *extraJobids))


def preempt(jobid: Id, *extraJobids: Id) -> list[str]:
    """Take running subjobs off their hosts once their current frame is done; they become pending.

    The ids ('250.0') of the subjobs changed. Source: reference.
    """
    return verb("preempt", (jobid, *extraJobids))


def interrupt(jobid: Id, *extraJobids: Id) -> list[str]:
    """Take running subjobs off their hosts at once; they become pending and their frames are done again.

    The ids ('250.0') of the subjobs changed. Source: named beside the reference.
    """
    return verb("interrupt", (jobid, *extraJobids))


def migrate(jobid: Id, *extraJobids: Id) -> list[str]:
    """Like interrupt, and for ten minutes not on the same host again while another one could take them.

    The ids ('250.0') of the subjobs changed. Source: reference.
    """
    return verb("migrate", (jobid, *extraJobids))


def retire(jobid: Id, *extraJobids: Id) -> list[str]:
    """Let live jobs be complete without rendering what is left of them.

    The ids ('250.0') of the subjobs changed. Source: named beside the reference.
    """
    return verb("retire", (jobid, *extraJobids))


complete = retire


def top(jobid: Id, *extraJobids: Id) -> list[int]:
    """Move jobs before all others of the same priority.

    The ids of the jobs named that are there. Source: reference.
    """
    return verb("top", (jobid, *extraJobids))


def bottom(jobid: Id, *extraJobids: Id) -> list[int]:
    """Move jobs behind all others of the same priority.

    The ids of the jobs named that are there. Source: reference.
    """
    return verb("bottom", (jobid, *extraJobids))


def shove(jobid: Id, *extraJobids: Id) -> list[int]:
    """Have the farm look for hosts for these jobs now.

    The ids of those that wait for a host. Source: named beside the reference.
    """
    return verb("shove", (jobid, *extraJobids))
