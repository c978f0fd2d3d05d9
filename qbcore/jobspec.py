"""What a submitted job says, checked field by field: plain values in, columns out. Pure words.

Every number may arrive as text. Unknown keys are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from qbcore import constants, fields
from qbcore.clusters import parse_restrictions
from qbcore.commands import PROTOTYPES, argv_for
from qbcore.errors import Invalid, QubeError
from qbcore.expressions import parse
from qbcore.hostorder import parse_hostorder
from qbcore.ranges import frameset, genframes
from qbcore.renderlines import check_package
from qbcore.reservations import parse_reservations

Items = list[tuple[str, bool, str | None]]
"""An agenda: name, blocked, package as JSON."""
RANGED = ("cmdrange", "pyCmdrange")
MOST_CPUS = 10_000
MOST_FRAMES = 1_000_000
LONG = 50_000
"""Frames beyond which a plain range is stored slice by slice behind the submission."""

TEXTS = [
    "name", "label", "domain", "account", "kind", "notes", "mailaddress", "prototype", "cluster", "restrictions",
    "requirements", "reservations", "hosts", "omithosts", "groups", "omitgroups", "hostorder", "dependency",
    "cwd",
]  # fmt: skip
NUMBERS = {
    "priority": 9999, "cpus": 1, "max_cpus": 0, "pgrp": 0, "pid": 0, "timeout": -1, "timelimit": -1,
    "agenda_timeout": -1, "agenda_timelimit": -1,
    "retrywork": 0, "retrywork_delay": 0, "retrysubjob": 0,
}  # fmt: skip
LEAST = {
    **dict.fromkeys(("max_cpus", "timelimit", "agenda_timelimit", "timeout", "agenda_timeout"), -1),
    "priority": -fields.LARGEST,
    "cpus": -fields.LARGEST,
}
"""The least value of a number; 0 where nothing else is said. -1 is no limit; priorities are moved into 1 to 9999."""
PRODUCTION = (
    "prod_show", "prod_shot", "prod_seq", "prod_client", "prod_dept",
    "prod_custom1", "prod_custom2", "prod_custom3", "prod_custom4", "prod_custom5",
)  # fmt: skip
ALIASES = {"agendatimelimit": "agenda_timelimit", "agendatimeout": "agenda_timeout"}
FLIGHTS = ("preflights", "postflights")
MOST_FLIGHTS = 100
TYPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
READ_ONLY = frozenset([
    "id", "status", "subjobstatus", "agendastatus", "reason", "todo", "cpustally", "todotally", "timesubmit",
    "timestart", "timecomplete", "lastupdate", "localorder", "globalorder", "serverid", "flagsstring", "subjobs",
    "agenda", "callbacks", "flags", "user", "package", "env",
])  # fmt: skip


def columns(job: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a job row out of a submitted job, without its user, agenda and status."""
    job = {ALIASES.get(key, key): value for key, value in job.items()}
    _check_prototype(job)
    found: dict[str, Any] = {key: text(job, key) for key in TEXTS if job.get(key) is not None}
    found |= {key: number(job, key, default) for key, default in NUMBERS.items()}
    found["priority"] = min(max(found["priority"], 1), 9999)
    if not 1 <= found["cpus"] <= MOST_CPUS:
        raise Invalid(f"{found['cpus']} is not a number of subjobs: give 1 to {MOST_CPUS:,}", field="cpus")
    found["flags"] = flags(job)
    found["package"] = mapping(job, "package")
    check_package(found["package"])
    found["env"] = _env(job)
    found |= {key: _flights(job, key) for key in FLIGHTS}
    found["show"] = text(job, "prod_show") or str(found["package"].get("show", ""))
    check_words(found)
    known = {*TEXTS, *NUMBERS, *READ_ONLY, *FLIGHTS}
    found["extra"] = {str(key): value for key, value in job.items() if key not in known}
    if job.get("p_agenda") not in (None, "", [], ()):
        found["extra"]["p_agenda"] = _first(job["p_agenda"])
    fields.storable(found["package"], "package")
    fields.storable(found["extra"], "")
    return found


