"""Worker hosts: they join once, say hello at each start, and are given up when they are silent for too long."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from qbcore import acting, callbacks, events, folding, history, hostfacts, locks, returning, signs
from qbcore.control import asking, placements
from qbcore.errors import Conflict, Invalid, QubeError, Unauthorized
from qbcore.models import GrantRow, HostRow
from qbcore.paths import prefixes_for
from qbcore.permissions import digest, redeem_join
from qbcore.states import Ending, HostState
from qbcore.writing import ask, clock, locked, on_postgres, writing

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class WrongProtocol(QubeError):  # noqa: N818 -- reads as what happened
    """This worker speaks another version of the protocol."""

    code = "protocol"
    status = 426


def _check_protocol(given: Any) -> None:
    if isinstance(given, bool) or not isinstance(given, int) or not locks.OLDEST <= given <= locks.NEWEST:
        raise WrongProtocol(
            f"this supervisor speaks the protocols {locks.OLDEST} to {locks.NEWEST}, the worker {given!r}: "
            f"install {'an older' if isinstance(given, int) and given > locks.NEWEST else 'a newer'} release there"
        )


def silent_since(now: datetime) -> datetime:
    """Who was heard of before this moment is given up."""
    return now - timedelta(seconds=settings.FARM_LEASE)


def join(body: Mapping[str, Any]) -> dict[str, Any]:
    """Exchanges a join token for the host's own token."""
    _check_protocol(body.get("protocol"))
    name = str(body.get("name") or "")
    if not NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no name for a host", field="name", hint="Use letters, digits, '.', '-' and '_'.")
    token = "qbh_" + secrets.token_urlsafe(32)
    host = _join(name, str(body.get("token") or ""), token)
    return {"host": host.pk, "name": host.name, "token": token}


@writing
def _join(name: str, join_token: str, token: str) -> HostRow:
    now = clock()
    old = locked(HostRow.objects.filter(name=name)).first()
    if old and _is_alive(old, now):
        raise Conflict(f"a worker of the name {name} is alive: stop it first, or choose another name")
    redeem_join(join_token, name=name)
    host, _ = HostRow.objects.update_or_create(
        name=name,
        defaults={"token": digest(token), "session": "", "joined": old.joined if old else now, "updated": now},
    )
    with acting.acting_as(acting.FARM):
        history.record("join", now=now, host=name, effect=f"host {name} joined")
    callbacks.hear_hosts([name], "join")
    events.publish("host", [host.pk])
    return host


def _is_alive(host: HostRow, now: datetime) -> bool:
    """Whether a worker speaks for the host just now."""
    return host.state == HostState.ACTIVE and bool(host.session and host.seen and host.seen > silent_since(now))


_TOKEN_POSTGRES = "SELECT id FROM host WHERE token = %s::text"
_TOKEN_SQLITE = "SELECT id FROM host WHERE token = %s"


def host_for_token(token: str) -> int:
    """The id of the host whose token this is; raises Unauthorized."""
    found = ask(_TOKEN_POSTGRES if on_postgres() else _TOKEN_SQLITE, [digest(token)])
    if not found:
        raise Unauthorized("this is no host's token: join again with a new join token")
    return int(found[0][0])


