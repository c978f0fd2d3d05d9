"""jobinfo, and the objects that it hands out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import compress
from typing import Any

from django.db.models import F, QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from qbcore import acting, constants
from qbcore.errors import Invalid
from qbcore.ids import flatten, parse_job_or_subjob
from qbcore.jobspec import PRODUCTION
from qbcore.models import GrantRow, HostRow, JobRow, SubjobRow
from qbcore.objects import Job, Subjob, Work
from qbcore.permissions import visible_jobs
from qbcore.queries.agendas import items
from qbcore.queries.callbacks import callbacks_of
from qbcore.queries.filters import filtered, number, stamp, wanted, when
from qbcore.queries.tallies import unfolded
from qbcore.reasons import reasons, standing
from qbcore.states import Status, rollup

JOB_COLUMNS = [
    "id", "pid", "pgrp", "name", "label", "user", "domain", "account", "kind", "notes", "mailaddress", "prototype",
    "cluster", "restrictions", "requirements", "reservations", "hosts", "omithosts", "groups", "omitgroups",
    "hostorder", "dependency", "flags", "priority", "localorder", "cpus", "max_cpus", "todo", "package", "env", "cwd",
    "timeout", "timelimit", "agenda_timeout", "agenda_timelimit", "retrywork", "retrywork_delay", "retrysubjob",
    "reason", "preflights", "postflights",
]  # fmt: skip

UNSAID = dict.fromkeys((key for key in PRODUCTION if key != "prod_show"), "")
"""What a script may read of every job, whether it was submitted with it or not."""

PRODUCED = {
    "prod_show": F("show"),
    **{key: Coalesce(Cast(KT(f"extra__{key}"), TextField()), Value(""), output_field=TextField()) for key in UNSAID},
}
"""Where the production fields of jobs stand."""


BOUNDS = {
    "updatedAfter": "updated__gte", "updatedBefore": "updated__lte",
    "submittedAfter": "timesubmit__gte", "submittedBefore": "timesubmit__lte",
}  # fmt: skip
TIMES = {"timesubmit": "timesubmit", "timestart": "timestart", "timecomplete": "timecomplete", "lastupdate": "updated"}


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
    asked, fields = wanted(filters, fields)
    if id is not None:
        asked["id"] = [one.job for one in map(parse_job_or_subjob, flatten(id))]
    if status is not None:
        asked["status"] = status
    rows = JobRow.objects.filter(visible_jobs(acting.current())).order_by(*_order(orderby))
    bounds = {
        "updatedAfter": updatedAfter, "updatedBefore": updatedBefore,
        "submittedAfter": submittedAfter, "submittedBefore": submittedBefore,
    }  # fmt: skip
    rows = rows.filter(**{BOUNDS[key]: when(value, key) for key, value in bounds.items() if value is not None})
    ids = {"pk__gte": minid, "pk__lte": maxid}
    rows = rows.filter(**{key: number("id", value) for key, value in ids.items() if value is not None})
    rows = rows.annotate(**{key: PRODUCED[key] for key in asked if key in PRODUCED})
    found = filtered(rows, asked, [*JOB_COLUMNS, "status", *PRODUCED], _limit(limit))
    known = unfolded()
    jobs = [job_object(row, known.get(row.pk)) for row in found]
    _add(jobs, {*fields, *compress(PARTS, (agenda, subjobs, callbacks))})
    _add_reasons(jobs, found, fields)
    return jobs


def jobs_of(ids: Iterable[int]) -> list[Job]:
    """Jobs by their ids as they stand, without asking why they wait."""
    return [job_object(row) for row in JobRow.objects.filter(pk__in=list(ids)).order_by("pk")]


def _add_reasons(jobs: list[Job], rows: Iterable[JobRow], fields: Iterable[str]) -> None:
    """Why jobs wait, for all when it is asked for, else while they are few: every host is asked for each."""
    mute = [row for row in rows if not row.reason]
    said = standing(mute)
    pending = [row.pk for row in mute if row.status == Status.PENDING]
    if pending and (len(pending) <= FEW or "reason" in fields):
        said |= reasons(pending)
    for job in jobs:
        job["reason"] = said.get(job["id"], job["reason"])


FEW = 20
"""Jobs that wait, for which jobinfo says why without being asked."""
PARTS = ("agenda", "subjobs", "callbacks")


def _add(jobs: list[Job], parts: Collection[str]) -> None:
    """What is only there when asked for."""
    if "agenda" in parts:
        _add_agendas(jobs)
    if "subjobs" in parts:
        _add_subjobs(jobs)
    if "callbacks" in parts:
        found = callbacks_of(job["id"] for job in jobs)
        for job in jobs:
            job["callbacks"] = found[job["id"]]


def _limit(limit: Any) -> int | None:
    if limit is None:
        return None
    found = int(number("id", limit))
    if found < 0:
        raise Invalid(f"{found} is no number of jobs", field="limit", hint="Give 0 or more.")
    return found


def _order(orderby: str | None) -> list[Any]:
    if not orderby:
        return ["pk"]
    words = str(orderby).split() or ["?"]
    name = TIMES.get(words[0], words[0])
    direction = words[1].upper() if len(words) > 1 else "ASC"
    if len(words) > 2 or direction not in ("ASC", "DESC") or name not in (*JOB_COLUMNS, "status", *TIMES.values()):
        raise Invalid(
            f"{orderby!r} is no order", field="orderby", hint="Write a field and ASC or DESC, such as 'id DESC'."
        )
    if words[0] in TIMES:  # one that never happened reads as a time before all others
        return [F(name).desc(nulls_last=True) if direction == "DESC" else F(name).asc(nulls_first=True), "pk"]
    return [("-" if direction == "DESC" else "") + name, "pk"]


def job_object(row: JobRow, work: Mapping[Status, int] | None = None) -> Job:
    """The job that qb hands out: all fields that it was submitted with, and what the farm knows of it.

    *work*: its tally where that is newer than what is folded into the row.
    """
    job = Job({**UNSAID, **row.extra, **{name: getattr(row, name) for name in JOB_COLUMNS}})
    work = work or {status: getattr(row, f"n_{status.word}") for status in Status}
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
    for item in items([job["id"] for job in jobs]):
        agendas[item["jobid"]].append(item)
    for job in jobs:
        dict.__setitem__(job, "agenda", agendas[job["id"]])


def _add_subjobs(jobs: list[Job]) -> None:
    by_job: dict[int, list[Subjob]] = defaultdict(list)
    rows = SubjobRow.objects.filter(job_id__in=[job["id"] for job in jobs]).order_by("job_id", "idx")
    for subjob in subjob_objects(rows):
        by_job[subjob["pid"]].append(subjob)
    for job in jobs:
        job["subjobs"] = by_job[job["id"]]


def subjob_objects(rows: QuerySet[SubjobRow]) -> list[Subjob]:
    """The subjobs with what their open grants take, and the addresses of their hosts."""
    grants = GrantRow.objects.filter(pk__in=rows.order_by().values("grant_id"), ended__isnull=True)
    taken: dict[int | None, Any] = dict(grants.values_list("pk", "taken"))
    hosts = HostRow.objects.filter(pk__in=rows.order_by().values("host_id"))
    addresses: dict[int | None, str] = dict(hosts.values_list("pk", "address"))
    return [_subjob_object(row, taken.get(row.grant_id) or {}, addresses.get(row.host_id) or "") for row in rows]


def _subjob_object(row: SubjobRow, taken: Mapping[str, Any], address: str) -> Subjob:
    return Subjob(
        {
            "pid": row.job_id,
            "id": row.idx,
            "host": row.host_name,
            "address": address,
            "status": Status(row.status).word,
            "count": 1 if row.timestart else 0,
            "retry": row.retries,
            "allocations": ",".join(f"{key}={value:g}" for key, value in sorted(taken.items())),
            "timestart": stamp(row.timestart),
            "timecomplete": stamp(row.timecomplete),
            "lastupdate": stamp(row.updated),
        }
    )
