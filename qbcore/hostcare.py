"""What people do to hosts: lock, ban, give a calendar, and set what they have over what their workers say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from qbcore import acting, calendars, callbacks, events, history, locks, verbs, wrangling
from qbcore.clusters import parse_restrictions
from qbcore.errors import Invalid
from qbcore.hostfacts import OWN, amount, with_settings
from qbcore.hosts import silent_since
from qbcore.ids import flatten
from qbcore.models import GrantRow, HostRow
from qbcore.objects import Host
from qbcore.permissions import need
from qbcore.queries.filters import match
from qbcore.states import HostState
from qbcore.writing import clock, locked, writing

LOCKS: dict[Any, bool] = {
    **dict.fromkeys((True, 1, "1", "true", "yes", "on", "all", "host.processor_all=1", "host.processors=all"), True),
    **dict.fromkeys((False, 0, "0", "false", "no", "off", "none", "", None, "host.processor_all=0"), False),
}
"""How a lock may be written, and whether it locks the whole host."""
COLUMNS = ("cluster", "groups", "restrictions")
"""Properties that no worker says: columns of the host, which decide what it is given."""
CHANGED = [
    *("locked", "lock_slots", "calendar", "drain", "banned", "reason", "told", "totals", "properties"),
    *("set_resources", "set_properties", "updated", *COLUMNS),
]
NAME = re.compile(r"[A-Za-z][\w.-]{0,99}")
SLOTS = re.compile(r"host\.processors=(\d{1,4})")
TURNED = timedelta(minutes=1)
NOW, FRAME = "migrate", "preempt"
"""How what runs on a host leaves it: at once, or each subjob once its current frame is done."""


def workerlock(
    name: Any = None, lock: Any = True, purge: bool = False, why: str = "", finish: bool = False
) -> list[str]:
    """Locks hosts (they take nothing new), so many of their slots ('host.processors=2'), or unlocks them.

    With *purge* what runs there goes elsewhere at once; with *finish* each subjob does once its current frame is done.
    """
    whole, slots = _lock(lock)
    leave = leaving(purge=purge, finish=finish)
    verb = "lock" if whole or slots else "unlock"
    told = why or (f"{slots} slots" if slots else "")
    return change(name, verb, lambda row: _set_lock(row, why, whole=whole, slots=slots), told, leave=leave)


def leaving(*, purge: bool, finish: bool = False) -> str:
    """The verb by which what runs on a host leaves it; empty: it stays. Raises Invalid for what is not a flag."""
    for field, given in (("purge", purge), ("finish", finish)):
        if not isinstance(given, bool):
            raise Invalid(f"{given!r:.60} is neither True nor False", field=field, hint="Give True or False.")
    return NOW if purge else FRAME if finish else ""


def workerban(name: Any = None, ban: bool = True, why: str = "") -> list[str]:
    """Bans hosts: they take nothing, and what they run goes elsewhere at once; or lets them again."""
    if not isinstance(ban, bool):
        raise Invalid(
            f"{ban!r} is neither True nor False", field="ban", hint="Give True to ban, False to let it again."
        )
    verb = "ban" if ban else "unban"
    return change(name, verb, lambda row: _set_ban(row, why, to=ban), why, leave=NOW if ban else "")


def workercalendar(host: Any, calendar: str, why: str = "") -> list[str]:
    """Locks hosts at times of each week, 'mon-fri 09:00-18:00, sat 10:00-12:00'; an empty text takes that away.

    Times are of the farm's time zone (FARM_TIMEZONE). What runs when a time begins ends as it would.
    """
    if not isinstance(calendar, str) or len(calendar) > 400:
        raise Invalid(
            "a calendar is a text of at most 400 characters", field="calendar", hint="Such as 'mon-fri 09:00-18:00'."
        )
    text = ", ".join(part.strip() for part in calendar.split(",")) if calendars.parse(calendar) else ""

    def give(row: HostRow) -> bool:
        before, row.calendar = row.calendar, text
        return before != text

    return change(host, "calendar", give, f"{text or 'no calendar'}{': ' * bool(why)}{why}")


def _lock(given: Any) -> tuple[bool, int]:
    """Whether all of the host is locked, and how many of its slots."""
    key = given.strip().lower() if isinstance(given, str) else given
    found = SLOTS.fullmatch(key) if isinstance(key, str) else None
    if found:
        return False, int(found[1])
    try:
        return LOCKS[key], 0
    except (KeyError, TypeError):
        raise Invalid(
            f"{given!r:.60} is no lock", field="lock",
            hint="Give True or 'all' to lock the host, 'host.processors=2' for two of its slots, False to unlock it.",
        ) from None  # fmt: skip


def _set_lock(row: HostRow, why: str, *, whole: bool, slots: int) -> bool:
    before = (row.locked, row.lock_slots)
    row.locked, row.lock_slots = whole, slots
    row.reason = why if whole or slots else ""
    if before[0] and not whole:
        wrangling.forgive(row.pk, clock())
    return before != (whole, slots)


def _set_ban(row: HostRow, why: str, *, to: bool) -> bool:
    before, row.banned = row.banned, to
    row.reason = why if to else ""
    return before != to


@writing
def change(name: Any, verb: str, change: Callable[[HostRow], bool], why: str, *, leave: str = "") -> list[str]:
    """Changes the hosts of these names, all or none; answers the names of those that are different now.

    *leave* is the verb by which what runs there leaves: NOW, FRAME, or nothing.
    """
    need(acting.current(), "host")
    if not isinstance(why, str):
        raise Invalid("the reason must be a text", field="why")
    now = clock()
    rows = named(name)
    changed = [row for row in rows if change(row)]
    for row in changed:
        row.updated = now
        row.save(update_fields=CHANGED)
        history.record(verb, now=now, host=row.name, effect=why or f"host {row.name}")
    callbacks.hear_hosts([row.name for row in changed], verb)
    if leave:
        changed += [row for row in rows if _send_away(row, leave) and row not in changed]
    events.publish("host", [row.pk for row in changed])
    events.publish("wake", [row.pk for row in changed])
    return [row.name for row in changed]


def named(name: Any) -> list[HostRow]:
    """The hosts of these names (wildcards allowed), locked; unknown ones are absent."""
    names = [str(one.get("name", "")) if isinstance(one, Mapping) else str(one) for one in flatten([name or []])]
    if not names or not all(names):
        raise Invalid("no host is named", field="name", hint="Give a host's name, a list of names, or '*' for all.")
    return list(locked(HostRow.objects.filter(match("name", names)).order_by("pk")))


def _send_away(row: HostRow, verb: str) -> int:
    """Has every subjob that is placed on the host leave; answers how many. Jobs are taken in the order of their ids."""
    grants = GrantRow.objects.filter(host_id=row.pk, ended__isnull=True).order_by("job_id", "idx")
    return sum(len(verbs.act_on_job(verb, grant.job_id, grant.idx)) for grant in grants)


def wake_where_calendars_turned() -> list[str]:
    """Hints for the hosts whose calendars have locked or let them within the last minute; answers their names.

    The hint may come some times, and a worker that misses it asks a beat later.
    """
    now = clock()
    rows = HostRow.objects.exclude(calendar="").filter(state=HostState.ACTIVE).only("name", "calendar")
    before = now - TURNED
    turned = [row for row in rows if bool(locks.until(row.calendar, now)) != bool(locks.until(row.calendar, before))]
    if turned:
        events.publish("host", [row.pk for row in turned])
        events.publish("wake", [row.pk for row in turned])
    return [row.name for row in turned]


def bannedworkers() -> list[Host]:
    """Banned hosts: name, macaddress, address, and why."""
    need(acting.current(), "see")
    rows = HostRow.objects.filter(banned=True).order_by("name")
    return [
        Host(name=row.name, macaddress=row.macaddress, address=row.address, state=row.state, reason=row.reason)
        for row in rows
    ]


def workerping(host: str) -> bool:
    """Whether the host's worker has been heard of within its lease."""
    need(acting.current(), "see")
    seen: datetime | None = HostRow.objects.filter(name=str(host)).values_list("seen", flat=True).first()
    return seen is not None and seen > silent_since(clock())


