"""Reports of ended attempts, kept until the supervisor says that it has them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from qbcore.worker.journal import Journal
from qbcore.worker.outputs import Check
from qbcore.worker.spool import Spool

BATCH = 16
MOST = 512  # reports in one request, after a long silence
PATIENCE = 0.05  # seconds that a report waits for others to go with it
LOG_FIRST = 2.0  # seconds that a report waits for the output that it names to be sent

Report = dict[str, Any]


@dataclass
class _Entry:
    report: Report
    born: float
    output: list[tuple[Spool, int]] = field(default_factory=list)
    asked: bool = False
    files: Check | None = None

    def look_at(self, now: float) -> float:
        """When it may be ready by the clock alone: its log's patience is over, then that for its files."""
        log, files = self.born + LOG_FIRST, self.born + (self.files.patience if self.files else 0.0)
        return min((at for at in (log, files) if at > now), default=max(log, files))

    def looked_at(self, now: float) -> bool:
        """Its files were, or they have taken too long."""
        return self.files is None or self.files.found is not None or now - self.born >= self.files.patience

    def ready(self, now: float) -> bool:
        """Its output is at the supervisor, so that nobody sees a finished frame without its log."""
        if not self.asked and not self.looked_at(now):
            return False
        return self.asked or now - self.born >= LOG_FIRST or all(spool.has_sent(size) for spool, size in self.output)


class Reports:
    """What is still to be told. Times are monotonic seconds."""

    def __init__(self, journal: Journal, now: float) -> None:
        self._journal = journal
        self._entries = {number: _Entry(report, now) for number, report in journal.records.items()}

    def add(self, report: Report, output: list[tuple[Spool, int]], now: float, files: Check | None = None) -> None:
        """`output` is each stream with the size that must be sent first, `files` what is looked at before."""
        number = int(report["attempt"])
        self._entries[number] = _Entry(report, now, output, files=files)
        self._journal.put(number, report)

    def take(self, now: float, *, everything: bool = False) -> list[Report]:
        """What goes into a request now. It comes again each time until it is accepted."""
        ready = [entry for entry in self._entries.values() if everything or entry.ready(now)][:MOST]
        for entry in ready:
            self._settle(entry)
            entry.asked = True
        return [entry.report for entry in ready]

    def _settle(self, entry: _Entry) -> None:
        if entry.files and not entry.files.settled:
            entry.files.settle(entry.report)
            self._journal.put(int(entry.report["attempt"]), entry.report)

    def accept(self, attempts: Iterable[int]) -> None:
        entries = {number: entry for number in attempts if (entry := self._entries.pop(number, None))}
        self._journal.drop(list(entries))
        for entry in entries.values():
            if entry.files:
                entry.files.accepted()

    def forget(self) -> list[int]:
        """Gives up those that were in a request, which was refused because of them; their attempts."""
        numbers = [number for number, entry in self._entries.items() if entry.asked]
        self.accept(numbers)
        return numbers

    def untold(self) -> dict[int, list[int]]:
        """Attempts by grant that have ended and were in no request yet: the supervisor must think they are here."""
        found: dict[int, list[int]] = {}
        for number, entry in self._entries.items():
            if not entry.asked:
                found.setdefault(entry.report["grant"], []).append(number)
        return found

    def due(self, now: float) -> float:
        """When a request should go out for their sake; infinity when nothing waits."""
        fresh = [entry for entry in self._entries.values() if not entry.asked]
        ready = [entry.born for entry in fresh if entry.ready(now)]
        if len(ready) >= BATCH:
            return now
        if ready:
            return ready[0] + PATIENCE
        return min((entry.look_at(now) for entry in fresh), default=math.inf)
