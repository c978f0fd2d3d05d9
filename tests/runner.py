"""What a process of `racers` can do: it is one host with a few slots, moved by hand."""

from __future__ import annotations

from typing import Any

from qbcore import (
    dispatch,
    draining,
    firings,
    folding,
    hostcare,
    hosts,
    looping,
    precedence,
    resources,
    submission,
    verbs,
)
from qbcore.acting import Actor, acting_as
from qbcore.control.flights import UNIT
from qbcore.models import AttemptRow, GrantRow, JobRow, WorkRow
from qbcore.states import DONE
from tests.hand import Hand
from tests.program import programs

LANES = 4


def _host(name: str) -> Hand:
    """A host that runs one subjob of each job that reserves another of its lanes."""
    hand = Hand(name, slots=LANES)
    facts = {"os": "Linux", "slots": LANES, "resources": {f"lane{number}": 1 for number in range(LANES)}}
    hosts.hello(hand.id, {"protocol": 1, "session": hand.session, "facts": facts, "held": {}})
    return hand


class Runner:
    def __init__(self, number: int, start: Any) -> None:
        self.number, self._start = number, start
        self._hand: Hand | None = None
        folding.folder.add = lambda job: None  # type: ignore[method-assign]  # folds when told, not in a thread
        firings.carrier.add = lambda firing: None  # type: ignore[method-assign]

    def forget(self) -> None:
        """The database is empty again."""
        self._hand = None
        dispatch.waiting.reload()
        if not self.number:
            self._start.reset()  # a test that failed may have left it broken

    @property
    def hand(self) -> Hand:
        self._hand = self._hand or _host(f"racer-{self.number}")
        return self._hand

    def take(self) -> int:
        """Asks for work until it has a frame or nothing is left; answers how many it holds."""
        dispatch.waiting.expire()  # no hint reaches this process
        self.hand.sync(room=True)
        return len(self.hand.frames)

    def finish(self, jobs: list[int]) -> None:
        """At the same moment as the others: reports its frames and folds the jobs."""
        reports = self._reports()
        self._start.wait(30)
        self.hand.sync(reports=reports, want=list(self.hand.held))
        for job in jobs:
            folding.fold(job, wait=False)

    def _reports(self) -> list[dict[str, Any]]:
        frames, self.hand.frames = self.hand.frames, []
        return [self.hand.ended(grant, frame) for grant, frame in frames]

    def care_and_work(self, rounds: int) -> None:
        """Two are operators who change all hosts in different ways, the workers of three more ask and report."""
        self._start.wait(30)
        for _ in range(rounds):
            if self.number == 0:
                hostcare.workerlock("*", finish=True)
                hostcare.workerlock("*", lock=False)
            elif self.number == 1:
                draining.workerdrain("*", purge=True)
                draining.workerdrain("*", drain=False)
            elif self.number < 5:
                dispatch.waiting.expire()
                self._obey()

    def _obey(self) -> None:
        """One request that reports all that it has, and forgets what it is told to end."""
        reports = self._reports()
        idle = [grant for grant, held in self.hand.held.items() if not held]
        answer = self.hand.sync(reports=reports, want=idle, room=True)
        dropped = set(answer["drop"])
        over = [int(grant) for grant in answer["orders"]]
        frames = [(grant, frame) for grant, frame in self.hand.frames if grant not in over]
        self.hand.frames = [(grant, frame) for grant, frame in frames if frame["attempt"] not in dropped]
        for grant in over:
            self.hand.held.pop(grant, None)
        self.hand.held = {grant: [one for one in held if one not in dropped] for grant, held in self.hand.held.items()}
        if over:
            self.hand.sync(gone=over)

    def finish_or_kill(self, job: int) -> None:
        """The even ones report their frames while the odd ones kill the job."""
        reports = self._reports()
        self._start.wait(30)
        if self.number % 2:
            verbs.kill(job)
        self.hand.sync(reports=reports)
        folding.fold(job, wait=False)

    def finish_or_retry(self, job: int, work: str) -> None:
        """Who holds frames reports them and wants more, while the others retry *work*."""
        reports = self._reports()
        self._start.wait(30)
        if reports:
            self.hand.sync(reports=reports, want=list(self.hand.held))
        else:
            verbs.retrywork(work)
        folding.fold(job, wait=False)

    def finish_or_tie(self, job: int) -> int:
        """One submits a job whose items wait for the frames that all report meanwhile; answers its id."""
        reports = self._reports()
        waiting = {
            "prototype": "cmdrange", "package": {"cmdline": "true", "range": "1-8"}, "hosts": "nowhere",
            "dependency": f"complete-work-{job}",
        }  # fmt: skip
        self._start.wait(30)
        found = 0 if self.number else int(submission.submit(waiting)["id"])
        self.hand.sync(reports=reports, want=list(self.hand.held))
        folding.fold(job, wait=False)
        return found

    def carry(self) -> None:
        """Carries out what has fired, at the same moment as the others."""
        self._start.wait(30)
        firings.carry_due()

    def race(self) -> int:
        """Asks for work at the same moment as the others; answers how many frames it got."""
        self._start.wait(30)
        return self.take()

    def kill(self, job: int) -> list[str]:
        self._start.wait(30)
        return verbs.kill(job)

    def share(self, amounts: dict[str, int]) -> int:
        self._start.wait(30)
        return int(resources.updateresources(amounts)["license.maya"]["total"])

    def top(self, job: int) -> list[int]:
        self._start.wait(30)
        return precedence.top(job)

    def drain(self) -> list[str]:
        """Claims and reports as fast as it can until nothing is left; answers the names of its frames."""
        self._start.wait(30)
        done: list[str] = []
        self.hand.sync(room=True)
        while self.hand.held:
            batch, self.hand.frames = self.hand.frames, []
            reports = [self.hand.ended(grant, frame, elapsed=0.01) for grant, frame in batch]
            done += [frame["name"] for _, frame in batch]
            self.hand.sync(reports=reports, want=list(self.hand.held))
            folding.sweep()
        return done

    def work_off(self) -> list[str]:
        """As the programs of its host: asks for items and reports them, each third one at first as not done."""
        dispatch.waiting.expire()
        started = programs(self.hand)
        self._start.wait(30)
        done: list[str] = []
        for program in started:
            handed_back: set[str] = set()
            while (work := program.ask())["status"] in ("running", "waiting"):
                if work["status"] == "running":
                    again = int(work["name"]) % 3 == 0 and work["name"] not in handed_back
                    program.tell(work, "pending" if again else "complete")
                    handed_back.add(work["name"])
                    done += [] if again else [str(work["name"])]
            program.end()
        return done

    def ask_and_tell(self, job: int) -> int:
        """As a program whose calls are sent twice: the even ones ask, the odd ones report, all for the first host."""
        unit = AttemptRow.objects.get(job_id=job, pos=UNIT)
        with acting_as(Actor("bob", "attempt", job=job, attempt=unit.pk)):
            if self.number % 2:
                held = WorkRow.objects.filter(job_id=job, grant_id=unit.grant_id).first()
                self._start.wait(30)
                return int(looping.reportwork({"id": held.pos if held else 0, "status": "complete"})["id"])
            self._start.wait(30)
            return int(looping.requestwork()["id"])

    def ask_or_kill(self, job: int) -> int:
        """Programs ask for items while the last process kills the first twenty."""
        units = AttemptRow.objects.filter(pk__in=[frame["attempt"] for _, frame in self.hand.frames])
        self._start.wait(30)
        if not units:
            return len(verbs.killwork(f"{job}:1-20"))
        with acting_as(Actor("bob", "attempt", job=job, attempt=units[0].pk)):
            return int(looping.requestwork()["id"])

    def drain_shared(self, job: int) -> tuple[list[str], int]:
        """Renders frames of a job that takes a licence until it is over, a frame a grant; their names, and the most
        grants that held the licence at once.
        """
        self._start.wait(30)
        done: list[str] = []
        most = 0
        while JobRow.objects.get(pk=job).status not in DONE:
            self.take()
            most = max(most, GrantRow.objects.filter(job_id=job, ended__isnull=True).count())
            done += [frame["name"] for _, frame in self.hand.frames]
            self.hand.sync(reports=self._reports())
            self.leave()
            folding.sweep()
        return done, most

    def leave(self) -> None:
        """Its processes are gone."""
        self.hand.end_all()

    def reap(self) -> None:
        """Gives up silent hosts at the same moment as the others."""
        self._start.wait(30)
        hosts.give_up_silent()

    def retry(self, work: str) -> list[str]:
        self._start.wait(30)
        return verbs.retrywork(work)