def workerconfig(host: str) -> dict[str, Any]:
    """What the worker said of its host, and what was set over it; {} for an unknown host."""
    need(acting.current(), "see")
    row = HostRow.objects.filter(name=str(host)).first()
    if row is None:
        return {}
    kept = ("name", "address", "macaddress", "os", "architecture", "version", "cluster", "groups", "restrictions")
    return {
        **{key: getattr(row, key) for key in kept},
        "jobtypes": row.jobtypes,
        "calendar": row.calendar,
        "drain": row.drain,
        "protocol": row.protocol,
        "facts": row.facts,
        "resources": row.totals,
        "properties": row.properties,
        "set_resources": row.set_resources,
        "set_properties": row.set_properties,
        "lease": settings.FARM_LEASE,
        "active": row.state == HostState.ACTIVE,
    }


def updateworkerresources(host: Any, resources: Any) -> list[str]:
    """Sets amounts of hosts over what their workers say; None takes a setting away."""
    found = _settings(resources, "resources")
    shared = next((key for key in found if found[key] is not None and key.startswith(("license.", "global."))), None)
    if shared:
        raise Invalid(
            f"{shared} is no resource of a host: licences and global resources belong to the whole farm",
            field="resources", hint=f"Set it with updateresources({{{shared!r}: 5}}).",
        )  # fmt: skip
    amounts = {key: None if value is None else amount(value, f"resources[{key!r}]") for key, value in found.items()}
    return change(host, "resources", lambda row: _set(row, "set_resources", amounts), _listed(found))


