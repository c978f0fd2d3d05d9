"""The program of a custom job type, moved by hand: it asks for its items with the token of its own attempt."""

from __future__ import annotations

from typing import Any

from qbcore import folding, looping, submission
from qbcore.acting import Actor, acting_as
from qbcore.models import AttemptRow, JobRow, SubjobRow, WorkRow
from qbcore.objects import Work
from qbcore.states import Status
from tests.hand import Frame, Hand

LOOP = {"prototype": "loop", "cpus": 1, "agenda": [{"name": str(number)} for number in range(1, 5)]}


class Program:
    """The process that a host started for a subjob. `written` is how long its logs are."""

    def __init__(self, hand: Hand, grant: int, frame: Frame) -> None:
        self.hand, self.grant, self.frame = hand, grant, frame
        row = AttemptRow.objects.get(pk=frame["attempt"])
        self.actor = Actor(row.user, "attempt", job=row.job_id, attempt=row.pk)
        self.written = {"out": 0, "err": 0}

    def ask(self) -> Work:
        with acting_as(self.actor):
            return looping.requestwork(written=self.written)

    def tell(self, work: Work, status: str = "complete", **fields: Any) -> Work:
        with acting_as(self.actor):
            return looping.reportwork({**work, "status": status, **fields}, written=self.written)

    def say(self, status: str) -> bool:
        """reportjob."""
        with acting_as(self.actor):
            return looping.reportjob(status)

    def end(self, **how: Any) -> None:
        """Its process ends; the worker reports that and has nothing of it left."""
        line = self.hand.ended(self.grant, self.frame, **{"out": [0, self.written["out"]], **how})
        self.hand.sync(reports=[line], want=[self.grant])

    def work_off(self) -> list[str]:
        """Takes and completes items until there is no more; answers their names and how the asking ended."""
        names = []
        while (work := self.ask())["status"] == "running":
            names.append(work["name"])
            self.tell(work)
        return [*names, work["status"]]


def programs(hand: Hand) -> list[Program]:
    """The programs that a host starts when it asks for work."""
    hand.sync(room=True)
    found, hand.frames = hand.frames, []
    hand.sync(running=[frame["attempt"] for _, frame in found])
    return [Program(hand, grant, frame) for grant, frame in found if frame["pos"] == -1]


def submit(**given: Any) -> int:
    return int(submission.submit({**LOOP, **given})["id"])


def start(hand: Hand | None = None) -> Program:
    [program] = programs(hand or Hand(slots=1))
    return program


def items() -> list[str]:
    return [Status(one).word for one in WorkRow.objects.order_by("pos").values_list("status", flat=True)]


def places() -> list[str]:
    return [Status(one).word for one in SubjobRow.objects.order_by("job_id", "idx").values_list("status", flat=True)]


def endings(pos: int) -> list[str]:
    return list(AttemptRow.objects.filter(pos=pos).order_by("pk").values_list("ending", flat=True))


def word(job: int) -> str:
    folding.sweep()
    return Status(JobRow.objects.get(pk=job).status).word
