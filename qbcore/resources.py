"""What the whole farm shares: licences and global resources, how much there is and how much of it is taken."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from qbcore import acting, events, history, views
from qbcore.candidates import HostView
from qbcore.errors import Invalid
from qbcore.models import GrantRow, ResourceRow
from qbcore.permissions import need
from qbcore.states import HostState
from qbcore.writing import clock, locked, writing

log = logging.getLogger(__name__)
NAME = re.compile(r"(?:license|global)\.[\w.-]*\w")
MOST = 2**31 - 1
UNITS = {"": 1.0, "kb": 1 / 1024, "mb": 1.0, "gb": 1024.0, "tb": 1024.0 * 1024}
ASKED = re.compile(r"(?P<sign>>=|==|=)?(?P<amount>[0-9]{1,15}(?:\.[0-9]{1,6})?)(?P<unit>kb|mb|gb|tb)?[+*]?")
ALIASES = {"cpus": "host.processors", "processors": "host.processors", "slots": "host.processors"}


def getresources() -> dict[str, Any]:
    """{name: {total, used, avail}} of everything that the farm shares."""
    need(acting.current(), "see")
    rows = ResourceRow.objects.order_by("name").values_list("name", "total", "used")
    return {name: {"total": total, "used": used, "avail": max(0, total - used)} for name, total, used in rows}


def updateresources(resources: Any) -> dict[str, Any]:
    """Sets how much there is of some; None takes one away. All of them as they are then."""
    need(acting.current(), "resources")
    _update(_amounts(resources))
    return getresources()


def _amounts(given: Any) -> dict[str, int | None]:
    pairs = given
    if isinstance(given, str):
        parts = [part.partition("=") for part in given.split(",") if part.strip()]
        pairs = {name.strip(): amount.strip() for name, _, amount in parts}
    if not isinstance(pairs, Mapping) or not pairs:
        raise Invalid("give a dictionary or a text such as 'license.maya=5'", field="resources")
    return {_name(key): None if value is None else _amount(key, value) for key, value in pairs.items()}


def _name(key: Any) -> str:
    name = str(key).strip()
    if len(name) > 200 or not NAME.fullmatch(name):
        raise Invalid(
            f"{name[:60]!r} is nothing that a farm shares", field="resources",
            hint="Write license.<name> or global.<name>; what a host has is set by updateworkerresources.",
        )  # fmt: skip
    return name


def _amount(key: Any, value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or not text.isascii() or int(text[:15]) > MOST:
        raise Invalid(f"{text[:60]!r} is no amount of {key}", field="resources", hint="Give a whole number, 0 or more.")
    return int(text)


@writing
def _update(amounts: Mapping[str, int | None]) -> None:
    now = clock()
    said = []
    for name, total in sorted(amounts.items()):
        row = locked(ResourceRow.objects.filter(name=name)).first()
        if total is None:
            ResourceRow.objects.filter(name=name).delete()
        else:
            new = {"total": total, "used": _taken()[name] if row is None else row.used, "updated": now}
            ResourceRow.objects.get_or_create(name=name, defaults=new)  # two may make it at once
            ResourceRow.objects.filter(name=name).update(total=total, updated=now)
        if (row.total if row else None) != total:
            said.append(f"{name} {'none' if row is None else row.total} → {'none' if total is None else total}")
    if said:
        history.record("updateresources", now=now, effect=", ".join(said)[:1000])
        events.publish("wake", [])


def _taken() -> Counter[str]:
    """What the open grants take of all that is shared."""
    found: Counter[str] = Counter()
    for taken in GrantRow.objects.filter(ended__isnull=True).values_list("taken", flat=True).iterator():
        for name, count in taken.items():
            if not name.startswith("host."):
                found[name] += int(count)
    return found


def audit() -> list[str]:
    """Counters that are not what the open grants take are set right, and said; their names."""
    names = ResourceRow.objects.order_by("name").values_list("name", flat=True)
    return [name for name in list(names) if _recount(name)]


@writing
def _recount(name: str) -> bool:
    """Whoever changes the counter holds its row until the grant is there too, so under its lock both must agree."""
    row = locked(ResourceRow.objects.filter(name=name)).first()
    if row is None:
        return False
    taken = _taken()[name]
    if row.used == taken:
        return False
    now = clock()
    ResourceRow.objects.filter(name=name).update(used=taken, updated=now)
    log.warning("%s was counted as %s in use, and %s are", name, row.used, taken)
    with acting.acting_as(acting.FARM):
        history.record("audit", now=now, effect=f"{name}: {row.used} were counted as in use, {taken} are")
    events.publish("wake", [])
    return True


# -- what there is of what somebody asks for -----------------------------------------------------------------------


def resource(resources: Any) -> dict[str, Any]:
    """{asked, total, used, avail, hosts} for each key: sums over the active hosts that have as much as is asked.

    Memory is in MB, amounts may have a unit (GB). Of what the farm shares `hosts` is how many active hosts there are.
    """
    need(acting.current(), "see")
    if not isinstance(resources, Mapping):
        raise Invalid("give a dictionary such as {'host.memory': '>=16GB'}", field="resources")
    wanted = {str(key): _wanted(key, value) for key, value in resources.items()}
    hosts = [one for one in views.every_host(clock()) if one.state == HostState.ACTIVE]
    shared = getresources()
    return {
        key: {"asked": resources[key], **_found(_full_name(key), amount, hosts, shared)}
        for key, amount in wanted.items()
    }


def _full_name(key: str) -> str:
    name = key.strip().lower()
    name = ALIASES.get(name, name)
    return name if name.startswith(("host.", "license.", "global.")) else f"host.{name}"


def _wanted(key: Any, value: Any) -> float:
    found = ASKED.fullmatch(str(value).replace(" ", "").lower())
    if found is None or isinstance(value, bool):
        raise Invalid(f"{str(value)[:60]!r} is no amount", field=str(key), hint="Write 4, '4' or '>=16GB'.")
    return float(found["amount"]) * UNITS[found["unit"] or ""]


def _found(name: str, least: float, hosts: Iterable[HostView], shared: Mapping[str, Any]) -> dict[str, Any]:
    if not name.startswith("host."):
        known = next((row for one, row in shared.items() if one.lower() == name), {"total": 0, "used": 0, "avail": 0})
        return {**known, "hosts": len(list(hosts))}
    short = name.removeprefix("host.")
    fitting = [one for one in hosts if short in one.totals and one.totals[short] >= least]
    total = sum(one.totals[short] for one in fitting)
    used = sum(one.used.get(short, 0) for one in fitting)
    return {"total": total, "used": used, "avail": max(0, total - used), "hosts": len(fitting)}
