"""The reads of the qb API: rows in, qb's objects out. Unknown ids are absent, unknown filters are errors."""

from __future__ import annotations

import platform
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from itertools import islice
from typing import Any, TypeVar

import django
import re2
from django.conf import settings
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.utils.timezone import get_current_timezone, make_aware

from qbcore import acting, constants
from qbcore.errors import Invalid
from qbcore.ids import SubjobId, flatten, parse_job_or_subjob
from qbcore.models import AttemptRow, GrantRow, HistoryRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.objects import Host, Job, Subjob, Work
from qbcore.permissions import visible_jobs
from qbcore.states import PLACED, HostState, Status, rollup

VERSION = "0.1.0"
API_LEVEL = "6.0"
JOB_COLUMNS = (
    "id pid pgrp name label user domain account kind notes mailaddress prototype cluster restrictions requirements reservations "
    "hosts omithosts groups omitgroups hostorder dependency flags priority localorder cpus max_cpus todo package env cwd "
    "timeout timelimit agenda_timeout agenda_timelimit retrywork retrywork_delay retrysubjob reason"
).split()  # fmt: skip
HOST_COLUMNS = "name state address macaddress cluster groups restrictions flags properties jobtypes os architecture".split()
ROW = TypeVar("ROW", bound=Model)


def stamp(moment: datetime | None) -> int:
    """A time as qb gives it: unix seconds; one that never happened is QB_TIME_EPOCH_OFFSET."""
    return int(moment.timestamp()) if moment else constants.QB_TIME_EPOCH_OFFSET


def when(value: Any, field: str) -> datetime:
    """A time as scripts give it: unix seconds (or their text), datetime, date."""
    if isinstance(value, datetime):
        return value if value.tzinfo else make_aware(value, get_current_timezone())
    if isinstance(value, date):
        return make_aware(datetime.combine(value, time()), get_current_timezone())
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError) as wrong:
        raise Invalid(f"{value!r} is no time", field=field, hint="Give unix seconds, a datetime or a date.") from wrong


def _match(column: str, value: Any) -> Q:
    """One filter: a value, a list of values (any), `*` and `%` wildcards. A regular expression is applied to rows later."""
    found = Q(pk__in=[])
    for one in value if isinstance(value, (list, tuple, set)) else [value]:
        found |= _match_one(column, one)
    return found


def _match_one(column: str, value: Any) -> Q:
    if column == "status":
        return Q(status=_status(value))
    if isinstance(value, str) and ("*" in value or "%" in value):
        pattern = ".*".join(re.escape(part) for part in re.split("[*%]", value))
        return Q(**{f"{column}__regex": f"^{pattern}$"})
    return Q(**{column: _number(column, value)})


def _status(value: Any) -> int:
    try:
        return int(Status.of(value))
    except ValueError:
        raise Invalid(
            f"{value!r} is no status", field="status", hint=f"Give one of {', '.join(status.word for status in Status)}."
        ) from None


NUMERIC = frozenset("id pid pgrp flags priority localorder cpus todo".split())


def _number(column: str, value: Any) -> Any:
    if column not in NUMERIC:
        return str(value)
    try:
        return int(value)
    except (TypeError, ValueError) as wrong:
        raise Invalid(f"{value!r} is not a whole number", field=column) from wrong


def _filtered(
    rows: QuerySet[ROW], filters: Mapping[str, Any], known: Iterable[str], limit: int | None = None
) -> list[ROW]:
    """Rows by declared filters; texts that begin with `~` are regular expressions, tried on what the others leave."""
    patterns: list[tuple[str, Any]] = []
    for key, value in filters.items():
        if key not in known:
            raise Invalid(f"{key!r} is no filter", field=f"filters[{key!r}]", hint=f"Give one of {', '.join(sorted(known))}.")
        if isinstance(value, str) and value.startswith("~"):
            patterns.append((key, _pattern(key, value[1:])))
        elif value is not None:
            rows = rows.filter(_match(key, value))
    if not patterns:
        return list(rows[:limit])
    found = (row for row in rows if all(pattern.search(str(getattr(row, key))) for key, pattern in patterns))
    return list(islice(found, limit))


def _pattern(key: str, text: str) -> Any:
    try:
        return re2.compile(text)
    except re2.error as wrong:
        raise Invalid(f"{text!r} is no regular expression: {wrong}", field=f"filters[{key!r}]") from wrong


