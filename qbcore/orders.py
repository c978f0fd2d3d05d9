"""What would run where: the order of jobs for a host, of hosts for a job, of frames on a host; and looking again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qbcore import acting, events, verbs, views
from qbcore.candidates import Amounts, HostView
from qbcore.control import placements
from qbcore.errors import BadExpression
from qbcore.ids import parse_job_or_subjob
from qbcore.models import GrantRow, HostRow, JobRow
from qbcore.objects import Host, Job, Work
from qbcore.permissions import need, visible_jobs
from qbcore.plan import host_order, may_start, take
from qbcore.queries import hostinfo, jobinfo, work_object
from qbcore.waiting import waiting
from qbcore.writing import clock

SLICE = 5000


def joborder(filters: Mapping[str, Any] | None = None, name: Any = None) -> list[Job]:
    """The jobs that the host may start now, the next one first; of them those that fit the filters of jobinfo."""
    need(acting.current(), "see")
    host = _view(name)
    ids = [one.id for one in waiting.order(host)] if host else []
    if filters and "id" in filters:
        found = {job["id"]: job for job in jobinfo(filters=filters)}
    else:
        starts = range(0, max(len(ids), 1), SLICE)  # a filter that is wrong is one for a host without work too
        parts = (ids[start : start + SLICE] for start in starts if ids or filters)
        found = {job["id"]: job for part in parts for job in jobinfo(filters=filters, id=part)}
    return [found[job] for job in ids if job in found]


def _view(name: Any) -> HostView | None:
    """The host of that name as dispatch sees it now."""
    row = HostRow.objects.filter(name=str(name)).first()
    if row is None:
        return None
    grants = list(GrantRow.objects.filter(host_id=row.pk, ended__isnull=True))
    jobs = JobRow.objects.in_bulk({grant.job_id for grant in grants})
    now = clock()
    return views.view(row, grants, jobs, views.barred(row.pk, now).jobs, now=now)


def hostorder(id: Any = None) -> list[Host]:
    """The hosts that may start a subjob of the job now, in the order in which it would take them.

    Without a job: the hosts that take anything at all, by name.
    """
    need(acting.current(), "see")
    names = [one.name for one in _hosts_for(id)]
    found = {host["name"]: host for host in hostinfo(name=names)}
    return [found[name] for name in names if name in found]


def _hosts_for(id: Any) -> list[HostView]:
    hosts = views.active_hosts(clock())
    if id is None:
        return hosts
    row = JobRow.objects.filter(visible_jobs(acting.current()), pk=parse_job_or_subjob(id).job).first()
    if row is None:
        return []
    try:
        return host_order(views.candidate(row, row), hosts, views.shared())
    except BadExpression:
        return []


def workorder(host: Any) -> list[Work]:
    """The frames that the host would start now, the next one first, each with `jobid` and `agenda`, its name."""
    need(acting.current(), "see")
    found = _view(host)
    if found is None:
        return []
    now = clock()
    work: list[Work] = []
    for job, places in _places(found).items():
        row = JobRow.objects.filter(visible_jobs(acting.current()), pk=job).first()
        items = placements.free(row, now).order_by("rank")[:places] if row and row.todo else []
        work += [Work({**work_object(item, {}), "agenda": item.name}) for item in items]
    return work


def _places(host: HostView) -> dict[int, int]:
    """How many subjobs of which jobs fit on the host beside what runs there, in order."""
    shared: Amounts = views.shared()
    found: dict[int, int] = {}
    for candidate in waiting.order(host):
        for _ in range(candidate.wanted):
            taken = take(host, candidate, shared) if may_start(host, candidate, shared) else ""
            if isinstance(taken, str):
                break
            found[candidate.id] = found.get(candidate.id, 0) + 1
            shared = {name: free - taken.get(name, 0) for name, free in shared.items()}
            host = replace(host, idle=False, used=_filled(host.used, taken))
    return found


def _filled(used: Amounts, taken: Amounts) -> dict[str, float]:
    """What is used of a host with one more subjob on it."""
    local = {name.removeprefix("host."): count for name, count in taken.items() if name.startswith("host.")}
    return {name: used.get(name, 0) + local.get(name, 0) for name in {**used, **local}}


def shove(jobid: Any, *extraJobids: Any) -> list[int]:
    """Has every host look for work now, with these jobs read anew. The ids of those that wait for a host."""
    actor = acting.current()
    ids = verbs.whole_jobs([jobid, *extraJobids])
    rows = JobRow.objects.filter(visible_jobs(actor), pk__in=ids)
    found = views.candidates(rows)
    for row, _ in found:
        need(actor, "shove", owner=row.user)
    waiting.reload()
    if found:
        events.publish("wake", [])
    wants = {row.id for row, one in found if one.wanted > 0}
    return [job for job in ids if job in wants]
