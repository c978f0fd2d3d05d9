"""The reads of the qb API: rows in, qb's objects out. Unknown ids are absent, unknown filters are errors."""

from qbcore.queries.agendas import items, work_object
from qbcore.queries.farm import currenttime, isadmin, jobtagvalues, stats, supervisorconfig
from qbcore.queries.filters import stamp
from qbcore.queries.hosts import hostinfo, workerinfo
from qbcore.queries.jobs import job_object, jobinfo, jobs_of
from qbcore.queries.record import VERSION, hist, info, ping, version

__all__ = [
    "VERSION", "currenttime", "hist", "hostinfo", "info", "isadmin", "items", "job_object", "jobinfo",
    "jobs_of", "jobtagvalues", "ping", "stamp", "stats", "supervisorconfig", "version", "work_object", "workerinfo",
]  # fmt: skip