def hello(host_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """A worker starts. What it does not hold any more goes back to the queue."""
    try:
        _check_protocol(body.get("protocol"))
    except WrongProtocol as wrong:
        _refused(host_id, body.get("protocol"), str(wrong))
        raise
    return _hello(host_id, body)


@writing
def _refused(host_id: int, given: Any, why: str) -> None:
    """Its operator sees at the host why it takes nothing."""
    spoken = {"protocol": given} if isinstance(given, int) and 0 <= given < 2**15 else {}
    rows = HostRow.objects.filter(pk=host_id)
    rows.update(**spoken)
    rows.filter(locked=False, banned=False).update(reason=why, updated=clock())
    events.publish("host", [host_id])


@writing
def _hello(host_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
    greeted = asking.greeted(host_id)
    host, now = greeted.host, greeted.at
    session = str(body.get("session") or "")
    if not re.fullmatch(r"[0-9a-f]{16,64}", session):
        raise Invalid("session must be 16 to 64 hexadecimal digits", field="session")
    if session == host.session and host.seq:
        raise signs.OldRequest(f"{host.name} has spoken since this hello: drop it")
    if _is_alive(host, now) and host.session not in (session, str(body.get("previous") or "")):
        raise signs.WrongSession(
            f"another live worker speaks for {host.name}: stop it, or join this one under another name"
        )
    back = host.state != HostState.ACTIVE
    _begin(host, body, session, now)
    held = signs.held_of(body)
    keep = _keep(host, held, now) if held or greeted.busy else []
    _note_ended(host, body.get("ended"), now)
    callbacks.hear_hosts([host.name] if back and greeted.heard else [], "up")
    events.publish("host", [host.pk])
    return {
        "host": host.pk,
        "name": host.name,
        "lease": settings.FARM_LEASE,
        "beat": beat_seconds(),
        "slots": int(host.totals.get("processors", 1)),
        "protocol": locks.NEWEST,
        "paths": prefixes_for(settings.FARM_PATHS, host.os),
        "keep": keep,
    }


SAID = ("session", "seq", "state", "seen", "updated", "protocol", "reason", "drain")
"""What each hello writes; what the worker says of its host only when it says something else than the last time."""


def _begin(host: HostRow, body: Mapping[str, Any], session: str, now: datetime) -> None:
    before = [getattr(host, name) for name in hostfacts.COLUMNS]
    hostfacts.take(host, body.get("facts"))
    if session != host.session:
        returning.began_anew(host, now)
    host.session, host.seq, host.state, host.seen, host.updated = session, 0, HostState.ACTIVE, now, now
    host.protocol = int(body["protocol"])
    host.reason = host.reason if host.locked or host.banned or host.drain or host.lock_slots else ""
    same = before == [getattr(host, name) for name in hostfacts.COLUMNS]
    host.save(update_fields=SAID if same else [*SAID, *hostfacts.COLUMNS])


def beat_seconds() -> float:
    return max(0.5, min(10.0, float(settings.FARM_LEASE) / 6))


def _keep(host: HostRow, held: Mapping[int, list[int]], now: datetime) -> list[int]:
    """Closes the grants that the worker lost; answers those that go on."""
    returning.take_up(host, held, now)
    known = list(GrantRow.objects.filter(host_id=host.pk, ended__isnull=True))
    lost = [grant for grant in known if grant.pk not in held]
    placements.close(lost, Ending.LOST, now=now)
    kept = [grant for grant in known if grant.pk in held]
    frames = sum(signs.give_back_unheld(grant, held[grant.pk], Ending.LOST, now) for grant in kept)
    if lost or frames:
        beside = f" and {frames} frames" if frames else ""
        effect = f"its worker started anew without {len(lost)} subjobs{beside}, which went back to the queue"
        with acting.acting_as(acting.FARM):
            history.record("restart", now=now, host=host.name, effect=effect)
    for grant in known:
        folding.soon(grant.job_id)
    return [grant.pk for grant in kept]


def _note_ended(host: HostRow, ended: Any, now: datetime) -> None:
    """What a worker had to end of the one before it: those frames may have left half a picture."""
    if isinstance(ended, int) and ended > 0:
        with acting.acting_as(acting.FARM):
            effect = f"its last worker was killed: {ended} processes that it had left running were ended"
            history.record("up", now=now, host=host.name, effect=effect)


BEATS = 5000
_ROW = "(CAST(%s AS bigint), CAST(%s AS text), CAST(%s AS double precision), CAST(%s AS double precision))"
_BEAT = """
    UPDATE host SET seen = %s, load_cpu = coalesce(v.column3, load_cpu), load_memory = coalesce(v.column4, load_memory)
    FROM (VALUES {rows}) AS v WHERE host.id = v.column1 AND host.session = v.column2 RETURNING id
"""


@writing
def beat(sessions: Mapping[int, str], loads: Mapping[int, tuple[float, float]] | None = None) -> list[int]:
    """Signs of life over websockets, once a tick for all; answers the hosts whose session is not theirs any more.

    *loads*: how busy those are that told it, processors 0 to 1 and memory in MB.
    """
    now = clock()
    alive: set[int] = set()
    hosts = sorted(sessions)
    for start in range(0, len(hosts), BEATS):
        some = hosts[start : start + BEATS]
        told = [cell for host in some for cell in (host, sessions[host], *((loads or {}).get(host) or (None, None)))]
        with connection.cursor() as cursor:
            values = ", ".join([_ROW] * len(some))
            cursor.execute(_BEAT.format(rows=values), [connection.ops.adapt_datetimefield_value(now), *told])
            alive.update(row[0] for row in cursor.fetchall())
    away = HostRow.objects.filter(pk__in=alive).exclude(state=HostState.ACTIVE)
    for host in list(locked(away.order_by("pk"))):
        HostRow.objects.filter(pk=host.pk).update(state=HostState.ACTIVE, updated=now)
        callbacks.hear_hosts([host.name], "up")
    return [host for host in sessions if host not in alive]


@writing
def give_up_silent() -> list[str]:
    """Hosts silent for a lease are down: what they ran is pending again, its attempts are recorded as lost."""
    now = clock()
    silent = HostRow.objects.filter(state=HostState.ACTIVE, seen__lt=silent_since(now))
    names = []
    for host in locked(silent.order_by("pk"), skip=True):
        grants = list(GrantRow.objects.filter(host_id=host.pk, ended__isnull=True))
        placements.close(grants, Ending.LOST, now=now)
        HostRow.objects.filter(pk=host.pk).update(state=HostState.DOWN, reason="no sign of life", updated=now)
        effect = f"silent for {settings.FARM_LEASE:g} s, {len(grants)} subjobs went back to the queue"
        with acting.acting_as(acting.FARM):
            history.record("down", now=now, host=host.name, effect=effect)
        events.publish("host", [host.pk])
        for grant in grants:
            folding.soon(grant.job_id)
        names.append(host.name)
    if names:
        callbacks.hear_hosts(names, "down")
        events.publish("wake", [])
    return names


@writing
def extend_leases() -> int:
    """After housekeeping itself was away: nobody could be heard, so nobody is given up for that."""
    return HostRow.objects.filter(state=HostState.ACTIVE).update(seen=clock())


def active_hosts(*, since: datetime | None = None) -> int:
    """How many hosts are active; with *since*, how many of them were heard of after that."""
    rows = HostRow.objects.filter(state=HostState.ACTIVE)
    return (rows.filter(seen__gt=since) if since else rows).count()
