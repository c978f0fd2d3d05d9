"""Requests of workers as signs of life: heard, or refused because they are another's or old; what they say of the host.

All of it runs in the request's transaction, under the lock of the host's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q

from qbcore import acting, callbacks, events, folding, history, hostfacts
from qbcore.control import placements, work
from qbcore.errors import Conflict, Invalid, Unauthorized
from qbcore.models import GrantRow, HostRow
from qbcore.prepared import BY_INDEX
from qbcore.states import Ending, HostState, Status
from qbcore.writing import ask, clock, locked, on_postgres

TROUBLE = "its worker: "


class WrongSession(Conflict):
    """Another worker speaks for this host."""

    code = "session"


class OldRequest(Conflict):
    """A later request of this worker was answered already."""

    code = "seq"


class Heard(NamedTuple):
    """When a request of a worker was heard, by the database's clock, and whether it had said that it is in trouble."""

    at: datetime
    troubled: bool


_HEARD = """
UPDATE host SET seq = {kind[0]}, seen = {now}, load_cpu = {kind[1]}, load_memory = {kind[1]}
WHERE id = {kind[0]} AND session = {kind[2]} AND seq <= {kind[0]} AND state = 'active' RETURNING seen, reason{also}
"""
_KINDS = ("%s::bigint", "%s::float8", "%s::text")
_HEARD_POSTGRES = _HEARD.format(kind=_KINDS, now="clock_timestamp()", also=f", {BY_INDEX}")
_HEARD_SQLITE = _HEARD.format(kind=("%s", "%s", "%s"), now="%s", also="")


def heard(host_id: int, session: str, seq: int, load: Any) -> Heard:
    """The sign of life of one request, with the host's row locked; refuses as `speak` does."""
    now = None if on_postgres() else clock()
    at = [] if now is None else [connection.ops.adapt_datetimefield_value(now)]
    found = ask(_HEARD_SQLITE if at else _HEARD_POSTGRES, [seq, *at, *hostfacts.load(load), host_id, session, seq])
    if not found:  # it was away, or is to be refused with the reason
        now = clock()
        return Heard(now, speak(host_id, session, seq, now, load).reason.startswith(TROUBLE))
    return Heard(now or found[0][0], found[0][1].startswith(TROUBLE))


def speak(host_id: int, session: str, seq: int, now: datetime, load: Any) -> HostRow:
    """The host's row, locked, if this is its worker and its newest request; the sign of life is noted."""
    host = locked(HostRow.objects.filter(pk=host_id)).first()
    if host is None:
        raise Unauthorized("the host was removed: join again with a new join token")
    if host.session != session:
        raise WrongSession(f"another worker speaks for {host.name} now: this one ends")
    if seq < host.seq:
        raise OldRequest(f"request {seq} comes after {host.seq}: drop it")
    back = host.state != HostState.ACTIVE
    host.seq, host.seen, host.state = seq, now, HostState.ACTIVE
    host.load_cpu, host.load_memory = hostfacts.load(load)
    host.save(update_fields=["seq", "seen", "state", "load_cpu", "load_memory"])
    if back:
        callbacks.hear_hosts([host.name], "up")
        events.publish("host", [host.pk])
    return host


def held_of(body: Mapping[str, Any]) -> dict[int, list[int]]:
    """What the worker says it holds: grant → attempts."""
    held = body.get("held") or {}
    try:
        found = {int(grant): [int(one) for one in attempts] for grant, attempts in held.items()}
    except (AttributeError, TypeError, ValueError) as wrong:
        raise Invalid("held must be a dictionary of grants, each with its list of attempts", field="held") from wrong
    if any(abs(number) >= 2**63 for grant, attempts in found.items() for number in (grant, *attempts)):
        raise Invalid("grants and attempts are numbers of at most 63 bits", field="held")
    return found


def give_back_unheld(grant: GrantRow, held: Iterable[int], ending: Ending, now: datetime) -> int:
    """Items that the farm gave the grant and the worker does not know: the answer was lost, or it gave them back.

    How many there were.
    """
    mine = [Status.PENDING, Status.RUNNING, Status.SUSPENDED]
    where = Q(grant_id=grant.pk) & ~Q(attempt_id__in=list(held))
    items = work.take(grant.job_id, frm=mine, where=where)
    if items:
        work.interrupt(items, ending, now=now)
        work.turn(grant.job_id, items, Status.PENDING, now=now)
        events.publish("wake", [])
    return len(items)


def trouble(host: HostRow, told: Any) -> None:
    """What keeps its worker from taking work is the host's reason, unless an operator gave one. The row is locked."""
    sentence = f"{TROUBLE}{told}".replace("\x00", "")[:200] if told else ""
    if host.reason != sentence and (not host.reason or host.reason.startswith(TROUBLE)):
        host.reason = sentence
        host.save(update_fields=["reason"])
        events.publish("host", [host.pk])


def goodbye(host: HostRow, now: datetime) -> None:
    """Its worker ends: the host is down at once and not after a lease. Called with the row locked, after a sync.

    The session ends with it, so that a beat which comes later does not bring the host back.
    """
    grants = list(GrantRow.objects.filter(host_id=host.pk, ended__isnull=True))
    placements.close(grants, Ending.LOST, now=now)
    host.state, host.session, host.updated = HostState.DOWN, "", now
    held = host.locked or host.banned or host.drain or host.lock_slots
    host.reason = host.reason if held else "its worker was stopped"
    host.save(update_fields=["state", "session", "reason", "updated"])
    with acting.acting_as(acting.FARM):
        history.record("down", now=now, host=host.name, effect="its worker was stopped")
    callbacks.hear_hosts([host.name], "down")
    for grant in grants:
        folding.soon(grant.job_id)
    events.publish("host", [host.pk])
    events.publish("wake", [])
