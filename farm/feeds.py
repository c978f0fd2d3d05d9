"""What can be watched on a screen: for each kind of row, which hints touch it, how it is read, what it shows.

A row is named by its key. Where a row belongs to something that hints name, the key begins with that: subjob and frame
"84213.2", target "12.345".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from farm.columns import AnyTable
from farm.headers import HEAD, OUTPUTS, RUN_HEAD, STRIP, TOAST, strip_of
from farm.tables import HOSTS, JOBS, RUNS, SUBJOBS, TARGETS, WORK
from qbcore.listing import frames, hosts, jobs, records

Keys = Iterable[str]
Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Feed:
    """`hints` are the kinds of news that may change such a row; `read` gives those of the keys that exist."""

    table: AnyTable
    hints: frozenset[str]
    read: Callable[[Keys, datetime], Iterable[Any]]

    def paint(self, keys: Keys, now: datetime) -> dict[str, Cells]:
        """What the page would show of these rows now; a row that is gone is absent."""
        return {self.table.key(row): self.table.cells(row, now) for row in self.read(keys, now)}


def parent(key: str) -> int:
    """What hints call it."""
    return int(key.partition(".")[0])


def _numbers(keys: Keys) -> list[int]:
    return [int(key) for key in keys]


def _children(keys: Keys) -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for key in keys:
        owner, _, child = key.partition(".")
        found[int(owner)].append(int(child))
    return found


def _frames(keys: Keys, _: datetime) -> Iterable[Any]:
    return [line for job, positions in _children(keys).items() for line in frames.some(job, positions)]


def _subjobs(keys: Keys, _: datetime) -> Iterable[Any]:
    return [line for job, numbers in _children(keys).items() for line in frames.some_subjobs(job, numbers)]


def _outputs(keys: Keys, _: datetime) -> Iterable[Any]:
    return [strip_of(job) for job in jobs.visible(_numbers(keys))]


def _targets(keys: Keys, _: datetime) -> Iterable[Any]:
    return records.some_targets(number for numbers in _children(keys).values() for number in numbers)


def _jobs(keys: Keys, _: datetime) -> Iterable[Any]:
    return jobs.some(_numbers(keys))


def _hosts(keys: Keys, _: datetime) -> Iterable[Any]:
    return hosts.some(_numbers(keys))


def _runs(keys: Keys, _: datetime) -> Iterable[Any]:
    return records.some_runs(_numbers(keys))


def _farm(_: Keys, now: datetime) -> Iterable[Any]:
    return [hosts.farm(now)]


JOB_NEWS = frozenset({"job", "work"})
RUN_NEWS = frozenset({"run"})
FEEDS: dict[str, Feed] = {
    feed.table.kind: feed
    for feed in (
        Feed(JOBS, JOB_NEWS, _jobs),
        Feed(HEAD, JOB_NEWS, _jobs),
        Feed(WORK, JOB_NEWS | {"progress"}, _frames),
        Feed(SUBJOBS, JOB_NEWS | {"progress"}, _subjobs),
        Feed(OUTPUTS, frozenset({"thumbnail", "job"}), _outputs),
        Feed(HOSTS, frozenset({"host", "wake"}), _hosts),  # wake: what runs there is to change
        Feed(RUNS, RUN_NEWS, _runs),
        Feed(RUN_HEAD, RUN_NEWS, _runs),
        Feed(TOAST, RUN_NEWS, _runs),
        Feed(TARGETS, RUN_NEWS, _targets),
        Feed(STRIP, frozenset(), _farm),
    )
}
OF_JOBS = frozenset({"job", "head", "frame", "subjob", "outputs"})
"""Kinds whose parent is a job: a screen gets them only for jobs that its user may see."""
