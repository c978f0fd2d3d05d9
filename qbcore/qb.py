"""The API in this process: which names the farm answers, for HTTP and for `import qb` inside the site itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qbcore import (
    callbacks,
    draining,
    hostcare,
    logs,
    looping,
    orders,
    precedence,
    queries,
    resources,
    submission,
    verbs,
)

EXPOSED: dict[str, Callable[..., Any]] = {
    door.__name__: door
    for door in (
        submission.submit,
        submission.modify,
        submission.validatejob,
        callbacks.submitcallback,
        verbs.kill,
        verbs.retry,
        verbs.requeue,
        verbs.block,
        verbs.unblock,
        verbs.suspend,
        verbs.resume,
        verbs.preempt,
        verbs.interrupt,
        verbs.migrate,
        verbs.retire,
        precedence.top,
        precedence.bottom,
        orders.shove,
        orders.joborder,
        orders.hostorder,
        orders.workorder,
        verbs.remove,
        verbs.killwork,
        verbs.retrywork,
        verbs.requeuework,
        verbs.blockwork,
        verbs.unblockwork,
        verbs.retirework,
        queries.jobinfo,
        queries.hostinfo,
        queries.workerinfo,
        queries.hist,
        queries.stats,
        queries.currenttime,
        queries.isadmin,
        queries.jobtagvalues,
        queries.supervisorconfig,
        queries.ping,
        queries.info,
        queries.version,
        hostcare.workerlock,
        hostcare.workerban,
        hostcare.workercalendar,
        draining.workerdrain,
        draining.workerforget,
        hostcare.bannedworkers,
        hostcare.workerping,
        hostcare.workerconfig,
        hostcare.updateworkerresources,
        hostcare.updateworkerproperties,
        resources.getresources,
        resources.updateresources,
        resources.resource,
        logs.stdout,
        logs.stderr,
        logs.log,
        looping.jobobj,
        looping.requestwork,
        looping.reportwork,
        looping.reportjob,
    )
}


def call(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The transport of `surface` inside the site: the same names, no HTTP between."""
    return EXPOSED[name](*args, **kwargs)
