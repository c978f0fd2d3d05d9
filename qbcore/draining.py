"""Hosts are emptied: to look after them, to start their worker anew, to end it, or to take leave of them for good."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from qbcore import acting, events, history
from qbcore.errors import Conflict, Invalid
from qbcore.hostcare import change, leaving, named
from qbcore.hosts import silent_since
from qbcore.locks import DRAINS, STAY
from qbcore.models import ExclusionRow, GrantRow, HostRow, SampleRow, TrackRow
from qbcore.permissions import need
from qbcore.states import HostState
from qbcore.writing import clock, writing

SAID = {"stay": "", "restart": "its worker starts anew once nothing runs", "stop": "its worker ends once nothing runs"}


def workerdrain(
    name: Any = None, drain: bool = True, then: str = STAY, purge: bool = False, why: str = ""
) -> list[str]:
    """Empties hosts: they take nothing new, and each subjob leaves once its current frame is done (*purge*: at once).

    *then*: once nothing runs the worker stays idle, starts anew ('restart') or ends ('stop'). What was asked last
    counts. With *drain* off they take work again.
    """
    if not isinstance(drain, bool):
        raise Invalid(f"{drain!r:.60} is neither True nor False", field="drain", hint="Give True or False.")
    if then not in DRAINS:
        raise Invalid(f"{then!r:.60} is nothing that a host can do then", field="then", hint=f"Give {_listed()}.")
    leave = leaving(purge=purge, finish=True) if drain else ""
    wanted = then if drain else ""

    def give(row: HostRow) -> bool:
        before, row.drain = row.drain, wanted
        row.reason = why if drain else "" if before else row.reason
        return before != wanted

    told = ": ".join(filter(None, (SAID[then] if drain else "", why)))
    return change(name, "drain" if drain else "undrain", give, told, leave=leave)


def _listed() -> str:
    return f"{', '.join(DRAINS[:-1])} or {DRAINS[-1]}"


@writing
def workerforget(name: Any = None, why: str = "") -> list[str]:
    """Takes leave of hosts whose workers are gone for good: their names may join anew; history and attempts stay.

    Raises Conflict for one that is alive or has something running, and then forgets none.
    """
    need(acting.current(), "host")
    if not isinstance(why, str):
        raise Invalid("the reason must be a text", field="why")
    now = clock()
    rows = named(name)
    for row in rows:
        _refuse_living(row, now)
    ids = [row.pk for row in rows]
    for kind in (SampleRow, ExclusionRow, TrackRow):
        kind.objects.filter(host_id__in=ids).delete()
    HostRow.objects.filter(pk__in=ids).delete()
    for row in rows:
        history.record("forget", now=now, host=row.name, effect=why or f"host {row.name}")
    events.publish("host", ids)
    return [row.name for row in rows]


def _refuse_living(row: HostRow, now: datetime) -> None:
    if GrantRow.objects.filter(host_id=row.pk, ended__isnull=True).exists():
        raise Conflict(f"{row.name} has something running: drain it first, or ban it to send that away")
    if row.state == HostState.ACTIVE and row.seen is not None and row.seen > silent_since(now):
        raise Conflict(f"the worker of {row.name} is alive: end it first, with workerdrain(then='stop')")
