"""What the farm says of jobs, hosts, history and logs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qbcore.ids import flatten, parse_job_or_subjob
from qbcore.objects import Host, Job, Work
from qbcore.remote.transport import ask, log_verb, rows, verb

if TYPE_CHECKING:
    from qbcore.surface.types import Id, Text, Time


DONE = ("complete", "failed", "killed")


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


def log(
    jobid: Id, *extraJobids: Id, pos: int = 0, len: int | None = None, since: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Both logs of jobs or subjobs in one; else like stdout.

    To follow them ask again and again with `since`: {} at first, then {row["id"]: row["next"]} of the rows before. Rows
    {id, parts, next, over} tell what came since, also of frames ('250:7'): parts {attempt, subid, frame, number, host,
    stream, at (seconds), data}. Source: reference; pos, len and since beside it.
    """
    if since is not None:
        return log_verb("log", (jobid, *extraJobids), since=since)
    return verb("log", (jobid, *extraJobids), pos=pos, len=len)


def joborder(
    filters: Mapping[str, Any] | str = {}, name: str | None = None, host: str | None = None
) -> list[Job]:  # fmt: skip
    """The jobs that a host may start now, the next one first: `joborder("worker01")` or `joborder(name="worker01")`.

    `filters` are those of jobinfo; a text there is the host's name. Unknown host: []. Source: reference, widened.
    """
    asked = filters if isinstance(filters, str) else name or host
    return rows("joborder", filters={} if isinstance(filters, str) else filters, name=asked)


def hostorder(id: Id | None = None) -> list[Host]:
    """The hosts that may start a subjob of a job now, in the order in which it would take them. Source: reference."""
    return rows("hostorder", id=id)


def workorder(host: str) -> list[Work]:
    """The frames that a host would start now, the next one first; each with `jobid` and `agenda`, its name.

    Unknown host: []. Source: reference.
    """
    return rows("workorder", host=host)


def resource(resources: Mapping[str, Any]) -> dict[str, Any]:
    """What the farm has of some resources: `resource({"memory": ">=16GB", "license.maya": 1})`.

    For each key {asked, total, used, avail, hosts}: sums over the hosts that have as much as is asked, and how many
    they are. Source: reference.
    """
    found: dict[str, Any] = ask("resource", resources)
    return found


def jobtagvalues(tag: str) -> list[str]:
    """The different values that a field has over all jobs: `jobtagvalues("prod_show")`.

    Source: named beside the reference.
    """
    found: list[str] = ask("jobtagvalues", tag)
    return found


def waitfor(jobid: Id, *extraJobids: Id, timeout: float | None = None) -> list[Job]:
    """Waits until the jobs are complete, failed or killed, or `timeout` seconds are over; the jobs as they are then.

    Asks again and again with growing pauses (0.2 s to 5 s). Source: named beside the reference.
    """
    wanted = sorted({parse_job_or_subjob(one).job for one in flatten((jobid, *extraJobids))})
    end = None if timeout is None else time.monotonic() + timeout
    pause = 0.2
    while True:
        found = jobinfo(id=wanted)
        if all(job["status"] in DONE for job in found):
            return found
        left = pause if end is None else min(pause, end - time.monotonic())
        if left <= 0:
            return found
        time.sleep(left)
        pause = min(pause * 1.5, 5.0)
