"""The farm as a whole: counts, clock, configuration, who is an admin, which values a field has."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Count, Sum
from django.db.models.fields.json import KT

from qbcore import acting
from qbcore.errors import Invalid
from qbcore.models import GrantRow, HostRow, JobRow
from qbcore.permissions import need, role_of, visible_jobs
from qbcore.queries.record import VERSION
from qbcore.states import HostState, Status
from qbcore.views import used_of
from qbcore.writing import clock

TAGS = (
    *("name", "label", "user", "domain", "account", "kind", "prototype", "cluster", "groups", "hosts", "mailaddress"),
    *("restrictions", "requirements", "reservations", "hostorder", "dependency", "cwd"),
)
EXTRA_TAGS = ("prod_shot", "prod_seq", "prod_client", "prod_dept", *(f"prod_custom{n}" for n in range(1, 6)))
MOST = 10_000


def stats() -> dict[str, Any]:
    """Jobs, subjobs and work by status, hosts by state, and slots in use: of the jobs that the asker may see."""
    actor = acting.current()
    need(actor, "see", job=actor.job)
    rows = JobRow.objects.filter(visible_jobs(actor))
    sums = rows.aggregate(**{name: Sum(name) for status in Status for name in (f"n_{status.word}", f"s_{status.word}")})
    jobs = dict(rows.values_list("status").annotate(n=Count("pk")).order_by())
    hosts = dict(HostRow.objects.values_list("state").annotate(n=Count("pk")).order_by())
    active = HostRow.objects.filter(state=HostState.ACTIVE).values_list("totals", flat=True)
    return {
        "jobs": {status.word: jobs.get(status, 0) for status in Status},
        "subjobs": {status.word: sums[f"s_{status.word}"] or 0 for status in Status},
        "work": {status.word: sums[f"n_{status.word}"] or 0 for status in Status},
        "hosts": {str(state): hosts.get(state, 0) for state in HostState},
        "slots": {
            "total": int(sum(totals.get("processors", 0) for totals in active)),
            "used": int(used_of(GrantRow.objects.filter(ended__isnull=True)).get("processors", 0)),
        },
    }


def currenttime() -> int:
    """The farm's clock, which is its database's."""
    return int(clock().timestamp())


def isadmin(user: Any = None) -> bool:
    """Whether a user, or the asker, may do everything; False for an unknown one."""
    actor = acting.current()
    if user is None or user == actor.name:
        return actor.role in ("admin", "farm") and not actor.scopes
    found = get_user_model().objects.filter(username=str(user), is_active=True).first()
    return found is not None and role_of(found) == "admin"


def supervisorconfig() -> dict[str, Any]:
    """What this supervisor is set to; no secrets and no addresses of its servers."""
    actor = acting.current()
    need(actor, "see", job=actor.job)
    return {
        "supervisor": settings.FARM_NAME,
        "version": VERSION,
        "database": connection.vendor,
        "broker": "redis" if settings.REDIS_URL else "in this process",
        "lease": settings.FARM_LEASE,
        "slice": settings.FARM_SLICE,
        "attempt_days": settings.FARM_ATTEMPT_DAYS,
        "time_zone": settings.TIME_ZONE,
    }


def jobtagvalues(tag: str) -> list[str]:
    """The different values of a field, empty ones left out, in order; at most 10,000."""
    rows = JobRow.objects.filter(visible_jobs(acting.current()))
    if tag in EXTRA_TAGS:
        rows = rows.annotate(tag=KT(f"extra__{tag}"))
    elif tag not in (*TAGS, "prod_show"):
        known = ", ".join(sorted((*TAGS, *EXTRA_TAGS, "prod_show")))
        raise Invalid(f"{tag!r:.60} is no field to list", field="tag", hint=f"Give one of {known}.")
    column = "show" if tag == "prod_show" else "tag" if tag in EXTRA_TAGS else tag
    found = rows.values_list(column, flat=True).distinct().order_by(column)
    return [str(value) for value in found[:MOST] if value not in (None, "")]
