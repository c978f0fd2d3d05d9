"""The order in which a job would take hosts: `host.processor_speed,-host.processors.used`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from qbcore.errors import BadExpression
from qbcore.values import Facts, number_of, text_of

_preference = re.compile(r"\s*(?P<sign>[+-]?)(?P<name>host(?:\.[\w-]+)+)\s*", re.IGNORECASE | re.ASCII).fullmatch

SortKey: TypeAlias = tuple[int, float, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Preference:
    """One fact of hosts to sort by: the largest first, or the smallest."""

    name: str
    largest: bool = True

    def key(self, facts: Facts) -> SortKey:
        """What sorts the preferred host first: numbers, then texts, then hosts that lack the fact."""
        value = facts.get(self.name)
        if value is None:
            return (2, 0, ())
        turn = -1 if self.largest else 1
        number = number_of(value)
        if number is not None:
            return (0, turn * number, ())
        # Texts turn round letter by letter; the end mark keeps 'ab' before 'abc', or after it when turned.
        return (1, 0, tuple(turn * ord(letter) for letter in text_of(value) + "\0"))

    def __str__(self) -> str:
        return f"{'+' if self.largest else '-'}{self.name}"


@lru_cache(maxsize=1024)
def parse_hostorder(text: str, *, field: str = "hostorder") -> tuple[Preference, ...]:
    """The preferences of a comma list of [+|-]host.<fact>, the weightiest first; without a sign the largest is first.

    Raises BadExpression with the position (characters from 0) of the part that is malformed.
    """
    preferences = []
    position = 0
    for part in text.split(",") if text.strip() else ():
        found = _preference(part)
        if found is None:
            at = position + len(part) - len(part.lstrip())
            hint = "Expected host.<property> or host.<resource>.total, .used or .avail, with + or - before it."
            raise BadExpression(f"'{part.strip()}' gives no order", text=text, position=at, hint=hint, field=field)
        preferences.append(Preference(found["name"].lower(), found["sign"] != "-"))
        position += len(part) + 1
    return tuple(preferences)
