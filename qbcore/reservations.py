"""Reservations: what one subjob takes from its host and from the farm while it runs.

`host.processors=2,host.memory=4000,license.maya=1`. Amounts are whole numbers (memory in MB). Nothing is taken by
reading a text; `fit` says what would be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from qbcore.errors import BadExpression

SLOTS = "processors"

_NAME_HINT = "Expected host.<name>, global.<name> or license.<name>, with commas between two."
_AMOUNT_HINT = "Expected 2, 2+ (at least 2, all that are free), 2-4, or 1* and all (an idle host, the whole of it)."

_part = re.compile(
    r"(?P<lead>\s*)(?:(?P<scope>host|global|license)\.(?P<name>[\w.-]*\w))?(?P<rest>[^,]*)", re.IGNORECASE
).match
_amount = re.compile(r"(?P<low>[0-9]{1,15})(?:(?P<sign>[+*])|-(?P<high>[0-9]{1,15}))?").fullmatch


@dataclass(frozen=True, slots=True)
class Reservation:
    """So much of one thing: at least `low`; no more than `high` unless all that is free is taken."""

    scope: str
    """'host', 'global' or 'license'."""
    name: str
    low: int = 1
    high: int | None = 1
    all_free: bool = False
    """Takes all that is free; `high` is None then."""
    exclusive: bool = False
    """Only an idle host will do."""

    @property
    def resource(self) -> str:
        return f"{self.scope}.{self.name}"

    @property
    def amount(self) -> str:
        if self.all_free:
            return f"{self.low}{'*' if self.exclusive else '+'}"
        return str(self.low) if self.high == self.low else f"{self.low}-{self.high}"

    def __str__(self) -> str:
        return f"{self.resource}={self.amount}"


@lru_cache(maxsize=4096)
def parse_reservations(text: str, *, field: str = "reservations") -> tuple[Reservation, ...]:
    """The reservations of a comma list, in its order; an amount that is not given is 1.

    Raises BadExpression with the position (characters from 0): unknown scope, malformed amount, a thing named twice.
    """
    found: dict[str, Reservation] = {}
    position = 0 if text.strip() else len(text)
    while position < len(text):
        at, reservation, position = _read(text, position, field)
        if reservation.resource in found:
            _fail(f"{reservation.resource} is reserved twice", text, at, "Name each thing once.", field)
        found[reservation.resource] = reservation
    return tuple(found.values())


def per_subjob(text: str) -> tuple[Reservation, ...]:
    """What a subjob of a job with these reservations takes: one slot of its host unless they say how many."""
    reservations = parse_reservations(text)
    if any(one.resource == f"host.{SLOTS}" for one in reservations):
        return reservations
    return (Reservation("host", SLOTS), *reservations)


def fit(
    reservations: Iterable[Reservation],
    free: Mapping[str, float],
    total: Mapping[str, float],
    idle: bool,  # noqa: FBT001 -- a fact beside two others, not a switch
    *,
    host: str = "the host",
) -> dict[str, float] | str:
    """What these reservations take, by resource ('host.processors'), or a sentence why not; all or none.

    `free` and `total` map resources to amounts; what is in neither does not exist. `idle`: nothing runs on the host.
    """
    taken: dict[str, float] = {}
    for one in reservations:
        available = free.get(one.resource, total.get(one.resource))
        if available is None:
            return _unknown(one, host)
        if one.exclusive and not idle:
            return f"needs {one}, and {host} is not idle"
        if available < one.low:
            return _short(one, available, total.get(one.resource), host)
        taken[one.resource] = available if one.high is None else min(available, one.high)
    return taken


def _read(text: str, start: int, field: str) -> tuple[int, Reservation, int]:
    """One reservation from `start`: where it stands, what it is, where the next begins."""
    found = _part(text, start)
    if found is None or found["scope"] is None:
        at = start if found is None else found.end("lead")
        word = text[at:].split(",")[0].strip()
        _fail(f"'{word}' reserves nothing known" if word else "a reservation is missing", text, at, _NAME_HINT, field)
    at, rest = found.start("scope"), found["rest"].strip()
    scope, name = found["scope"].lower(), found["name"]
    if rest and not rest.startswith("="):
        _fail(f"'{rest}' after {scope}.{name}", text, found.start("rest"), "Expected = and an amount.", field)
    amount = rest[1:].strip().lower() if rest else "1"
    where = found.start("rest") + found["rest"].find("=") + 1
    reservation = _amounting(scope, name, amount, text, where, field)
    end = found.end()
    if text[end : end + 1] == "," and not text[end + 1 :].strip():
        _fail("a reservation is missing after the comma", text, end, _NAME_HINT, field)
    return at, reservation, end + 1


def _amounting(scope: str, name: str, amount: str, text: str, at: int, field: str) -> Reservation:
    found = _amount("1*" if amount == "all" else amount)
    if found is None:
        _fail(f"'{amount}' is no amount", text, at, _AMOUNT_HINT, field)
    low, sign = int(found["low"]), found["sign"]
    if sign == "*" and scope != "host":
        _fail(
            f"{scope}.{name} cannot be idle", text, at, "Expected a number, N+ or N-M; only a host can be idle.", field
        )
    if sign:
        return Reservation(scope, name, low, None, all_free=True, exclusive=sign == "*")
    high = int(found["high"] or low)
    if high < low:
        _fail(f"{low}-{high} ends before it begins", text, at, f"Expected {high}-{low}.", field)
    return Reservation(scope, name, low, high)


def _unknown(one: Reservation, host: str) -> str:
    if one.scope == "host":
        return f"needs {one}, and {host} has no {one.resource}"
    return f"needs {one}, and the farm has no {one.resource}"


def _short(one: Reservation, available: float, total: float | None, host: str) -> str:
    owner = host if one.scope == "host" else "the farm"
    if total is not None and total < one.low:
        return f"needs {one}, {owner} has only {total:g}"
    return f"needs {one}, {owner} has {max(available, 0):g} free"


def _fail(problem: str, text: str, at: int, hint: str, field: str) -> NoReturn:
    raise BadExpression(problem, text=text, position=at, hint=hint, field=field)
