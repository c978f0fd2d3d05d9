"""The columns of each kind of row: jobs, frames, subjobs, hosts, history, callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qbcore.constants import QB_TIME_EPOCH_OFFSET

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    title: str
    text: Callable[[Row], Any]
    right: bool = False
    coloured: bool = False


def of(key: str, title: str = "", *, right: bool = False, coloured: bool = False) -> Column:
    """A field as it is; a dash where there is none."""
    return Column(title or key.upper(), lambda row: shown(row.get(key)), right, coloured)


def moment(key: str, title: str) -> Column:
    return Column(title, lambda row: when(row.get(key)))


def when(stamp: Any) -> str:
    """A time here, to the second; a dash for one that never happened."""
    if not isinstance(stamp, (int, float)) or stamp <= QB_TIME_EPOCH_OFFSET:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(stamp))


def shown(value: Any) -> Any:
    return "-" if value in (None, "") else value


def _frames(job: Row) -> str:
    return f"{_count(job, 'complete')}/{job.get('todo', 0)}"


def _count(job: Row, status: str) -> Any:
    tally = job.get("todotally") or {}
    return tally.get(status, 0) if isinstance(tally, Mapping) else 0


def _amount(name: str) -> Callable[[Row], str]:
    def find(host: Row) -> str:
        pairs = (part.partition("=") for part in str(host.get("resources", "")).split(","))
        return next((amount for key, _, amount in pairs if key == f"host.{name}"), "-")

    return find


STATUS = of("status", coloured=True)
JOBS = (
    of("id", right=True), of("name"), of("user"), STATUS, Column("FRAMES", _frames, right=True),
    Column("FAILED", lambda job: _count(job, "failed"), right=True), of("priority", right=True),
)  # fmt: skip
WORK = (of("name", "FRAME"), STATUS, of("host"), of("retry", right=True), moment("timestart", "STARTED"),
        moment("timecomplete", "ENDED"))  # fmt: skip
ORDER = (of("jobid", "JOB", right=True), of("name", "FRAME"), STATUS)
SUBJOBS = (of("pid", "JOB", right=True), of("id", "SUBJOB", right=True), STATUS, of("host"), of("allocations"),
           moment("timestart", "STARTED"))  # fmt: skip
HOSTS = (
    of("name"), of("state", coloured=True), of("address"), Column("SLOTS", _amount("processors"), right=True),
    Column("MEMORY MB", _amount("memory"), right=True), of("cluster"), of("groups"), of("locks"),
)  # fmt: skip
BANNED = (of("name"), of("macaddress"), of("address"))
HISTORY = (of("stamp", "WHEN"), of("jobid", "JOB", right=True), of("subid", "SUBJOB", right=True), of("comment"))
CALLBACKS = (of("id", right=True), of("triggers"), of("language"), of("code"), of("count", right=True))
KINDS: tuple[tuple[frozenset[str], tuple[Column, ...]], ...] = tuple(
    (frozenset(keys.split()), columns)
    for keys, columns in (
        ("prototype priority", JOBS),
        ("triggers code", CALLBACKS),
        ("comment stamp", HISTORY),
        ("resources state", HOSTS),
        ("macaddress name", BANNED),
        ("pid id allocations", SUBJOBS),
        ("timestart subid", WORK),
        ("jobid agenda", ORDER),
    )
)
"""By what a row holds, the first that fits."""


def columns_of(row: Row, names: Sequence[str]) -> tuple[Column, ...]:
    """The fields asked for, else the columns of the row's kind, else all of its fields."""
    if names:
        return tuple(of(name) for name in names)
    fit = (columns for keys, columns in KINDS if keys <= row.keys())
    return next(fit, tuple(of(str(key)) for key in row))


def picked(row: Row, names: Iterable[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}
