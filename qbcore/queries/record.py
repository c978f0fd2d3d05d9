"""History, and what this supervisor is."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.utils.timezone import get_current_timezone

from qbcore import acting
from qbcore.ids import SubjobId, flatten, parse_job_or_subjob
from qbcore.models import AttemptRow, HistoryRow, HostRow, JobRow
from qbcore.permissions import may, need
from qbcore.queries.filters import stamp

VERSION = "0.3.0"


API_LEVEL = "6.0"


def hist(jobid: Any, *extraJobids: Any) -> list[dict[str, Any]]:
    """The history of jobs or subjobs, oldest first.

    Rows: comment, stamp (text), timestamp (unix seconds), jobid, subid and workid (-1: unused).
    """
    rows: list[dict[str, Any]] = []
    for one in map(parse_job_or_subjob, flatten([jobid, *extraJobids])):
        if not may(acting.current(), "see", job=one.job):
            continue
        found = HistoryRow.objects.filter(job_id=one.job)
        attempts = AttemptRow.objects.filter(job_id=one.job)
        if isinstance(one, SubjobId):
            found, attempts = found.filter(subjob=one.sub), attempts.filter(subjob=one.sub)
        said = [(row.at, _said(row), row.subjob, -1) for row in found]
        said += [(row.ended or row.started, _tried(row), row.subjob, row.pos) for row in attempts]
        for at, comment, subjob, work in sorted(said, key=lambda line: line[0]):  # a second holds many lines
            rows.append(_line(at, comment, one.job, subjob, work))
    return rows


def _line(at: datetime, comment: str, job: int, subjob: int, work: int) -> dict[str, Any]:
    text = at.astimezone(get_current_timezone()).strftime("%Y-%m-%d %H:%M:%S")
    return {"comment": comment, "stamp": text, "timestamp": stamp(at), "jobid": job, "subid": subjob, "workid": work}


def _said(row: HistoryRow) -> str:
    why = f" ({row.why})" if row.why else ""
    frames = f" {row.frames}" if row.frames else ""
    return f"{row.actor}: {row.verb}{frames}: {row.effect}{why}"


def _tried(row: AttemptRow) -> str:
    what = f"frame {row.frame}" if row.pos >= 0 else f"subjob {row.subjob} {row.frame}".rstrip()
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
    need(acting.current(), "see")
    return {
        "supervisor": settings.FARM_NAME,
        "version": VERSION,
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "django": django.get_version(),
        "license": "Apache-2.0, unlimited workers",
        "database": connection.vendor,
        "schema": _schema(),
        "jobs": JobRow.objects.count(),
        "hosts": HostRow.objects.count(),
        "time": stamp(datetime.now(UTC)),
    }
