"""What the rules of dispatch look at, read out of the rows: jobs as candidates, hosts as views, and what is shared."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass, replace
from datetime import UTC, datetime
from itertools import starmap
from typing import Any

from django.db.models import Q, QuerySet

from qbcore import locks
from qbcore.candidates import DUTY_FIELDS, Candidate, HostView
from qbcore.constants import FLAGS
from qbcore.models import ExclusionRow, GrantRow, HostRow, JobRow, ResourceRow, WorkRow
from qbcore.plan import may_start
from qbcore.prepared import array
from qbcore.states import LIVE, Status
from qbcore.writing import ask, on_postgres

READY = (Status.PENDING, Status.RUNNING)
TEXTS = (
    *("priority", "localorder", "cluster", "requirements", "restrictions", "reservations", "hosts", "groups"),
    *("omithosts", "omitgroups", "hostorder", "prototype", "user", "flags"),
)
ALIVE = tuple(f"n_{status.word}" for status in sorted(LIVE))
COLUMNS = (
    *("id", "status", "updated", "todo", "s_pending", "name", "label", "account", "kind", "show"),
    *("held", "cpus", "max_cpus", "s_running", "s_suspended", "postflights", "unfilled"),
    *ALIVE,
    *TEXTS,
)
PLAIN = ("TextField", "IntegerField", "BigIntegerField", "BigAutoField")
FIRST = 50
OUR_OWN = ("n_", "s_", "timed", "filling", "unfilled")
FACTS = tuple(
    one.name
    for one in JobRow._meta.concrete_fields
    if one.get_internal_type() in PLAIN and not one.name.startswith(OUR_OWN)
)
"""The columns that a requirement may read as job.<name>."""


Columns: Any = make_dataclass("Columns", COLUMNS, slots=True)
"""A job with the columns that dispatch looks at: a row of the model costs ten times as much to make."""
_NAMED = 'SELECT "{}" FROM job WHERE id {{among}}'.format('", "'.join(COLUMNS))
_NAMED_POSTGRES = _NAMED.format(among="= ANY(%s::bigint[])")
_NAMED_SQLITE = _NAMED.format(among="IN (SELECT value FROM json_each(%s))")


def candidate(row: Any, asked: JobRow | None = None) -> Candidate:
    """What dispatch needs to know of a job (a row, or its Columns); `wanted` is 0 when nothing of it can start.

    *asked* is its whole row, for a job whose requirements name fields of the job.
    """
    named = {"name": row.name, "label": row.label, "account": row.account, "kind": row.kind, "prod_show": row.show}
    return Candidate(
        id=row.id,
        wanted=_wanted(row) if row.status in READY else 0,
        facts={f"job.{key}": value for key, value in ({**_all_facts(asked), **named} if asked else named).items()},
        **{name: getattr(row, name) for name in TEXTS},
    )


def _wanted(row: Any) -> int:
    """How many subjobs could start: those that wait, or that would be added, for work that is there, up to the cap."""
    places: int = row.s_pending
    if row.flags & FLAGS["expand"] and not row.held:
        places = row.n_pending if row.todo else places + max(0, row.max_cpus - row.cpus)
    wanted = min(places, row.n_pending) if row.todo else places
    if row.postflights and row.todo and not (row.unfilled or any(getattr(row, name) for name in ALIVE)):
        wanted = row.s_pending  # what is left without work waits for its postflight
    if row.max_cpus > 0:
        wanted = min(wanted, row.max_cpus - row.s_running - row.s_suspended)
    return max(0, wanted)


def candidates(rows: QuerySet[JobRow]) -> list[tuple[Any, Candidate]]:
    """The rows as Columns, as they are needed; whole ones only where a requirement may read any field."""
    return _weighed(starmap(Columns, rows.values_list(*COLUMNS)))


def named(jobs: Collection[int]) -> list[tuple[Any, Candidate]]:
    """As `candidates`, those of these jobs that there are: the way that every request takes which finds news."""
    if on_postgres():
        return _weighed(starmap(Columns, ask(_NAMED_POSTGRES, [array(jobs)])))
    found = ask(_NAMED_SQLITE, [json.dumps(list(jobs))])
    return _weighed(Columns(*row[:2], row[2].replace(tzinfo=UTC), *row[3:]) for row in found)


def newer(than: datetime) -> dict[int, datetime]:
    """Which jobs have changed since then, and when."""
    if on_postgres():
        return dict(ask("SELECT id, updated FROM job WHERE updated > %s::timestamptz", [than]))
    return dict(JobRow.objects.filter(updated__gt=than).values_list("id", "updated"))


def _weighed(rows: Iterable[Any]) -> list[tuple[Any, Candidate]]:
    found = list(rows)
    curious = [row.id for row in found if "job." in row.requirements]
    whole = JobRow.objects.in_bulk(curious) if curious else {}
    return [(row, candidate(row, whole.get(row.id))) for row in found]


def _all_facts(row: JobRow) -> dict[str, Any]:
    fields = {**row.extra, **{name: getattr(row, name) for name in FACTS}}
    return {key: value for key, value in fields.items() if isinstance(value, (str, int, float))}


def used_of(grants: Iterable[GrantRow]) -> defaultdict[str, float]:
    """What the open grants of a host take of it, by name without `host.`."""
    used: defaultdict[str, float] = defaultdict(float)
    for grant in grants:
        for name, count in grant.taken.items():
            if name.startswith("host."):
                used[name.removeprefix("host.")] += count
    return used


def view(
    host: HostRow, grants: Sequence[GrantRow], jobs: Mapping[int, JobRow], avoid: Iterable[int], *, now: datetime
) -> HostView:
    """The host as dispatch sees it, with what its open grants take and what of it is locked."""
    duty: dict[str, Counter[str]] = defaultdict(Counter)
    for grant in grants:
        job = jobs.get(grant.job_id)
        if job is None:
            continue
        for name in DUTY_FIELDS:
            duty[name][_duty(job, name)] += 1
    used, lock = used_of(grants), locks.closed(host, now)
    if host.lock_slots:
        used["processors"] += host.lock_slots
    properties = {"os": host.os, "architecture": host.architecture, "flags": host.flags}
    return HostView(
        id=host.pk,
        name=host.name,
        state=host.state,
        cluster=host.cluster,
        groups=tuple(filter(None, host.groups.split(","))),
        restrictions=host.restrictions,
        jobtypes=tuple(host.jobtypes) or None,
        locked=bool(lock),
        lock=lock,
        banned=host.banned,
        totals=host.totals,
        used=used,
        properties={**properties, **{key.lower(): value for key, value in host.properties.items()}},
        duty=duty,
        idle=not grants,
        avoid=frozenset(avoid),
    )


def _duty(job: JobRow, name: str) -> str:
    own = {"prod_show": "show", "type": "prototype"}.get(name, name)
    return str(getattr(job, own, job.extra.get(name, "")))


def every_host(now: datetime, rows: QuerySet[HostRow] | None = None) -> list[HostView]:
    """All hosts (or those rows) with what runs on them and the jobs that they are not given, by name. Four queries."""
    hosts = list((HostRow.objects.all() if rows is None else rows).order_by("name"))
    ids = [host.pk for host in hosts]
    grants: dict[int, list[GrantRow]] = defaultdict(list)
    for grant in GrantRow.objects.filter(ended__isnull=True, host_id__in=ids):
        grants[grant.host_id].append(grant)
    running = {grant.job_id for some in grants.values() for grant in some}
    jobs = JobRow.objects.defer("package", "env").in_bulk(running)
    avoid: dict[int, set[int]] = defaultdict(set)
    for host, job in _alive(now).filter(idx=-1).values_list("host_id", "job_id"):
        avoid[host].add(job)
    return [view(host, grants[host.pk], jobs, avoid[host.pk], now=now) for host in hosts]


def active_hosts(now: datetime) -> list[HostView]:
    """The hosts that may take something at all."""
    return every_host(now, HostRow.objects.filter(locks.OPEN))


# -- what the farm shares ------------------------------------------------------------------------------------------


def shared() -> dict[str, float]:
    """What is free of licences and global resources: {'license.maya': 2}."""
    rows = ResourceRow.objects.values_list("name", "total", "used")
    return {name: max(0, total - used) for name, total, used in rows}


def shared_totals() -> dict[str, float]:
    return dict(ResourceRow.objects.values_list("name", "total"))


# -- what a host is not given --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Barred:
    """What one host is not given: whole jobs, and single subjobs while another host could run them."""

    jobs: frozenset[int] = frozenset()
    subjobs: Mapping[int, frozenset[int]] = field(default_factory=dict)


def _alive(now: datetime) -> QuerySet[ExclusionRow]:
    return ExclusionRow.objects.filter(Q(until__isnull=True) | Q(until__gt=now))


def barred(host: int, now: datetime) -> Barred:
    jobs: set[int] = set()
    subjobs: dict[int, set[int]] = defaultdict(set)
    for job, idx in _alive(now).filter(host_id=host).values_list("job_id", "idx"):
        if idx < 0:
            jobs.add(job)
        else:
            subjobs[job].add(idx)
    return Barred(frozenset(jobs), {job: frozenset(some) for job, some in subjobs.items()})


def elsewhere(job: JobRow, host: int, now: datetime, idx: int = -1) -> bool:
    """Whether another host is up that could run the job (its subjob *idx*), were it empty."""
    whole = JobRow.objects.filter(pk=job.pk).first() or job
    wanting = replace(candidate(whole, whole), wanted=1)
    out = set(_alive(now).filter(job_id=job.pk, idx__in=[-1, idx]).values_list("host_id", flat=True)) | {host}
    totals = shared_totals()
    hosts = HostRow.objects.filter(locks.OPEN).exclude(pk__in=out).order_by("pk")
    for some in (hosts[:FIRST], hosts[FIRST:]):  # on most farms one of the first can
        if any(may_start(view(one, (), {}, (), now=now), wanting, totals) for one in some):
            return True
    return False


def shuns(job: JobRow, host: int, now: datetime) -> int | None:
    """The host, when items of the job that failed there are to be kept from it: another one could do them."""
    if not job.flags & FLAGS["migrate_on_frame_retry"]:
        return None
    rows = WorkRow.objects.filter(job_id=job.pk, status=Status.PENDING, avoid_host=host, avoid_until__gt=now)
    return host if rows.exists() and elsewhere(job, host, now) else None
