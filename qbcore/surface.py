"""What `import qb` gives: the API's names with the signatures of its reference. `__all__` is the public list.

A farm-side function is one line that asks the transport. Ids may be numbers, texts, objects or lists of them; ids that
the farm does not know are absent from a result, never errors. Each may raise Unreachable, Unauthorized, Refused and
Invalid; `error()` keeps the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qbcore.archive import archivejob, recoverjob
from qbcore.constants import QB_API_BINARY, QB_API_XML, QB_CLIENT_DEFAULT_CONF, QB_TIME_EPOCH_OFFSET
from qbcore.errors import (
    Conflict,
    Invalid,
    NotFound,
    QubeError,
    Refused,
    Unauthorized,
    Unreachable,
    Unsupported,
    error,
)
from qbcore.objects import Callback, Host, Job, QBObject, Subjob, SubmitResult, Work
from qbcore.ranges import (
    binarySort,
    genchunks,
    genframes,
    genpartitions,
    rangechunk,
    rangejoin,
    rangeorder,
    rangepartition,
    rangesplit,
)
from qbcore.remote import getsupervisor, gettimeout, setsupervisor, settimeout
from qbcore.remote.transport import ask, ask_ping, facts, rows, verb, work_verb
from qbcore.remote.transport import set_transport as set_transport
from qbcore.validators import JobTallyValidator, JobValidator

if TYPE_CHECKING:
    from datetime import date

    Id = int | str | Mapping[str, Any] | Iterable[int | str | Mapping[str, Any]]
    Text = str | Sequence[str] | None
    Time = int | float | str | date | None

__all__ = [
    "QB_API_BINARY", "QB_API_XML", "QB_CLIENT_DEFAULT_CONF", "QB_TIME_EPOCH_OFFSET", "Callback", "Conflict", "Host",
    "Invalid", "Job", "JobTallyValidator", "JobValidator", "NotFound", "QBObject", "QubeError", "Refused", "Subjob",
    "Unauthorized", "Unreachable", "Unsupported", "Work", "archivejob", "binarySort", "block", "blockwork", "error",
    "genchunks", "genframes", "genpartitions", "getsupervisor", "gettimeout", "hist", "hostinfo", "info", "jobinfo",
    "kill", "killwork", "log", "modify", "ping", "rangechunk", "rangejoin", "rangeorder", "rangepartition",
    "rangesplit", "recoverjob", "remove", "requeue", "requeuework", "resume", "retry", "retrywork", "setsupervisor",
    "settimeout", "stderr", "stdout", "submit", "suspend", "unblock", "unblockwork", "version", "workblock",
    "workerinfo", "workkill", "workrequeue", "workretry", "workunblock",
]  # fmt: skip


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


def modify(modifyParamDict: Mapping[str, Any], jobid: Id, *extraJobids: Id) -> list[int]:
    """Change parameters of live jobs: `modify({"priority": 100}, 250)`. Limits are in seconds, -1 for none.

    The ids of the live jobs named, also of those that had these values already. Raises Invalid for an unknown
    parameter. Requirements, reservations and env take effect at the next start. Source: reference.
    """
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


def killwork(workid: Id, *extraWorkids: Id) -> list[str]:
    """End frames ('250:7', '250:25-29') with their processes, at once; live ones become killed.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("killwork", (workid, *extraWorkids))


def retrywork(workid: Id, *extraWorkids: Id) -> list[str]:
    """Do complete, failed or killed frames again; they become pending and their count of retries starts anew.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("retrywork", (workid, *extraWorkids))


def requeuework(workid: Id, *extraWorkids: Id) -> list[str]:
    """Like retrywork, but the frames become blocked and wait for unblockwork.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("requeuework", (workid, *extraWorkids))


def blockwork(workid: Id, *extraWorkids: Id) -> list[str]:
    """Hold pending frames back.

    The ids ('250:7') of the frames changed. Source: reference.
    """
    return work_verb("blockwork", (workid, *extraWorkids))


def unblockwork(workid: Id, *extraWorkids: Id) -> list[str]:
    """Let blocked frames go; they become pending.

    The ids ('250:7') of the frames changed. Source: named by the reference.
    """
    return work_verb("unblockwork", (workid, *extraWorkids))


