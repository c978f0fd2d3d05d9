"""What a placed subjob does itself, step by step: preflights, its own process if it has one, postflights.

Each step is an attempt at the subjob (position UNIT), named in `AttemptRow.frame`: 'preflight 1', '' for the process
itself, 'postflight 1'. Which one is next is read from those of the grant that went well.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from qbcore.jobspec import loops
from qbcore.models import AttemptRow, GrantRow, JobRow
from qbcore.states import Ending

UNIT = -1
"""The position that stands for the subjob itself."""
BEFORE, AFTER = "preflight", "postflight"


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt at a subjob; `command` is a flight check's."""

    name: str = ""
    command: str = ""


def has_process(job: JobRow) -> bool:
    """Whether a subjob is a process of its own, not only the place where frames run one after the other."""
    return not job.todo or loops(job.prototype, job.todo)


def done(job: JobRow, grant: GrantRow) -> list[str]:
    """The names of the steps that went well; a job without flight checks needs no look."""
    if not (job.preflights or job.postflights):
        return []
    rows = AttemptRow.objects.filter(job_id=job.pk, pos=UNIT, grant_id=grant.pk, ending=Ending.COMPLETE)
    return list(rows.values_list("frame", flat=True))


def following(job: JobRow, passed: Collection[str], *, idle: bool) -> Step | None:
    """The next step after those; *idle*: no frame is left for a subjob that only runs frames."""
    begun = "" in passed or any(name.startswith(AFTER) for name in passed)
    if not begun and len(passed) < len(job.preflights):
        return Step(f"{BEFORE} {len(passed) + 1}", job.preflights[len(passed)])
    if has_process(job) and "" not in passed:
        return Step()
    number = sum(name.startswith(AFTER) for name in passed)
    if (idle or has_process(job)) and number < len(job.postflights):
        return Step(f"{AFTER} {number + 1}", job.postflights[number])
    return None


def owing(job: JobRow) -> set[int]:
    """The subjobs that were taken from their host amid a postflight: it is to be run again, wherever there is room."""
    if not (job.todo and job.postflights):
        return set()
    rows = AttemptRow.objects.filter(job_id=job.pk, pos=UNIT).order_by("subjob", "-id")
    last: dict[int, tuple[str, str]] = {}
    for subjob, frame, ending in rows.values_list("subjob", "frame", "ending"):
        last.setdefault(subjob, (frame, ending))
    broken = (Ending.LOST, Ending.INTERRUPTED)
    return {subjob for subjob, (frame, ending) in last.items() if frame.startswith(AFTER) and ending in broken}


def command_of(job: JobRow, name: str) -> str:
    """The command of the step of that name, as the job has it now."""
    kind, _, number = name.partition(" ")
    commands = job.preflights if kind == BEFORE else job.postflights
    at = int(number) - 1 if number.isdecimal() else -1
    return str(commands[at]) if 0 <= at < len(commands) else ""