def updateworkerproperties(host: Any, properties: Any) -> list[str]:
    """Sets properties of hosts over what their workers say; None takes a setting away."""
    found = _settings(properties, "properties")
    values = {key: None if value is None else _plain(value, key) for key, value in found.items()}
    own = {key: _own(key, values.pop(key)) for key in COLUMNS if key in values}

    def give(row: HostRow) -> bool:
        changed = _set(row, "set_properties", values)
        return _set_own(row, own) or changed

    return change(host, "properties", give, _listed(found))


def _own(key: str, value: Any) -> str | None:
    """The new text of one of the host's own columns; None is what its worker says, or what a new host has."""
    if value is None:
        return None
    text = str(value).strip()
    if key == "restrictions":
        parse_restrictions(text)
    return text or OWN.get(key, "")


def _set_own(row: HostRow, own: Mapping[str, str | None]) -> bool:
    wanted = {key: row.told.get(key, OWN.get(key, "")) if value is None else value for key, value in own.items()}
    changed = any(getattr(row, key) != value for key, value in wanted.items())
    for key, value in wanted.items():
        setattr(row, key, value)
    return changed


def _set(row: HostRow, column: str, values: Mapping[str, Any]) -> bool:
    before = dict(getattr(row, column))
    after = {key: value for key, value in {**before, **values}.items() if value is not None}
    setattr(row, column, after)
    row.told = row.told or {"resources": row.totals, "properties": row.properties}
    row.totals, row.properties = with_settings(row)
    return after != before


def _listed(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {'as the worker says' if value is None else value}" for key, value in found.items())


def _settings(given: Any, field: str) -> dict[str, Any]:
    """{"scratch": 500} or "host.scratch=500,host.gpu=yes" as names without `host.`, lower case."""
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(",") if part.strip()]
        wrong = next((key for key, sign, _ in pairs if not sign), None)
        if wrong is not None:
            raise Invalid(f"'{wrong.strip()}' sets nothing", field=field, hint="Write host.scratch=500.")
        given = {key.strip(): value.strip() for key, _, value in pairs}
    if not isinstance(given, Mapping) or not given:
        raise Invalid(f"give {field} as a dictionary or as text", field=field, hint="Such as {'scratch': 500}.")
    found = {str(key).strip().lower().removeprefix("host."): value for key, value in given.items()}
    wrong = next((key for key in found if not NAME.fullmatch(key)), None)
    if wrong is not None:
        raise Invalid(f"{wrong!r:.60} is no name", field=field, hint="Use letters, digits, '.', '-' and '_'.")
    return found


def _plain(value: Any, key: str) -> str | int | float | bool:
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str) and len(value) <= 200 and "\x00" not in value:
        return value
    raise Invalid("a property is a text of at most 200 characters or a number", field=f"properties[{key!r}]")
