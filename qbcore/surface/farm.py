"""The farm itself: its supervisor, its hosts, what they share, and callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qbcore.objects import Host
from qbcore.remote.client import configuration
from qbcore.remote.transport import ask, ask_ping, facts, rows

if TYPE_CHECKING:
    from qbcore.surface.types import Text


def ping(
    host: str | None = None, port: int | None = None, timeout: float = 10,
    supervisor: str | None = None, asDict: bool = False,
) -> bool | dict[str, Any]:  # fmt: skip
    """Whether a supervisor answers within `timeout` seconds. Needs no token, sends none, never raises for silence.

    `supervisor` (or `host`) is a name, name:port or URL, else the one that calls go to; `port` wins. With asDict what
    the supervisor says of itself, {alive, url, ...}; on silence {alive: False, url, error}. Source: reference, widened.
    """
    return ask_ping(**locals())


def info() -> dict[str, Any]:
    """The supervisor about itself: supervisor (its name), version, platform, database and more. Source: reference."""
    return facts("info")


def version() -> dict[str, Any]:
    """Versions as texts: {api, supervisor, database (its schema)}. Source: reference."""
    return facts("version")


def stats() -> dict[str, Any]:
    """Counts of the whole farm: {jobs, subjobs, work} by status, {hosts} by state, slots {total, used}.

    Source: named beside the reference.
    """
    return facts("stats")


def currenttime() -> int:
    """The supervisor's clock, in unix seconds. Source: named beside the reference."""
    found: int = ask("currenttime")
    return found


def isadmin(user: str | None = None) -> bool:
    """Whether a user, or the asker, may do everything. Source: named beside the reference."""
    found: bool = ask("isadmin", user)
    return found


def supervisorconfig() -> dict[str, Any]:
    """How the supervisor is set up: names and values as texts or numbers, no secrets. Source: named beside the
    reference.
    """
    return facts("supervisorconfig")


def localconfig() -> dict[str, Any]:
    """How this process reaches the farm: {supervisor, timeout (ms), credentials (path), token (whether there is one)}.

    Asks nobody. Source: named beside the reference.
    """
    return configuration()


def workerconfig(host: str) -> dict[str, Any]:
    """What a host said of itself when its worker started, and what was set for it since; {} for an unknown one.

    Source: named beside the reference.
    """
    found: dict[str, Any] = ask("workerconfig", host)
    return found


def workerping(host: str) -> bool:
    """Whether a host's worker has been heard of within its lease. Source: named beside the reference."""
    found: bool = ask("workerping", host)
    return found


def bannedworkers() -> list[Host]:
    """The hosts that are banned: name, macaddress and address of each. Source: reference."""
    return rows("bannedworkers")


def workerban(name: Text = None, ban: bool = True, why: str = "") -> list[str]:
    """Ban hosts from taking work (what runs there is sent away), or let them again; the names of those changed.

    Source: ours.
    """
    found: list[str] = ask("workerban", name=name, ban=ban, why=why)
    return found


def workerlock(
    name: Text = None, lock: Any = True, purge: bool = False, why: str = "", finish: bool = False
) -> list[str]:
    """Lock hosts, so that they take nothing new, or (lock=False) unlock them; the names of those changed.

    `lock` may be written as the original does, "host.processor_all=1"; "host.processors=2" locks two slots. With
    `purge` what runs there is sent away at once (migrate), with `finish` each subjob leaves once its frame is done.

    Source: named beside the reference.
    """
    found: list[str] = ask("workerlock", name=name, lock=lock, purge=purge, why=why, finish=finish)
    return found


def workercalendar(host: Text, calendar: str, why: str = "") -> list[str]:
    """Lock hosts at times of each week: "mon-fri 09:00-18:00, sat 10:00-12:00"; "" takes that away.

    Times are of the farm's time zone. The names of the hosts changed. Source: ours.
    """
    found: list[str] = ask("workercalendar", host, calendar, why=why)
    return found


def workerdrain(
    name: Text = None, drain: bool = True, then: str = "stay", purge: bool = False, why: str = ""
) -> list[str]:
    """Empty hosts: they take nothing new and each subjob leaves once its frame is done; `purge`: at once.

    Once nothing runs there the worker stays idle, starts anew (then="restart") or ends (then="stop"). With drain=False
    they take work again. The names of the hosts changed. Source: ours.
    """
    found: list[str] = ask("workerdrain", name=name, drain=drain, then=then, purge=purge, why=why)
    return found


def workerforget(name: Text = None, why: str = "") -> list[str]:
    """Take leave of hosts whose workers are gone for good; the names of those forgotten. Their history stays.

    Raises Conflict for one that is alive or has something running. Source: ours.
    """
    found: list[str] = ask("workerforget", name=name, why=why)
    return found


def getresources() -> dict[str, Any]:
    """What the whole farm shares: {"license.maya": {total, used, avail}, ...}. Source: named beside the reference."""
    return facts("getresources")


def updateresources(resources: Mapping[str, Any] | str) -> dict[str, Any]:
    """Set how much of its shared resources the farm has: `{"license.maya": 5, "global.tape": 1}`; None takes one away.

    All of them as getresources has them afterwards. Source: named beside the reference.
    """
    found: dict[str, Any] = ask("updateresources", resources)
    return found


def updateworkerresources(host: Text, resources: Mapping[str, Any] | str) -> list[str]:
    """Set resources of hosts: `{"host.scratch": 500}`, or "host.scratch=500"; None takes one away.

    The names of the hosts changed. Stands over what the worker says of itself. Source: named beside the reference.
    """
    found: list[str] = ask("updateworkerresources", host, resources)
    return found


def updateworkerproperties(host: Text, properties: Mapping[str, Any] | str) -> list[str]:
    """Set properties of hosts: `{"gpu": "yes"}`, or "host.gpu=yes"; None takes one away.

    The names of the hosts changed. Stands over what the worker says of itself. Source: named beside the reference.
    """
    found: list[str] = ask("updateworkerproperties", host, properties)
    return found


def submitcallback(
    callback: Mapping[str, Any] | Sequence[Mapping[str, Any]], *extraCallbacks: Mapping[str, Any]
) -> list[int]:
    """Register what shall happen when an event comes: {triggers, language, code} and for some languages more.

    Several may also come as a list. The ids of the callbacks, in order. One that cannot act yet (a language that is
    off) is kept, and says why in jobinfo(callbacks=True). Raises Invalid for a malformed trigger.

    Source: reference, widened.
    """
    found: list[int] = ask("submitcallback", callback, *extraCallbacks)
    return found