def jobinfo(
    fields: Iterable[str] = (),
    filters: Mapping[str, Any] | None = None,
    id: Any = None,
    status: Any = None,
    agenda: bool = False,
    subjobs: bool = False,
    callbacks: bool = False,
    updatedAfter: Any = None,
    updatedBefore: Any = None,
    submittedAfter: Any = None,
    submittedBefore: Any = None,
    minid: Any = None,
    maxid: Any = None,
    limit: Any = None,
    orderby: str | None = None,
) -> list[Job]:
    """Jobs that fit all filters, by id unless *orderby*; agenda, subjobs and callbacks only when asked for."""
    fields = [fields] if isinstance(fields, str) else list(fields or ())
    asked = dict(filters or {})
    if id is not None:
        asked["id"] = [one.job for one in map(parse_job_or_subjob, flatten(id))]
    if status is not None:
        asked["status"] = status
    rows = JobRow.objects.filter(visible_jobs(acting.current())).order_by(*_order(orderby))
    bounds = {
        "updated__gte": updatedAfter, "updated__lte": updatedBefore,
        "timesubmit__gte": submittedAfter, "timesubmit__lte": submittedBefore,
    }  # fmt: skip
    rows = rows.filter(**{key: when(value, key.split("__")[0]) for key, value in bounds.items() if value is not None})
    ids = {"pk__gte": minid, "pk__lte": maxid}
    rows = rows.filter(**{key: _number("id", value) for key, value in ids.items() if value is not None})
    jobs = [job_object(row) for row in _filtered(rows, asked, [*JOB_COLUMNS, "status"], _limit(limit))]
    if agenda or "agenda" in fields:
        _add_agendas(jobs)
    if subjobs or "subjobs" in fields:
        _add_subjobs(jobs)
    if callbacks or "callbacks" in fields:
        for job in jobs:
            job["callbacks"] = []
    return jobs


def _limit(limit: Any) -> int | None:
    if limit is None:
        return None
    found = int(_number("id", limit))
    if found < 0:
        raise Invalid(f"{found} is no number of jobs", field="limit", hint="Give 0 or more.")
    return found


def _order(orderby: str | None) -> list[str]:
    if not orderby:
        return ["pk"]
    words = str(orderby).split()
    name = {"timesubmit": "timesubmit", "lastupdate": "updated"}.get(words[0], words[0])
    direction = words[1].upper() if len(words) > 1 else "ASC"
    if len(words) > 2 or direction not in ("ASC", "DESC") or name not in (*JOB_COLUMNS, "status", "updated", "timesubmit"):
        raise Invalid(f"{orderby!r} is no order", field="orderby", hint="Write a field and ASC or DESC, such as 'id DESC'.")
    return [("-" if direction == "DESC" else "") + name, "pk"]


def job_object(row: JobRow) -> Job:
    """The job that qb hands out: all fields that it was submitted with, and what the farm knows of it."""
    job = Job({**row.extra, **{name: getattr(row, name) for name in JOB_COLUMNS}})
    work = {status: getattr(row, f"n_{status.word}") for status in Status}
    subs = {status: getattr(row, f"s_{status.word}") for status in Status}
    rolled = rollup(subjobs=subs, work=work, held=bool(row.held))
    job |= {
        "status": Status(row.status).word,
        "subjobstatus": rolled.subjobs.word,
        "agendastatus": rolled.agenda.word,
        "flagsstring": constants.flags_text(row.flags),
        "cpustally": tally(subs),
        "todotally": tally(work),
        "timesubmit": stamp(row.timesubmit),
        "timestart": stamp(row.timestart),
        "timecomplete": stamp(row.timecomplete),
        "lastupdate": stamp(row.updated),
        "globalorder": 0,
        "serverid": 0,
    }
    job.setdefault("prod_show", row.show)
    return Job(job)


def tally(counts: Mapping[Status, int]) -> dict[str, int]:
    by_word = {status.word: count for status, count in counts.items()}
    return {word: by_word.get(word, 0) for word in constants.TALLY_STATUSES}


def _add_agendas(jobs: list[Job]) -> None:
    agendas: dict[int, list[Work]] = defaultdict(list)
    rows = WorkRow.objects.filter(job_id__in=[job["id"] for job in jobs]).order_by("job_id", "pos")
    hosts = _hosts_of(jobs)
    for row in rows:
        agendas[row.job_id].append(work_object(row, hosts))
    for job in jobs:
        job["agenda"] = agendas[job["id"]]


