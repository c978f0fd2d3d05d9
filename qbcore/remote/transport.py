"""How a function of the API reaches the farm, and what its result becomes: one table.

Over HTTP, unless this process is the farm itself: then `set_transport` names what calls its doors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from qbcore import ids
from qbcore.errors import QubeError, Unreachable, set_error
from qbcore.objects import Host, Job, QBObject, SubmitResult, Work
from qbcore.remote import client

# Every function that the farm answers, and what the rows of its result become; None: plain values, as they come.
SERVED: dict[str, type[QBObject] | None] = {
    **dict.fromkeys(("kill", "retry", "requeue", "block", "unblock", "suspend", "resume", "preempt", "interrupt")),
    **dict.fromkeys(("migrate", "retire", "top", "bottom", "shove", "modify", "remove", "validatejob")),
    **dict.fromkeys(("killwork", "retrywork", "requeuework", "blockwork", "unblockwork", "retirework")),
    **dict.fromkeys(("hist", "stdout", "stderr", "log", "resource", "jobtagvalues", "submitcallback")),
    **dict.fromkeys(("ping", "info", "version", "stats", "currenttime", "isadmin", "supervisorconfig")),
    **dict.fromkeys(("workerconfig", "workerping", "workerlock", "workerban", "getresources", "updateresources")),
    **dict.fromkeys(("workercalendar", "workerdrain", "workerforget")),
    **dict.fromkeys(("updateworkerresources", "updateworkerproperties", "reportjob")),
    **dict.fromkeys(("submit", "jobinfo", "joborder", "jobobj"), Job),
    **dict.fromkeys(("hostinfo", "workerinfo", "hostorder", "bannedworkers"), Host),
    **dict.fromkeys(("workorder", "requestwork", "reportwork"), Work),
}


SINGLE = frozenset({"jobobj", "requestwork", "reportwork"})
"""Functions whose result is one object, not a list."""


class Transport(Protocol):
    """Carries one call to the farm and brings its result back, or raises its error."""

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any: ...


class _Chosen:
    transport: Transport = client


def set_transport(transport: Transport = client) -> Transport:
    """Lets this process reach the farm another way; without argument over HTTP again. Returns the way it was before."""
    before, _Chosen.transport = _Chosen.transport, transport
    return before


def ask(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Calls the farm. A refusal's sentence stays in qb.error()."""
    try:
        return _wrapped(name, _Chosen.transport.call(name, args, kwargs))
    except QubeError as refusal:
        set_error(str(refusal))
        raise


def _wrapped(name: str, result: Any) -> Any:
    kind = SERVED[name]
    if kind is None:
        return result
    if name in SINGLE and isinstance(result, Mapping):
        return kind(result)
    if not isinstance(result, list):
        raise Unreachable(f"the farm answered {name} with a {type(result).__name__} where a list is due")
    rows: list[Any] = [row if type(row) is kind else kind(row) for row in result]
    return SubmitResult(rows) if name == "submit" else rows


def ask_ping(*, asDict: bool, **where: Any) -> bool | dict[str, Any]:  # noqa: N803 - the API's spelling
    """Asks over HTTP when a supervisor is named, also from inside another one."""
    timeout = where.pop("timeout")
    if any(value is not None for value in where.values()):
        found = client.call("ping", (), {**where, "timeout": timeout, "asDict": asDict})
    else:
        found = ask("ping", timeout=timeout, asDict=asDict)
    return dict(found) if asDict else bool(found)


def rows(name: str, /, **kwargs: Any) -> list[Any]:
    """A call whose result is a list."""
    result: list[Any] = ask(name, **kwargs)
    return result


def facts(name: str) -> dict[str, Any]:
    """A call without arguments whose result is a dictionary."""
    result: dict[str, Any] = ask(name)
    return result


def verb(name: str, given: object, *before: Any, **options: Any) -> list[Any]:
    """A call about jobs or subjobs, whose ids come after the arguments `before`."""
    return _about(name, given, ids.parse_job_or_subjob, *before, **options)


def work_verb(name: str, given: object) -> list[Any]:
    """A call about work items."""
    return _about(name, given, ids.parse_work)


def log_verb(name: str, given: object, **options: Any) -> list[Any]:
    """A call about whatever has a log: jobs, subjobs or work items."""
    return _about(name, given, ids.parse_logged, **options)


def _about(name: str, given: object, parse: Callable[[object], object], *before: Any, **options: Any) -> list[Any]:
    """Objects are sent as their ids: on the wire a Host would look like a Job. No ids, nothing to ask."""
    flat = [str(parse(one)) if isinstance(one, Mapping) else one for one in ids.flatten(given)]
    result: list[Any] = ask(name, *before, *flat, **options) if flat else []
    return result
