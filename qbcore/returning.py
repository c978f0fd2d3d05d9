"""What a worker that begins or comes back is asked and told: whether it is to start anew or end, and what goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from qbcore import acting, events, folding, history, hostfacts, locks
from qbcore.control import returns
from qbcore.models import GrantRow, HostRow
from qbcore.states import Ending


def began_anew(host: HostRow, now: datetime) -> None:
    """A worker that was asked to start anew has done so; one that was asked to end was started by somebody."""
    if host.drain not in (locks.RESTART, locks.STOPPING):
        return
    effect = f"the worker of {host.name} was started {'anew' if host.drain == locks.RESTART else 'again'}"
    host.drain = host.reason = ""
    with acting.acting_as(acting.FARM):
        history.record("undrain", now=now, host=host.name, effect=effect)


def asked(host: HostRow) -> str:
    """What the worker of an emptied host is to do: 'restart', 'stop', or nothing. Said until it has done it.

    The caller holds the host's lock and knows that nothing runs there.
    """
    if host.drain == locks.STOP:
        HostRow.objects.filter(pk=host.pk).update(drain=locks.STOPPING)
        return locks.STOP
    return {locks.RESTART: locks.RESTART, locks.STOPPING: locks.STOP}.get(host.drain, "")


def restate(host: HostRow, facts: Any, now: datetime) -> None:
    """The worker's host is not what it was at its hello: its configuration was read again. The row is locked."""
    hostfacts.take(host, facts)
    host.updated = now
    host.save(update_fields=[*hostfacts.COLUMNS, "updated"])
    events.publish("host", [host.pk])


def take_up(host: HostRow, held: Mapping[int, Iterable[int]], now: datetime) -> list[int]:
    """A host that had been given up names what it still has: what nobody else was given goes on there.

    Answers the grants that are open again; what it names beside them it shall end. The row is locked, and nothing else.
    """
    if host.banned:
        return []
    rows = GrantRow.objects.filter(pk__in=list(held), host_id=host.pk, ended__isnull=False, ending=Ending.LOST)
    opened, on, over = [], 0, 0
    for grant in rows.order_by("job_id", "idx"):
        found = returns.take_up(grant, list(held[grant.pk]), now=now)
        on, over = on + len(found.on), over + len(found.over)
        opened += [grant.pk] if found.on else []
        folding.soon(grant.job_id)
        events.publish("job", [grant.job_id])
    if on or over:
        with acting.acting_as(acting.FARM):
            effect = f"heard of again: {on} of its attempts go on, {over} are ended, because others have their frames"
            history.record("back", now=now, host=host.name, effect=effect if over else effect.partition(",")[0])
        events.publish("host", [host.pk])
    return opened
