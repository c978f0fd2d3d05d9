"""What the hot path reads and writes at once: frames claimed, begun or ended, of all grants of a job together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from qbcore.models import GrantRow, JobRow
from qbcore.states import Status


class Place(NamedTuple):
    """Where a claimed frame goes: its grant, that grant's subjob, and whether it runs at once or is reserved."""

    grant: int
    subjob: int
    runs: bool


class Frame(NamedTuple):
    """A frame given to a grant: its attempt's number and what to do; `command` is a flight check's."""

    attempt: int
    pos: int
    name: str
    package: dict[str, Any] | None
    command: str = ""


Claimed: TypeAlias = tuple[Frame, int, int]
"""A claimed frame, its grant and its rank."""


class Item(NamedTuple):
    """A work item as it was when it was locked. `place`: where PostgreSQL keeps it for the rest of the transaction."""

    pos: int
    name: str
    status: int
    retries: int
    attempts: int
    attempt_id: int | None
    grant_id: int | None
    place: str | None = None


class Held(NamedTuple):
    """An item that belongs to an open grant."""

    job: int
    pos: int
    attempt: int
    status: int
    grant: int
    until: datetime | None


class Known(NamedTuple):
    """What is stored of an attempt before its report."""

    grant: int
    reported: bool
    ended: bool
    ending: str


class Line(NamedTuple):
    """One report as it is stored: the attempt's columns, and what its item becomes, if it is still the attempt's.

    *was*: the item's status; of one that was only reserved the try is counted now. *place*: see Item. *number*: how
    often the item was tried; 0 for what is no attempt to be recorded.
    """

    attempt: int
    grant_id: int
    subjob: int
    pos: int
    frame: str
    number: int
    ending: str
    exit_code: int | None
    signal: int | None
    message: str
    seconds: float
    cpu: float
    max_rss: int
    out_from: int
    out_to: int
    err_from: int
    err_to: int
    becomes: int | None
    retries: int
    was: int
    result: Any
    place: str | None = None


class Delta(NamedTuple):
    """A change of a job's tallies: see `work.delta`."""

    change: Mapping[Status, int]
    timed: int
    seconds: float
    turned: str


class Owner(NamedTuple):
    """What all attempts of one job on one host have in common."""

    job: int
    job_name: str
    show: str
    user: str
    host: int
    host_name: str


def owner(job: JobRow, grant: GrantRow) -> Owner:
    return Owner(job.pk, job.name, job.show, job.user, grant.host_id, grant.host_name)
