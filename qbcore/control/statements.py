"""The statements of the hot path for the database that this process has: see `onpostgres` and `onsqlite`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from qbcore.control import onpostgres, onsqlite
from qbcore.control.batches import Claimed, Delta, Held, Item, Known, Line, Owner, Place
from qbcore.writing import on_postgres


class Acts(Protocol):
    """What both databases can do."""

    def taken(self, job: int, said: Sequence[tuple[int, int]]) -> tuple[dict[int, Item], dict[int, Known]]:
        """The job's items by position, locked until the transaction ends, and what is stored of the attempts; *said*:
        pairs of both. An attempt that was too short to be seen running has no row yet.
        """

    def held(self, grants: Sequence[int]) -> list[Held]:
        """The items that belong to these grants."""

    def report(self, who: Owner, lines: Sequence[Line], delta: Delta, *, wait: datetime, now: datetime) -> None:
        """Items to their new statuses, attempts recorded, one delta; *wait*: until when what waits for a retry does.

        An ending that the farm has set before stands, unless the attempt was complete after all.
        """

    def claim(
        self, who: Owner, places: Sequence[Place], *, now: datetime, until: datetime, shun: int | None, rank: int
    ) -> list[Claimed]:
        """Free items from *rank* on, in the order of rendering, one for each place in order: (frame, grant, its rank).

        Those that do not run at once are reserved *until* then. Items that are to leave the host *shun* alone stay.
        """

    def begin(self, who: Owner, grants: Sequence[int], attempts: Sequence[int], *, now: datetime) -> int:
        """Of these attempts those that are reserved for one of the grants run from now on; how many those were."""


def acts() -> Acts:
    """For the database that this process has."""
    return onpostgres if on_postgres() else onsqlite