def _hosts_of(jobs: list[Job]) -> dict[tuple[int, int], str]:
    rows = SubjobRow.objects.filter(job_id__in=[job["id"] for job in jobs])
    return {(job, idx): name for job, idx, name in rows.values_list("job_id", "idx", "host_name")}


def work_object(row: WorkRow, hosts: Mapping[tuple[int, int], str]) -> Work:
    return Work(
        {
            "id": row.pos,
            "name": row.name,
            "status": Status(row.status).word,
            "host": hosts.get((row.job_id, row.subjob), ""),
            "subid": row.subjob,
            "package": row.package or {},
            "resultpackage": row.result or {},
            "result": row.result or {},
            "count": row.attempts,
            "retry": row.retries,
            "retrydelay": stamp(row.wait_until),
            "percent": 100 if row.status == Status.COMPLETE else 0,
            "lastupdate": stamp(row.updated),
            "timestart": stamp(row.started),
            "timecomplete": stamp(row.finished),
            "timecumulative": int(row.seconds),
        }
    )


def _add_subjobs(jobs: list[Job]) -> None:
    by_job: dict[int, list[Subjob]] = defaultdict(list)
    for row in SubjobRow.objects.filter(job_id__in=[job["id"] for job in jobs]).order_by("job_id", "idx"):
        by_job[row.job_id].append(subjob_object(row))
    for job in jobs:
        job["subjobs"] = by_job[job["id"]]


def subjob_object(row: SubjobRow, taken: Mapping[str, Any] | None = None) -> Subjob:
    return Subjob(
        {
            "pid": row.job_id,
            "id": row.idx,
            "host": row.host_name,
            "address": "",
            "status": Status(row.status).word,
            "count": 1 if row.timestart else 0,
            "retry": row.retries,
            "allocations": ",".join(f"{key}={value:g}" for key, value in (taken or {}).items()),
            "timestart": stamp(row.timestart),
            "timecomplete": stamp(row.timecomplete),
            "lastupdate": stamp(row.updated),
        }
    )


def hostinfo(
    fields: Iterable[str] = (),
    filters: Mapping[str, Any] | None = None,
    name: Any = None,
    state: Any = None,
    subjobs: bool = False,
) -> list[Host]:
    """Hosts that fit all filters, by name. `state` also takes locked, banned and running (active with a running subjob)."""
    fields = [fields] if isinstance(fields, str) else list(fields or ())
    asked = dict(filters or {})
    if name is not None:
        asked["name"] = name
    if state is None:
        state = asked.pop("state", None)
    rows = HostRow.objects.order_by("name")
    if state is not None:
        rows = rows.filter(_states(state))
    found = _filtered(rows, asked, HOST_COLUMNS)
    grants: dict[int, list[GrantRow]] = defaultdict(list)
    for grant in GrantRow.objects.filter(ended__isnull=True, host_id__in=[row.pk for row in found]):
        grants[grant.host_id].append(grant)
    hosts = [host_object(row, grants[row.pk]) for row in found]
    if subjobs or "subjobs" in fields:
        _add_host_subjobs(hosts, found)
    return hosts


def _states(state: Any) -> Q:
    found = Q(pk__in=[])
    for one in state if isinstance(state, (list, tuple, set)) else [state]:
        found |= _state(str(one))
    return found


def _state(word: str) -> Q:
    busy = SubjobRow.objects.filter(status__in=PLACED).values("host_id")
    special = {"locked": Q(locked=True), "banned": Q(banned=True), "running": Q(state=HostState.ACTIVE, pk__in=busy)}
    if word in special:
        return special[word]
    try:
        return Q(state=HostState(word))
    except ValueError:
        known = ", ".join([*HostState, *special])
        raise Invalid(f"{word!r} is no state of a host", field="state", hint=f"Give one of {known}.") from None


def workerinfo(
    fields: Iterable[str] = (), filters: Mapping[str, Any] | None = None, name: Any = None, state: Any = None
) -> list[Host]:
    """As hostinfo, without subjobs."""
    return hostinfo(fields=[one for one in fields or () if one != "subjobs"], filters=filters, name=name, state=state)


def used_of(grants: Iterable[GrantRow]) -> dict[str, float]:
    """What the open grants of a host take of it, by name without `host.`."""
    used: dict[str, float] = defaultdict(float)
    for grant in grants:
        for name, count in grant.taken.items():
            used[name.removeprefix("host.")] += count
    return used


