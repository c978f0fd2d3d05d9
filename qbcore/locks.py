"""What keeps a host from taking anything new, or all that it could: read from its row, told the time."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final

from django.db.models import Q
from django.utils import timezone

from qbcore import calendars
from qbcore.errors import Invalid
from qbcore.models import HostRow
from qbcore.states import HostState

OLDEST: Final = 1
NEWEST: Final = 2
"""The versions of the worker's protocol that this supervisor speaks: docs/worker.md."""
STAY, RESTART, STOP, STOPPING = "stay", "restart", "stop", "stopping"
DRAINS = (STAY, RESTART, STOP)
"""What a host does that was told to take nothing more, once nothing runs on it."""
_DRAINING = {STAY: "drained", RESTART: "drained to restart", STOP: "drained to stop", STOPPING: "stopping"}
OPEN = Q(state=HostState.ACTIVE, locked=False, banned=False, drain="", protocol__gte=OLDEST)
"""Hosts that may take something, as far as their columns say; what calendars say is asked of each."""


def closed(host: HostRow, now: datetime) -> str:
    """What follows 'the host is' when it takes nothing new, whether or not it is banned: 'locked'. Empty: it does."""
    if host.protocol < OLDEST:
        return f"drained: its worker speaks protocol {host.protocol}, too old for this farm; install its release there"
    if host.locked:
        return "locked"
    if host.drain:
        return _DRAINING.get(host.drain, "drained")
    end = until(host.calendar, now)
    return f"locked by its calendar until {calendars.told(end)}" if end else ""


def until(calendar: str, now: datetime) -> datetime | None:
    """When the calendar's present lock ends, in the farm's time zone; None while it does not lock."""
    return _until(calendar, now.replace(second=0, microsecond=0)) if calendar else None


@lru_cache(maxsize=4096)
def _until(calendar: str, minute: datetime) -> datetime | None:
    try:
        windows = calendars.parse(calendar)
    except Invalid:
        return None  # nobody can have set it; a farm that cannot read it must not stop
    return calendars.until(windows, minute, timezone.get_default_timezone())


def why(host: HostRow, now: datetime) -> str:
    """All that an operator should know of why the host takes nothing, or not all that it could."""
    parts = [closed(host, now)] if not host.banned else ["banned"]
    if host.lock_slots and not (host.banned or host.locked):
        parts.append(f"{host.lock_slots} of its slots locked")
    return ": ".join(filter(None, ("; ".join(filter(None, parts)), host.reason)))


def text(host: HostRow, now: datetime) -> str:
    """The locks as the API tells them: 'host.processors=all', 'host.processors=2', or nothing."""
    if host.banned or closed(host, now):
        return "host.processors=all"
    return f"host.processors={host.lock_slots}" if host.lock_slots else ""
