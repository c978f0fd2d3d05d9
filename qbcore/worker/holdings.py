"""Everything that this host holds: its grants, what is said of them in a request, what an answer changes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from qbcore.worker import programs
from qbcore.worker.disk import Disk
from qbcore.worker.grants import Attempt, Grant, Site
from qbcore.worker.marks import Watch
from qbcore.worker.reports import PATIENCE, Reports
from qbcore.worker.shipper import Shipper
from qbcore.worker.spool import pair
from qbcore.worker.state import StateFolder
from qbcore.worker.undying import Undying
from qbcore.worker.usage import Usage

log = logging.getLogger(__name__)

ANNOUNCE = 0.2  # seconds after which a started frame that has not ended is worth a request of its own
KEEP = 4.0  # seconds after which reserved frames must be named again
TRUST = 8.0  # seconds after the last answered request from which a reserved frame may be somebody else's


@dataclass(frozen=True)
class Said:
    """What a request said that its answer bears on."""

    at: float
    held: frozenset[int]
    gone: frozenset[int]


class Holdings:
    """Times are monotonic seconds."""

    def __init__(self, folder: StateFolder, site: Site, slots: int, shipper: Shipper, now: float) -> None:
        self.grants: dict[int, Grant] = {}
        self.accepting = True
        self.reports = Reports(folder.reports, now)
        self._parting = {int(report["grant"]) for report in folder.reports.records.values()}
        self._folder = folder
        self._site = site
        self._slots = slots
        self._usage = Usage(site.lineage)
        self._disk = Disk(folder.spool, shipper.waiting, site.spool_limit)
        self._undying = Undying()
        self._shipper = shipper
        self._watch = Watch(folder.spool, shipper)
        self._sure = now

    def request(self, now: float, *, everything: bool = False) -> tuple[dict[str, Any], Said]:
        """The request's part about grants, attempts and reports; `everything`: reports do not wait for their output."""
        reports = self.reports.take(now, everything=everything)
        untold = self.reports.untold()
        gone = [*(self._parting - untold.keys()), *(grant.id for grant in self._done(untold))]
        here = [grant for grant in self.grants.values() if grant.id not in gone]
        want = [grant for grant in here if grant.wants]
        for grant in here:
            grant.returned = False
        for grant in want:
            grant.asked = True
        said = Said(now, frozenset(grant.id for grant in here), frozenset(gone))
        able = self.accepting and not self._disk.full
        body = {
            "room": able and len(here) < self._slots,
            "room_if_over": able and any(not grant.held() for grant in want),
            "held": self._held(here, untold),
            "running": [*(number for some in untold.values() for number in some), *self._announced(here)],
            "reports": reports,
            "want": [grant.id for grant in want],
            "gone": gone,
        }
        if trouble := self._disk.trouble or self._undying.trouble:
            body["trouble"] = trouble
        if shown := programs.shown(grant.program for grant in self.grants.values()):
            body["shown"] = shown
        return body, said

    def _held(self, grants: list[Grant], untold: dict[int, list[int]]) -> dict[str, list[int]]:
        held = {number: untold[number] for number in self._parting & untold.keys()}
        held.update((grant.id, [*untold.get(grant.id, ()), *grant.held()]) for grant in grants)
        return {str(number): attempts for number, attempts in held.items()}

    def answered(self, answer: dict[str, Any], said: Said, sent: float, now: float) -> None:
        """`sent`: when the request that was answered went out."""
        self._sure = sent
        self.reports.accept(answer.get("accepted", ()))
        programs.take((grant.program for grant in self.grants.values()), answer)
        self._parting -= said.gone
        for number in said.gone & self.grants.keys():
            self._forget(self.grants[number])
        orders = answer.get("orders", {})
        foreign = [one.id for one in self._named(said.held) if orders.get(str(one.id)) == "end" and not one.ended]
        if foreign:
            log.warning("the grants %s are ended: they are not this host's any more", foreign)
        for grant in self._named(said.held):
            grant.order(orders.get(str(grant.id), ""), now)
        dropped = set(answer.get("drop", ()))
        for grant in self.grants.values():
            grant.drop(dropped, now)
        if self.accepting:
            self._receive(answer, now)
        for grant in self._named(answer.get("over", ())):
            grant.close()
        self._clear()

    def startable(self, now: float) -> list[Grant]:
        """Grants whose next frame can start now."""
        if now - self._sure >= TRUST or self._disk.full:
            return []
        return [grant for grant in self.grants.values() if not grant.running and grant.queue and not grant.suspended]

    def start(self, grant: Grant, now: float) -> Attempt | None:
        """Starts the next frame of the grant; None when that failed, which is reported."""
        report = grant.start()
        if report is not None:
            self.reports.add(report, [], now)
            return None
        attempt = grant.running
        assert attempt is not None
        self._folder.groups.put(attempt.frame["attempt"], list(attempt.process.leader))
        self._watch.note(grant.id, attempt.out_from, attempt.err_from, now)
        return attempt

    def tick(self, now: float) -> None:
        """Whatever time has come, and the end of what has ended."""
        self._usage.tick([attempt.process for attempt in self.running()], now)
        if self._disk.look(now):
            self._folder.mend()
            for grant in self.grants.values():
                grant.look_at_output(now, full=self._disk.full)
        for grant in self.grants.values():
            grant.tick(now)
            if grant.running and grant.running.process.gone:
                self._undying.add(grant.running.process.immortal)
                self._finish(grant, now)
        self._clear()

    def end(self, now: float) -> None:
        """All frames end now, nothing more is taken."""
        self.accepting = False
        for grant in self.grants.values():
            grant.end(now)

    def drain(self, now: float) -> None:
        """Running frames go on to their end, nothing more is taken."""
        self.accepting = False
        for grant in self.grants.values():
            grant.order("finish", now)

    def kill(self) -> None:
        for attempt in self.running():
            attempt.process.kill()

    def close(self) -> None:
        """Leaves the files to the shipper."""
        for grant in list(self.grants.values()):
            self._forget(grant)

    def running(self) -> list[Attempt]:
        return [grant.running for grant in self.grants.values() if grant.running]

    def deadline(self, now: float) -> float:
        """When `tick` has something to do."""
        look = self._usage.due(attempt.process for attempt in self.running())
        look = min(look, self._disk.due(busy=look < math.inf or self._folder.dirty))
        return min(look, min((grant.deadline(now) for grant in self.grants.values()), default=math.inf))

    def due(self, now: float) -> float:
        """When the supervisor should be asked; infinity when nothing presses."""
        return min(self.reports.due(now), *self._pressing(now))

    def _pressing(self, now: float) -> Iterator[float]:
        yield math.inf
        untold = self.reports.untold()
        if self._parting or any(True for _ in self._done(untold)):
            yield now
        for grant in self.grants.values():
            if grant.returned or (grant.wants and not grant.asked and grant.lasts < PATIENCE):
                yield now
            if grant.queue:
                yield self._sure + KEEP
            if grant.running and not grant.running.announced:
                yield grant.running.process.started + ANNOUNCE

    def _done(self, untold: dict[int, list[int]]) -> Iterator[Grant]:
        """Grants that are to be named as gone: a grant is closed with its last report, never before."""
        return (grant for grant in self.grants.values() if grant.done and not grant.closed and grant.id not in untold)

    def _announced(self, grants: Iterable[Grant]) -> Iterator[int]:
        for grant in grants:
            if grant.running:
                grant.running.announced = True
                yield grant.running.frame["attempt"]

    def _receive(self, answer: dict[str, Any], now: float) -> None:
        for number, frames in answer.get("frames", {}).items():
            for grant in self._named([int(number)]):
                grant.add(frames)
        for given in answer.get("starts", ()):
            if given["grant"] not in self.grants:
                self._take(given, now)

    def _take(self, given: dict[str, Any], now: float) -> None:
        """What cannot be taken is not held, so it goes back to the queue."""
        try:
            self._begin(given)
        except OSError as error:
            self._disk.failed(error, now)

    def _begin(self, given: dict[str, Any]) -> None:
        number = int(given["grant"])
        out, err = pair(self._folder.spool, number)
        self.grants[number] = Grant(given, out, err, self._site)
        self._shipper.add([out, err])
        self._watch.begin(number, out, err, time.monotonic())
        log.info("job %s subjob %s starts as grant %d", given["job"]["id"], given["subjob"], number)

    def _finish(self, grant: Grant, now: float) -> None:
        files, report = grant.finish(now)
        self._folder.groups.drop([report["attempt"]])
        self._watch.note(grant.id, report["out"][1], report["err"][1], now)
        written = [(spool, report[spool.stream][1]) for spool in (grant.out, grant.err)]
        self.reports.add(report, [(spool, size) for spool, size in written if not spool.has_sent(size)], now, files)
        if not all(spool.has_sent(size) for spool, size in written):
            self._shipper.poke()

    def _clear(self) -> None:
        """Closed grants leave with the last of their frames."""
        for grant in [grant for grant in self.grants.values() if grant.closed and grant.done]:
            if grant.id not in self.reports.untold():
                self._forget(grant)

    def _forget(self, grant: Grant) -> None:
        del self.grants[grant.id]
        self._watch.end(grant.id, time.monotonic())
        grant.out.close()
        grant.err.close()
        self._shipper.poke()
        log.info("grant %d is over", grant.id)

    def _named(self, numbers: Iterable[int]) -> list[Grant]:
        return [self.grants[number] for number in numbers if number in self.grants]
