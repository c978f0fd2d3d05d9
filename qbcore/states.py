"""What a job, subjob, work item or host can be, and how many things sum up to one status. Pure words.

The numbers are Qube's own, so a row, the API and an archive agree without a translation table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum


class Status(IntEnum):
    """A status of a job, subjob or work item, in the order in which bars and legends show them."""

    COMPLETE = 16
    RUNNING = 336
    FAILED = 32
    KILLED = 48
    SUSPENDED = 304
    BLOCKED = 272
    WAITING = 288
    PENDING = 320

    @property
    def word(self) -> str:
        """The API's spelling."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str | int) -> Status:
        """The status of that name or number; ValueError when there is none."""
        try:
            return cls(int(word)) if isinstance(word, int) or word.isdecimal() else cls[word.upper()]
        except (KeyError, ValueError) as unknown:
            raise ValueError(f"no status is called {word!r}") from unknown


DONE = frozenset({Status.COMPLETE, Status.FAILED, Status.KILLED})
LIVE = frozenset(Status) - DONE
PLACED = frozenset({Status.RUNNING, Status.SUSPENDED})
"""On a host: keeps its slots, its memory and its licences."""


class Hold(IntFlag):
    """Who keeps a job from being dispatched. Dependencies lift SUBMIT and DEPENDENCY only; unblock lifts all."""

    NONE = 0
    SUBMIT = 1
    DEPENDENCY = 2
    USER = 4
    FARM = 8


class Ending(StrEnum):
    """How an attempt ended. Only COMPLETE and FAILED count against a frame's retries."""

    COMPLETE = "complete"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"
    INTERRUPTED = "interrupted"
    LATE = "late"


class HostState(StrEnum):
    ACTIVE = "active"
    DOWN = "down"
    PANIC = "panic"
    NONE = "none"


Tally = Mapping[Status, int]
"""How many of each; a status that is missing counts as 0."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """What a job reads as. `failing` and `retrying` stand beside the status, never in its place."""

    status: Status
    subjobs: Status
    agenda: Status
    failing: bool


def live(tally: Tally) -> int:
    return sum(count for status, count in tally.items() if status in LIVE)


def total(tally: Tally) -> int:
    return sum(tally.values())


def rollup(*, subjobs: Tally, work: Tally, held: bool) -> Rollup:
    """A job's status out of its subjobs' and its work's, by section 4 of the semantics."""
    both = {status: subjobs.get(status, 0) + work.get(status, 0) for status in Status}
    over_subjobs = _alone(subjobs, held=held)
    over_work = _alone(work, held=held) if total(work) else over_subjobs
    return Rollup(
        status=_first(subjobs=subjobs, units=work if total(work) else subjobs, both=both, held=held),
        subjobs=over_subjobs,
        agenda=over_work,
        failing=bool(work.get(Status.FAILED) or subjobs.get(Status.FAILED)) and bool(live(both)),
    )


def _alone(tally: Tally, *, held: bool) -> Status:
    return _first(subjobs=tally, units=tally, both=tally, held=held)


def _first(*, subjobs: Tally, units: Tally, both: Tally, held: bool) -> Status:
    """The first rule that holds; `units` is what can wait or be blocked: work, or subjobs of a job without."""
    alive = live(units) if total(units) else live(subjobs)
    if subjobs.get(Status.RUNNING):
        return Status.RUNNING
    if subjobs.get(Status.SUSPENDED):
        return Status.SUSPENDED
    if alive:
        return _not_started(units, alive=alive, held=held or units.get(Status.BLOCKED, 0) == alive)
    if live(subjobs):
        return _not_started(subjobs, alive=live(subjobs), held=held)
    return next((status for status in (Status.KILLED, Status.FAILED) if both.get(status)), Status.COMPLETE)


def _not_started(units: Tally, *, alive: int, held: bool) -> Status:
    if held:
        return Status.BLOCKED
    if alive and units.get(Status.WAITING, 0) == alive:
        return Status.WAITING
    return Status.PENDING
