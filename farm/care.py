"""The buttons on hosts: one row of code per action. Bar, menu, form and what it does follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from qbcore.draining import workerdrain, workerforget
from qbcore.errors import Invalid
from qbcore.hostcare import workerban, workercalendar, workerlock

HOST = "host"
UP = ("active", "locked", "banned")
ALL = (*UP, "down", "none", "panic")
Names = list[str]


@dataclass(frozen=True, slots=True)
class Field:
    """Something that the operator types; `whole`: a number from `least` to `most`, and needed. Else it may be empty."""

    name: str
    label: str
    hint: str = ""
    whole: bool = False
    least: int = 1
    most: int = 4096

    def read(self, data: QueryDict) -> str:
        """What was typed. Raises Invalid, naming the field."""
        text = data.get(self.name, "").strip()
        fits = not self.whole or (text.isdecimal() and self.least <= int(text[:6]) <= self.most)
        if not fits:
            raise Invalid(f"{text!r} is not a whole number from {self.least} to {self.most}.", field=self.name)
        return text


@dataclass(frozen=True, slots=True)
class Care:
    """A button on hosts. `takes` are the states in which it can do anything; `loses`: what runs is broken off, or the
    host is, so it wants a reason. `do` gets names, what was typed, and the reason; answers the names of those changed.
    """

    verb: str
    label: str
    icon: str
    takes: tuple[str, ...]
    do: Callable[[Names, Mapping[str, str], str], list[str]]
    hint: str = ""
    fields: tuple[Field, ...] = ()
    danger: bool = False
    loses: bool = False
    more: bool = True
    key: str = ""
    scope: str = HOST

    @property
    def word(self) -> str:
        """What the button of the form says before the count."""
        return self.label.rstrip("…")

    def typed(self, data: QueryDict) -> dict[str, str]:
        """Raises Invalid."""
        return {field.name: field.read(data) for field in self.fields}


def _lock(**how: Any) -> Callable[[Names, Mapping[str, str], str], list[str]]:
    return lambda names, typed, why: workerlock(names, why=why, **how)


def _drain(**how: Any) -> Callable[[Names, Mapping[str, str], str], list[str]]:
    return lambda names, typed, why: workerdrain(names, why=why, **how)


SLOTS = Field("slots", "Slots to lock", "the others go on taking frames", whole=True)
CALENDAR = Field("calendar", "Locked at", "mon-fri 09:00-18:00, sat 10:00-12:00; empty: never by calendar")

CARES: tuple[Care, ...] = (
    Care("lock", "Lock", "lock", UP, _lock(), more=False, hint="takes nothing new; what runs goes on"),
    Care("unlock", "Unlock", "lock-open", ALL, _lock(lock=False), more=False, hint="all of it, and its slots"),
    Care("drain", "Drain", "arrow-down-to-line", UP, _drain(), more=False,
         hint="takes nothing new; each subjob leaves after its frame"),
    Care("undrain", "End draining", "play", ALL, _drain(drain=False), more=False, hint="takes work again"),
    Care("finish", "Lock after frame", "clock", UP, _lock(finish=True),
         hint="each subjob leaves once its frame is done"),
    Care("purge", "Lock and send away…", "x", UP, _lock(purge=True), danger=True, loses=True,
         hint="what runs there begins again elsewhere"),
    Care("slots", "Lock slots…", "minus", UP,
         lambda names, typed, why: workerlock(names, lock=f"host.processors={typed['slots']}", why=why),
         fields=(SLOTS,)),
    Care("calendar", "Calendar…", "table-2", ALL,
         lambda names, typed, why: workercalendar(names, typed["calendar"], why), fields=(CALENDAR,)),
    Care("restart", "Restart worker", "refresh-cw", UP, _drain(then="restart"),
         hint="once its frames are done; it takes work again then"),
    Care("restartnow", "Restart worker now…", "refresh-cw", UP, _drain(then="restart", purge=True), danger=True,
         loses=True, hint="what runs there begins again elsewhere"),
    Care("stop", "Stop worker…", "pause", UP, _drain(then="stop"), danger=True, loses=True,
         hint="once its frames are done; it is started again on the host itself"),
    Care("ban", "Ban…", "ban", ALL, lambda names, typed, why: workerban(names, why=why), danger=True, loses=True,
         hint="takes nothing; what runs there begins again elsewhere"),
    Care("unban", "Lift the ban", "check", ("banned",), lambda names, typed, why: workerban(names, ban=False, why=why)),
    Care("forget", "Forget…", "trash-2", ("down", "none", "panic"),
         lambda names, typed, why: workerforget(names, why), danger=True, loses=True,
         hint="its worker is gone for good; history and attempts stay"),
)  # fmt: skip


def find(verb: str) -> Care | None:
    return next((care for care in CARES if care.verb == verb), None)