def _first(given: Any) -> list[str]:
    """The items to render first, as names or ranges of them: a comma list, or a list of names, numbers or items."""
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, (list, tuple)) or len(parts) > MOST_FRAMES:
        raise Invalid("p_agenda must be a list of names or a range", field="p_agenda", hint="Such as '1,50,100'.")
    names = [one.get("name") if isinstance(one, Mapping) else one for one in parts]
    wrong = next((one for one in names if isinstance(one, bool) or not isinstance(one, (str, int))), None)
    if wrong is not None or None in names:
        raise Invalid(f"{fields.shown(wrong)} names no item", field="p_agenda", hint="Such as '1,50,100'.")
    return [str(one).strip() for one in names if str(one).strip()]


def _env(job: Mapping[str, Any]) -> dict[str, str]:
    given = {str(key): value for key, value in mapping(job, "env").items()}
    for key, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Invalid(f"{fields.shown(value)} is no text", field=f"env.{key}")
    env = {key: str(value) for key, value in given.items()}
    for key, value in env.items():
        if not key or "=" in key or fields.UNSTORABLE.search(key + value):
            raise Invalid(f"{key!r} cannot be a variable of an environment", field="env", hint="Leave out '=' and NUL.")
    return env


def _flights(job: Mapping[str, Any], key: str) -> list[str]:
    """The commands of flight checks: a list, or one text in which commas and line ends part them."""
    value = job.get(key)
    given = re.split("[,\n]", value) if isinstance(value, str) else value or []
    if not isinstance(given, (list, tuple)) or len(given) > MOST_FLIGHTS:
        raise Invalid(f"{key} must be a list of at most {MOST_FLIGHTS} commands", field=key)
    for number, one in enumerate(given):
        if not isinstance(one, str) or len(one) > fields.LONGEST_TEXT or fields.UNSTORABLE.search(one):
            raise Invalid("a flight check must be a command line", field=f"{key}[{number}]", hint="Give it as a text.")
    return [one.strip() for one in given if one.strip()]


def check_command(found: Mapping[str, Any], items: Items | range | None) -> None:
    """Refuses what a worker could not run: no command line, a padding that is no number."""
    if found["prototype"] not in PROTOTYPES:
        return  # what the package of a custom type must hold is known to its own program
    first = items[0] if items else None
    name = str(first) if isinstance(first, int) else first[0] if first else None
    argv_for({"prototype": found["prototype"], "package": found["package"]}, name)


def _check_prototype(job: Mapping[str, Any]) -> None:
    prototype = job.get("prototype")
    if not prototype:
        raise Invalid("a job needs a prototype", field="prototype", hint=f"Give one of {', '.join(PROTOTYPES)}.")
    if not isinstance(prototype, str) or not TYPE_NAME.fullmatch(prototype):
        raise Invalid(
            f"{fields.shown(prototype)} is no name of a job type",
            field="prototype",
            hint="Use up to 63 letters, digits, '.', '-' and '_'.",
        )


def flags(job: Mapping[str, Any]) -> int:
    """The job's flags as a number; `flagsstring` adds names to `flags`."""
    if job.get("flags") is None and job.get("flagsstring") is None:
        return constants.FLAGS["auto_mount"]
    return constants.flags_number(job.get("flags")) | constants.flags_number(job.get("flagsstring"))


def text(job: Mapping[str, Any], key: str) -> str:
    return "" if job.get(key) is None else fields.plain(job[key], key)


def number(job: Mapping[str, Any], key: str, default: int) -> int:
    value = job.get(key)
    return default if value in (None, "") else fields.whole(value, key, least=LEAST.get(key, 0))