def host_object(row: HostRow, grants: Iterable[GrantRow]) -> Host:
    used = used_of(grants)
    names = dict.fromkeys([*row.totals, *used])
    resources = ",".join(f"host.{key}={used.get(key, 0):g}/{row.totals.get(key, 0):g}" for key in names)
    host = Host({key: getattr(row, key) for key in HOST_COLUMNS})
    host |= {
        "id": row.pk,
        "resources": resources,
        "locks": "host.processors=all" if row.locked else "",
        "stats": {"cpu": row.load_cpu, "memory": row.load_memory},
        "lastupdate": stamp(row.seen),
        "reason": row.reason,
    }
    return host


def _add_host_subjobs(hosts: list[Host], rows: list[HostRow]) -> None:
    by_host: dict[int | None, list[Subjob]] = defaultdict(list)
    placed = SubjobRow.objects.filter(status__in=PLACED, host_id__in=[row.pk for row in rows])
    grants = {grant.pk: grant.taken for grant in GrantRow.objects.filter(pk__in=placed.values("grant_id"))}
    for row in placed.order_by("job_id", "idx"):
        by_host[row.host_id].append(subjob_object(row, grants.get(row.grant_id or 0)))
    for host, row in zip(hosts, rows, strict=True):
        host["subjobs"] = by_host[row.pk]


def hist(jobid: Any, *extraJobids: Any) -> list[dict[str, Any]]:
    """The history of jobs or subjobs, oldest first: comment, stamp (text), timestamp (unix), jobid, subid or workid (-1 unused)."""
    rows: list[dict[str, Any]] = []
    for one in map(parse_job_or_subjob, flatten([jobid, *extraJobids])):
        if JobRow.objects.filter(pk=one.job).exists() and not _sees(one.job):
            continue
        found = HistoryRow.objects.filter(job_id=one.job)
        attempts = AttemptRow.objects.filter(job_id=one.job)
        if isinstance(one, SubjobId):
            found, attempts = found.filter(subjob=one.sub), attempts.filter(subjob=one.sub)
        lines = [_line(row.at, _said(row), one.job, row.subjob, -1) for row in found]
        lines += [_line(row.ended or row.started, _tried(row), one.job, row.subjob, row.pos) for row in attempts]
        rows += sorted(lines, key=lambda line: line["timestamp"])
    return rows


def _sees(job: int) -> bool:
    return JobRow.objects.filter(visible_jobs(acting.current()), pk=job).exists()


def _line(at: datetime, comment: str, job: int, subjob: int, work: int) -> dict[str, Any]:
    text = at.astimezone(get_current_timezone()).strftime("%Y-%m-%d %H:%M:%S")
    return {"comment": comment, "stamp": text, "timestamp": stamp(at), "jobid": job, "subid": subjob, "workid": work}


def _said(row: HistoryRow) -> str:
    why = f" ({row.why})" if row.why else ""
    frames = f" {row.frames}" if row.frames else ""
    return f"{row.actor}: {row.verb}{frames}: {row.effect}{why}"


def _tried(row: AttemptRow) -> str:
    what = f"frame {row.frame}" if row.pos >= 0 else f"subjob {row.subjob}"
    how = row.ending or "running"
    error = f": {row.error_line}" if row.error_line else ""
    return f"{what} attempt {row.number} on {row.host_name}: {how}{error}"


def ping(host: Any = None, port: Any = None, timeout: Any = 10, **options: Any) -> dict[str, Any]:
    """A sign of life with the farm's name and version."""
    return {"supervisor": settings.FARM_NAME, "version": VERSION, "state": "ok"}


def version() -> dict[str, str]:
    return {"api": API_LEVEL, "supervisor": VERSION, "database": _schema()}


def _schema() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM django_migrations WHERE app = 'qbcore' ORDER BY id DESC LIMIT 1")
        row = cursor.fetchone()
    return str(row[0]) if row else "none"


def info() -> dict[str, Any]:
    """What this supervisor is: names, versions, database, how many jobs and hosts."""
    return {
        "supervisor": settings.FARM_NAME,
        "version": VERSION,
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "django": django.get_version(),
        "license": "Apache-2.0, unlimited workers",
        "database": connection.vendor,
        "schema": _schema(),
        "jobs": JobRow.objects.filter(visible_jobs(acting.current())).count(),
        "hosts": HostRow.objects.count(),
        "time": stamp(datetime.now(UTC)),
    }
