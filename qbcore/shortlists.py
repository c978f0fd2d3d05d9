"""Short sorted lists of what kinds of hosts may take, made from sorted rows of all that waits, and kept up to date.

Hosts that answer every text alike are one kind. For a kind and the reservations that fit at the moment, a shortlist
holds the first jobs in order: everything up to its bound has been looked at. It grows when it is used up, and catches
up with what was added since from the queue's log. What was removed is marked dead and skipped.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from heapq import merge, nsmallest
from operator import attrgetter
from typing import TypeAlias

from qbcore.candidates import Candidate
from qbcore.clusters import cluster_distance
from qbcore.words import Words, unpack

_FIRST = 64  # entries that a new shortlist is filled with
_WALK = 2_000  # entries looked at one by one before the rest of a level is searched in one sweep
_SWEPT = 256  # entries that a sweep keeps at least
_KEPT = 4_096  # entries of a shortlist kept from one asking to the next
_BEHIND = 1_500  # entries added since, from which a list that was short to make is made anew
_MOST_LOGGED = 50_000
_MOST_SHORTLISTS = 8  # per kind
_DEAD = 16

Rank: TypeAlias = tuple[float, ...]
Bound: TypeAlias = tuple[float, Rank]

_NOTHING_SEEN: Bound = (-1, ())
_ALL_SEEN: Bound = (float("inf"), ())
_LAST: Rank = (float("inf"),)

_rank = attrgetter("rank")


class Entry:
    """One waiting job in the queue, with the numbers of what it says."""

    __slots__ = ("alive", "candidate", "cluster", "place", "rank", "requirements", "reservations", "restrictions")

    def __init__(self, candidate: Candidate, serial: int) -> None:
        self.candidate = candidate
        self.rank: Rank = (*candidate.rank, serial)
        self.alive = True
        self.cluster = self.place = self.requirements = self.reservations = self.restrictions = 0


class Queue:
    """Everything that waits: a row per cluster, sorted by rank; and a log of what came in."""

    def __init__(self, clusters: Words) -> None:
        self.clusters = clusters
        self.rows: dict[int, list[Entry]] = {}
        self.log: list[Entry] = []
        self.log_start = 0

    @property
    def log_end(self) -> int:
        return self.log_start + len(self.log)

    def fill(self, entries: Iterable[Entry]) -> None:
        """Put many entries into an empty queue."""
        for entry in entries:
            self.rows.setdefault(entry.cluster, []).append(entry)
        for row in self.rows.values():
            row.sort(key=_rank)

    def add(self, entry: Entry) -> None:
        insort(self.rows.setdefault(entry.cluster, []), entry, key=_rank)
        self.log.append(entry)
        if len(self.log) > _MOST_LOGGED:
            half = len(self.log) // 2
            del self.log[:half]
            self.log_start += half

    def remove(self, entry: Entry) -> None:
        entry.alive = False
        row = self.rows[entry.cluster]
        del row[bisect_right(row, entry.rank, key=_rank) - 1]
        if not row:
            del self.rows[entry.cluster]


class Kind:
    """Hosts that answer alike: which texts they satisfy, and how near each cluster is to them."""

    def __init__(self, host_cluster: str, requirements: int, places: int, restrictions: int, clusters: int) -> None:
        self.host_cluster = host_cluster
        self._bits = (requirements, places, restrictions, clusters)
        self.requirements = self.places = self.restrictions = self.clusters = bytearray()
        self.levels: list[tuple[float, list[int]]] = []
        """Distance and clusters, the nearest first; only clusters that the hosts take jobs of."""
        self.distances: dict[int, float] = {}
        self.shortlists: OrderedDict[int, Shortlist] = OrderedDict()
        self._measured = -1

    def fit(self, requirements: Words, places: Words, restrictions: Words, clusters: Words) -> None:
        """Make room for the words that there are now; those that came since are not satisfied by these hosts."""
        lengths = [len(words.samples) for words in (requirements, places, restrictions, clusters)]
        if self._measured == clusters.version and all(map(int.__le__, lengths, self._lengths())):
            return
        self.requirements, self.places, self.restrictions, self.clusters = map(unpack, self._bits, lengths)
        self._measure(clusters)

    def accepts(self, entry: Entry) -> bool:
        return bool(
            self.requirements[entry.requirements]
            and self.places[entry.place]
            and self.restrictions[entry.restrictions]
            and self.clusters[entry.cluster]
        )

    def shortlist(self, fitting: int, reservations: int) -> Shortlist:
        """The list for the reservations that fit now, given as bits of `reservations` words."""
        found = self.shortlists.get(fitting)
        if found is None:
            found = self.shortlists[fitting] = Shortlist()
            if len(self.shortlists) > _MOST_SHORTLISTS:
                self.shortlists.popitem(last=False)
        self.shortlists.move_to_end(fitting)
        if len(found.fits) < reservations:
            found.fits = unpack(fitting, reservations)
        return found

    def _lengths(self) -> tuple[int, ...]:
        return (len(self.requirements), len(self.places), len(self.restrictions), len(self.clusters))

    def _measure(self, clusters: Words) -> None:
        levels: dict[float, list[int]] = {}
        self.distances = {}
        for number, sample in enumerate(clusters.samples):
            if sample is not None and self.clusters[number]:
                same, down, up = cluster_distance(self.host_cluster, sample.cluster)
                distance = float(same << 40 | down << 20 | up)
                self.distances[number] = distance
                levels.setdefault(distance, []).append(number)
        self.levels = sorted(levels.items())
        self._measured = clusters.version


class Shortlist:
    """The first entries for one kind of host and one set of fitting reservations."""

    def __init__(self) -> None:
        self.fits = bytearray()
        self.items: list[tuple[float, Rank, Entry]] = []
        self.bound: Bound = _NOTHING_SEEN
        self.seen = 0
        """How far the queue's log is known."""
        self.walked = 0
        """Entries that were looked at to make it."""
        self.dead = 0

    def entries(self, kind: Kind, queue: Queue) -> Iterator[Entry]:
        """Every entry alive, in order; the queue must not change meanwhile."""
        self._catch_up(kind, queue)
        at = 0
        try:
            while True:
                while at < len(self.items):
                    entry = self.items[at][2]
                    at += 1
                    if entry.alive:
                        yield entry
                    else:
                        self.dead += 1
                if self.bound == _ALL_SEEN:
                    return
                self._grow(kind, queue, max(_FIRST, len(self.items)))
        finally:
            self._shorten()

    def _shorten(self) -> None:
        """Keep no more than is likely to be asked for again: a farm has many shortlists."""
        if len(self.items) > _KEPT:
            del self.items[_KEPT:]
            self.bound = self.items[-1][:2]

    def _catch_up(self, kind: Kind, queue: Queue) -> None:
        behind = queue.log_end - self.seen
        if self.seen < queue.log_start or behind > max(_BEHIND, self.walked):
            self.items, self.bound, self.walked, self.dead = [], _NOTHING_SEEN, 0, 0
        elif behind:
            for entry in queue.log[self.seen - queue.log_start :]:
                if entry.alive and self.fits[entry.reservations] and kind.accepts(entry):
                    place = (kind.distances[entry.cluster], entry.rank)
                    if place <= self.bound:
                        insort(self.items, (*place, entry))
        self.seen = queue.log_end
        if self.dead > max(_DEAD, len(self.items) // 4):
            self.items = [item for item in self.items if item[2].alive]
            self.dead = 0

    def _grow(self, kind: Kind, queue: Queue, wanted: int) -> None:
        """Look on behind the bound until `wanted` more are found or there is nothing left."""
        goal = len(self.items) + wanted
        for distance, clusters in kind.levels:
            if distance < self.bound[0]:
                continue
            after = self.bound[1] if distance == self.bound[0] else ()
            rows = [_behind(queue.rows[number], after) for number in clusters if number in queue.rows]
            self._walk(kind, distance, rows, goal)
            if len(self.items) >= goal:
                return
        self.bound = _ALL_SEEN

    def _walk(self, kind: Kind, distance: float, rows: list[list[Entry]], goal: int) -> None:
        """Take one level in order; when little of it is eligible, take all the rest of it at once."""
        items, fits, looked = self.items, self.fits, 0
        for entry in rows[0] if len(rows) == 1 else merge(*rows, key=_rank):
            looked += 1
            if fits[entry.reservations] and kind.accepts(entry):
                items.append((distance, entry.rank, entry))
                if len(items) >= goal:
                    self.bound = (distance, entry.rank)
                    break
            if looked >= _WALK:
                looked += self._sweep(kind, distance, [_behind(row, entry.rank) for row in rows], goal)
                break
        else:
            self.bound = (distance, _LAST)
        self.walked += looked

    def _sweep(self, kind: Kind, distance: float, rows: list[list[Entry]], goal: int) -> int:
        """Search all of a level at once and keep the first of what is found; how many entries were looked at."""
        found = [entry for row in rows for entry in self._taken(kind, row)]
        kept = nsmallest(max(goal - len(self.items), _SWEPT), found, key=_rank)
        self.items += [(distance, entry.rank, entry) for entry in kept]
        self.bound = (distance, kept[-1].rank if len(kept) < len(found) else _LAST)
        return sum(map(len, rows))

    def _taken(self, kind: Kind, row: list[Entry]) -> list[Entry]:
        """What of a row is eligible; written out because it may see every job of the farm."""
        fits, requirements, places, restrictions = self.fits, kind.requirements, kind.places, kind.restrictions
        return [
            entry
            for entry in row
            if requirements[entry.requirements]
            and fits[entry.reservations]
            and places[entry.place]
            and restrictions[entry.restrictions]
        ]


def _behind(row: list[Entry], after: Rank) -> list[Entry]:
    """The part of a sorted row that comes after a rank; () is before every one."""
    start = bisect_right(row, after, key=_rank) if after else 0
    return row[start:] if start else row