def mapping(job: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = job.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Invalid(f"{key} must be a dictionary, not {type(value).__name__}", field=key)
    return dict(value)


CHECKS: dict[str, Callable[[str], object]] = {
    "requirements": parse,
    "reservations": parse_reservations,
    "restrictions": parse_restrictions,
    "hostorder": parse_hostorder,
}


def check_words(found: dict[str, Any]) -> None:
    """Refuses malformed expressions with their position, and fills in what an empty one stands for."""
    for key, check in CHECKS.items():
        try:
            check(found.get(key, ""))
        except Invalid as wrong:
            wrong.field = wrong.field or key
            raise
    found["cluster"] = "/" + found.get("cluster", "").strip().strip("/")


def is_own_unit(prototype: str, todo: int) -> bool:
    """Whether each subjob of such a job is a unit of its own: a ranged job without items has nothing to do instead."""
    return not todo and prototype not in RANGED


def loops(prototype: str, todo: int) -> bool:
    """Whether each subjob of such a job is one process that asks for the job's items itself."""
    return todo > 0 and prototype not in PROTOTYPES


def agenda(job: Mapping[str, Any], package: Mapping[str, Any]) -> Items | range | None:
    """The items as (name, blocked, package); None for a job without agenda, whose subjobs are its units.

    A long plain range stays a `range` of its frames.
    """
    items, ranged = job.get("agenda"), job.get("prototype") in RANGED
    if items is None and ranged and package.get("range") not in (None, ""):
        items = _frames(fields.plain(package["range"], "package.range"))
        if isinstance(items, range) and _may_fill_later(job):
            return items
    if not ranged and items in (None, [], ()):  # jobinfo gives such a job an empty agenda too
        return None
    if items is None:
        raise Invalid(
            f"a {job['prototype']} job needs an agenda or package['range']",
            field="agenda",
            hint="Use qb.genframes('1-24').",
        )
    if not isinstance(items, (list, tuple, range)):
        raise Invalid(f"the agenda must be a list of work items, not {type(items).__name__}", field="agenda")
    if len(items) > MOST_FRAMES:
        raise Invalid(f"{len(items):,} items are too many for one job: give at most {MOST_FRAMES:,}", field="agenda")
    return [_item(number, item) for number, item in enumerate(items)]


def _may_fill_later(job: Mapping[str, Any]) -> bool:
    """Whether the order of the frames is that of the range, and nothing ties single frames to others."""
    ordered = flags(job) & constants.FLAGS["p_agenda"] or job.get("p_agenda")
    return not ordered and not job.get("dependency")


def _frames(given: str) -> list[Any] | range:
    """An agenda out of a range; how long it would be is known before it is made. A long plain range stays one."""
    plain = frameset(given)
    if isinstance(plain, range) and LONG < len(plain) <= MOST_FRAMES:
        return plain
    if sum(len(frameset(part)) for part in given.split(",")) > MOST_FRAMES:
        raise Invalid(
            f"{given[:60]} has over {MOST_FRAMES:,} frames", field="package.range", hint="Make it several jobs."
        )
    try:
        return genframes(given)
    except QubeError as wrong:
        if isinstance(wrong, Invalid):
            wrong.field = "package.range"
        raise


def _item(position: int, item: Any) -> tuple[str, bool, str | None]:
    if not isinstance(item, Mapping):
        item = {"name": item}
    name = item.get("name")
    told = str(name) if isinstance(name, (str, int, float)) and not isinstance(name, bool) else ""
    if not 1 <= len(told) <= 1000 or fields.UNSTORABLE.search(told):
        raise Invalid("a work item needs a name of 1 to 1,000 characters", field=f"agenda[{position}].name")
    held = fields.blocked(item.get("status"), f"agenda[{position}].status")
    package = item.get("package")
    if package is not None and not isinstance(package, Mapping):
        raise Invalid("a work item's package must be a dictionary", field=f"agenda[{position}].package")
    return told, held, fields.stored(package, f"agenda[{position}].package") if package else None
