"""What is placed on a host, read in one statement, as every request of its worker needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from django.db.models import Model

from qbcore.models import GrantRow, JobRow, SubjobRow
from qbcore.writing import ask, on_postgres

M = TypeVar("M", bound=Model)
JOB = (
    *("id", "name", "user", "prototype", "show", "flags", "held", "cpus", "todo", "timelimit", "agenda_timelimit"),
    *("retrywork", "retrywork_delay", "retrysubjob", "preflights", "postflights", "unfilled"),
    *("n_pending", "s_pending", "s_running", "timed", "seconds"),
)
"""The columns of a job that a request needs; others are read when they are asked for, at one query each."""


@dataclass(slots=True)
class Placed:
    """The open grants of a host, the subjobs that are placed there by their grant, and the jobs of all of them."""

    grants: dict[int, GrantRow] = field(default_factory=dict)
    subjobs: dict[int, SubjobRow] = field(default_factory=dict)
    jobs: dict[int, JobRow] = field(default_factory=dict)


class Part:
    """Some columns of a model, out of a row of a wider statement."""

    def __init__(self, model: type[Model], letter: str, start: int, names: tuple[str, ...] = ()) -> None:
        fields = [one for one in model._meta.concrete_fields if one.column and (not names or one.name in names)]
        kinds = [one.get_internal_type() for one in fields]
        self._names = [one.attname for one in fields]
        self._json = [at for at, kind in enumerate(kinds) if kind == "JSONField"]
        self._times = [at for at, kind in enumerate(kinds) if kind == "DateTimeField"]
        self.columns = ", ".join(f'{letter}."{one.column}"' for one in fields)
        self.start, self.end = start, start + len(fields)

    def of(self, model: type[M], row: tuple[Any, ...]) -> M:
        values = list(row[self.start : self.end])
        for at in self._json:
            values[at] = orjson.loads(values[at])
        if not on_postgres():
            for at in self._times:
                values[at] = _time(values[at])
        return model.from_db("default", self._names, values)


def _time(naive: datetime | None) -> datetime | None:
    return naive.replace(tzinfo=UTC) if naive else None


_grant = Part(GrantRow, "g", 0)
_subjob = Part(SubjobRow, "s", _grant.end)
_job = Part(JobRow, "j", _subjob.end, JOB)
_READ = f"""
WITH s AS (SELECT * FROM subjob WHERE host_id = {{id}} AND status IN (304, 336) ORDER BY job_id, idx {{lock}})
SELECT {_grant.columns}, {_subjob.columns}, {_job.columns}
FROM placement AS g LEFT JOIN s ON s.grant_id = g.id LEFT JOIN job AS j ON j.id = g.job_id
WHERE g.host_id = {{id}} AND g.ended IS NULL ORDER BY g.id
"""
_POSTGRES = _READ.format(id="%s::bigint", lock="FOR UPDATE")
_SQLITE = _READ.format(id="%s", lock="")


def look(host: int) -> Placed:
    """What is placed on the host now; the subjobs are locked until the transaction ends."""
    found = Placed()
    for row in ask(_POSTGRES if on_postgres() else _SQLITE, [host, host]):
        grant = _grant.of(GrantRow, row)
        found.grants[grant.pk] = grant
        if row[_subjob.start] is not None:
            found.subjobs[grant.pk] = _subjob.of(SubjobRow, row)
        if row[_job.start] is not None and grant.job_id not in found.jobs:
            found.jobs[grant.job_id] = _job.of(JobRow, row)
    return found