workblock, workunblock, workkill, workretry, workrequeue = blockwork, unblockwork, killwork, retrywork, requeuework


def jobinfo(
    fields: Sequence[str] = [], filters: Mapping[str, Any] = {}, id: Any = None, status: Text = None,
    agenda: bool = False, subjobs: bool = False, callbacks: bool = False,
    updatedAfter: Time = None, updatedBefore: Time = None, submittedAfter: Time = None, submittedBefore: Time = None,
    minid: int | None = None, maxid: int | None = None, limit: int | None = None, orderby: str | None = None,
) -> list[Job]:  # fmt: skip
    """Jobs, by id unless `orderby` ("priority DESC") says otherwise; without filters all that the asker may see.

    A filter is a value or a list; texts take `*` and `%` as wildcards, a leading `~` makes a regular expression. Times
    are unix seconds, datetime or date. agenda, subjobs and callbacks are there only when asked for, by flag or in
    `fields`. No match: []. Raises Invalid for an unknown filter. Source: reference.
    """
    return rows("jobinfo", **locals())


def hostinfo(
    fields: Sequence[str] = [], filters: Mapping[str, Any] = {}, name: Text = None, state: Text = None,
    subjobs: bool = False,
) -> list[Host]:  # fmt: skip
    """Hosts; states are active, down, panic and none, as filters also running, locked and banned.

    `resources` reads "host.processors=3/8,host.memory=1200/16000" (used/total, memory in MB). Filters as in jobinfo.
    Raises Invalid for an unknown filter. Source: reference.
    """
    return rows("hostinfo", **locals())


def workerinfo(
    fields: Sequence[str] = [], filters: Mapping[str, Any] = {}, name: Text = None, state: Text = None
) -> list[Host]:
    """Hosts without their subjobs; else like hostinfo. Source: reference."""
    return rows("workerinfo", **locals())


def hist(jobid: Id, *extraJobids: Id) -> list[dict[str, Any]]:
    """What happened to jobs or subjobs ('250.0'), oldest first, also to jobs removed since.

    Rows {comment, stamp (text), timestamp (unix seconds), jobid, subid, workid}, -1 where there is none.
    Source: reference.
    """
    return verb("hist", (jobid, *extraJobids))


def stdout(jobid: Id, *extraJobids: Id, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    """What jobs or subjobs ('250.0') wrote to standard output: from byte `pos`, at most `len` bytes of each log.

    Rows {data (text), jobid, subid, fullsize (bytes)}, one per subjob. Source: reference; pos and len beside it.
    """
    return verb("stdout", (jobid, *extraJobids), pos=pos, len=len)


def stderr(jobid: Id, *extraJobids: Id, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    """What jobs or subjobs wrote to standard error; else like stdout. Source: reference; pos and len beside it."""
    return verb("stderr", (jobid, *extraJobids), pos=pos, len=len)


def log(jobid: Id, *extraJobids: Id, pos: int = 0, len: int | None = None) -> list[dict[str, Any]]:
    """Both logs of jobs or subjobs in one; else like stdout. Source: reference; pos and len beside it."""
    return verb("log", (jobid, *extraJobids), pos=pos, len=len)


def ping(
    host: str | None = None, port: int | None = None, timeout: float = 10,
    supervisor: str | None = None, asDict: bool = False,
) -> bool | dict[str, Any]:  # fmt: skip
    """Whether a supervisor answers within `timeout` seconds. Needs no token, sends none, never raises for silence.

    `supervisor` (or `host`) is a name, name:port or URL, else the one that calls go to; `port` wins. With asDict what
    the supervisor says of itself, {alive, url, ...}; on silence {alive: False, url, error}. Source: reference, widened.
    """
    return ask_ping(**locals())


def info() -> dict[str, Any]:
    """The supervisor about itself: supervisor (its name), version, platform, database and more. Source: reference."""
    return facts("info")


def version() -> dict[str, Any]:
    """Versions as texts: {api, supervisor, database (its schema)}. Source: reference."""
    return facts("version")
