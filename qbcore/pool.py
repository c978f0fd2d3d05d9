"""Everything that waits, kept so that the next job for a host is found in microseconds: the fast way to `plan.order`.

A pool answers exactly as `plan.order` does. It is filled once with `load` and kept with `update` and `remove`; it is
not for several threads at once, who must take turns.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from qbcore.candidates import NOTHING, Amounts, Candidate, HostView, Meeting
from qbcore.errors import BadExpression
from qbcore.plan import (
    Choice,
    against_cluster,
    against_host,
    against_place,
    against_restrictions,
    against_type,
    room,
    take,
)
from qbcore.reservations import Reservation, fit, per_subjob
from qbcore.shortlists import Entry, Kind, Queue
from qbcore.words import Judged, Requirements, Words

_MOST_KINDS = 2_000
_MOST_HOSTS = 20_000


class _Known(NamedTuple):
    """What a host was found to be, and from what."""

    version: int
    standing: tuple[Any, ...]
    key: tuple[Any, ...]


class Reservations(Words):
    """Reservation texts, read once."""

    def __init__(self) -> None:
        super().__init__(lambda candidate: candidate.reservations)
        self._read: dict[int, tuple[Reservation, ...]] = {}

    def learn(self, number: int, candidate: Candidate) -> None:
        try:
            self._read[number] = per_subjob(candidate.reservations)
        except BadExpression:
            return  # it never fits; explain says what is wrong

    def forget(self, number: int) -> None:
        self._read.pop(number, None)

    def bits(self, host: HostView, shared: Amounts) -> int:
        """The texts that fit in what is free now."""
        free, total = room(host, shared)
        found = 0
        for number, wanted in self._read.items():
            if not isinstance(fit(wanted, free, total, host.idle), str):
                found |= 1 << number
        return found


class Pool:
    """The waiting jobs of a farm."""

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        self.load(candidates)

    def load(self, candidates: Iterable[Candidate]) -> None:
        """Forget everything and take these instead.

        A process that keeps a large pool calls `gc.freeze()` after this: a collection of all that is alive takes a
        fifth of a second with 100,000 jobs, and a pick would wait for it.
        """
        self._entries: dict[int, Entry] = {}
        self._serial = 0
        self._requirements = Requirements()
        self._reservations = Reservations()
        self._places = Judged(_place, lambda host: (host.name, host.groups, host.jobtypes), against_type, against_place)
        self._restrictions = Judged(
            lambda candidate: candidate.restrictions, lambda host: host.cluster, against_restrictions
        )
        self._clusters = Judged(lambda candidate: candidate.cluster, lambda host: host.restrictions, against_cluster)
        self._queue = Queue(self._clusters)
        self._kinds: OrderedDict[tuple[Any, ...], Kind] = OrderedDict()
        self._hosts: dict[str, _Known] = {}
        for candidate in candidates:
            if candidate.wanted > 0:
                self._entries[candidate.id] = self._entry(candidate)
        self._queue.fill(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def update(self, candidate: Candidate) -> None:
        """A job as it is now; one that has nothing to start leaves the pool."""
        entry = self._entries.get(candidate.id)
        if entry is not None and candidate.wanted > 0 and _shape(entry.candidate) == _shape(candidate):
            entry.candidate = candidate
            return
        self.remove(candidate.id)
        if candidate.wanted > 0:
            entry = self._entries[candidate.id] = self._entry(candidate)
            self._queue.add(entry)

    def remove(self, job: int) -> None:
        """A job that waits no longer; one that is not here is no error."""
        entry = self._entries.pop(job, None)
        if entry is None:
            return
        self._queue.remove(entry)
        self._requirements.drop(entry.requirements)
        self._reservations.drop(entry.reservations)
        self._places.drop(entry.place)
        self._restrictions.drop(entry.restrictions)
        self._clusters.drop(entry.cluster)

    def pick(self, host: HostView, shared: Amounts = NOTHING) -> Choice | None:
        """What the host should start next, or None. `shared` as in `plan`."""
        for entry in self._startable(host, shared):
            taken = take(host, entry.candidate, shared)
            return None if isinstance(taken, str) else Choice(entry.candidate.id, taken)
        return None

    def order(self, host: HostView, limit: int | None = None, shared: Amounts = NOTHING) -> list[Candidate]:
        """The first `limit` jobs that the host may start now, the next one first."""
        return [entry.candidate for entry in islice(self._startable(host, shared), limit)]

    def _entry(self, candidate: Candidate) -> Entry:
        self._serial += 1
        entry = Entry(candidate, self._serial)
        entry.requirements = self._requirements.hold(candidate)
        entry.reservations = self._reservations.hold(candidate)
        entry.place = self._places.hold(candidate)
        entry.restrictions = self._restrictions.hold(candidate)
        entry.cluster = self._clusters.hold(candidate)
        return entry

    def _startable(self, host: HostView, shared: Amounts) -> Iterator[Entry]:
        if against_host(host):
            return
        kind = self._kind(host)
        shortlist = kind.shortlist(self._reservations.bits(host, shared), len(self._reservations.samples))
        holds = self._asking(host)
        for entry in shortlist.entries(kind, self._queue):
            if entry.candidate.id not in host.avoid and holds(entry):
                yield entry

    def _asking(self, host: HostView) -> Callable[[Entry], bool]:
        """Whether the passing part of a job's requirements holds: each text is asked once per pick, when needed."""
        answers: dict[int, bool] = {}
        facts: dict[str, Any] = {}
        passing = self._requirements.passing

        def holds(entry: Entry) -> bool:
            number = entry.requirements
            if number not in passing:
                return True
            if not facts:
                facts.update(host.facts())
            test, asks_job = passing[number]
            if asks_job:
                return test(Meeting(facts, entry.candidate))
            if number not in answers:
                answers[number] = test(facts)
            return answers[number]

        return holds

    def _kind(self, host: HostView) -> Kind:
        """The kind of a host, found anew only when the host or the words of the jobs have changed."""
        version = sum(words.version for words in (self._requirements, self._places, self._restrictions, self._clusters))
        standing = _standing(host)
        known = self._hosts.get(host.name)
        if known is None or known.version != version or known.standing != standing:
            known = self._hosts[host.name] = _Known(version, standing, self._bits(host))
            if len(self._hosts) > _MOST_HOSTS:
                self._hosts.clear()
        kind = self._kinds.get(known.key)
        if kind is None:
            kind = self._kinds[known.key] = Kind(*known.key)
            if len(self._kinds) > _MOST_KINDS:
                self._kinds.popitem(last=False)
        self._kinds.move_to_end(known.key)
        kind.fit(self._requirements, self._places, self._restrictions, self._clusters)
        return kind

    def _bits(self, host: HostView) -> tuple[Any, ...]:
        return (
            host.cluster,
            self._requirements.bits(host.standing_facts()),
            self._places.bits(host),
            self._restrictions.bits(host),
            self._clusters.bits(host),
        )


def _place(candidate: Candidate) -> tuple[str, ...]:
    return (candidate.prototype, candidate.hosts, candidate.groups, candidate.omithosts, candidate.omitgroups)


def _shape(candidate: Candidate) -> tuple[Any, ...]:
    """What decides where a job stands; the rest of it may change in place."""
    said = (candidate.cluster, candidate.requirements, candidate.restrictions, candidate.reservations)
    return (candidate.rank, said, _place(candidate))


def _standing(host: HostView) -> tuple[Any, ...]:
    """What decides the kind of a host. The types are part of it: True equals 1, but not in requirements."""
    types = tuple(map(type, host.properties.values()))
    facts = (host.totals, host.properties, types)
    return (host.cluster, host.groups, host.restrictions, host.jobtypes, *facts)
