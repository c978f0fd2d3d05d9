"""The reads of the qb API: rows in, qb's objects out. Unknown ids are absent, unknown filters are errors."""

from qbcore.queries.farm import currenttime, isadmin, jobtagvalues, stats, supervisorconfig
from qbcore.queries.filters import stamp
from qbcore.queries.hosts import hostinfo, used_of, workerinfo
from qbcore.queries.jobs import jobinfo
from qbcore.queries.record import VERSION, hist, info, ping, version

__all__ = [
    "VERSION",
    "currenttime",
    "hist",
    "hostinfo",
    "info",
    "isadmin",
    "jobinfo",
    "jobtagvalues",
    "ping",
    "stamp",
    "stats",
    "supervisorconfig",
    "used_of",
    "version",
    "workerinfo",
]
