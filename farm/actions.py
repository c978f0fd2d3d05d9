"""The buttons: one row of code per action. Bar, menu, key, route, preview form and confirm follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.http import QueryDict

from qbcore.errors import Invalid

JOB, WORK = "job", "work"
TERMINAL = ("failed", "killed", "complete")
LIVE = ("running", "suspended", "blocked", "waiting", "pending")


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter that is a whole number."""

    name: str
    label: str
    least: int
    most: int
    hint: str = ""

    def read(self, data: QueryDict) -> int | None:
        """The number given, None when there is none yet. Raises Invalid."""
        text = data.get(self.name, "").strip()
        if not text:
            return None
        if not (text.isdecimal() and self.least <= int(text[:10]) <= self.most):
            raise Invalid(f"{text!r} is not a whole number from {self.least} to {self.most}.", field=self.name)
        return int(text)


@dataclass(frozen=True, slots=True)
class Action:
    """A button on jobs or on frames of a job.

    `kind` is what the run acts on (a button on jobs may act on their frames); `choices` are the statuses of frames that
    the reader may tick, `chosen` those that are ticked at first. `takes` are the statuses that it can do anything with.
    `loses`: work is lost, so it wants a reason and, for more than one job, their number typed.
    """

    verb: str
    label: str
    scope: str
    icon: str
    takes: tuple[str, ...]
    key: str = ""
    kind: str = JOB
    choices: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    params: tuple[Number, ...] = ()
    danger: bool = False
    loses: bool = False
    more: bool = False
    hint: str = ""

    @property
    def right(self) -> str:
        """The right that `permissions` asks for."""
        return self.verb

    @property
    def shown_key(self) -> str:
        return {"Delete": "Del"}.get(self.key, self.key.upper())

    @property
    def word(self) -> str:
        """What the button of the preview says before the count."""
        return "Change" if self.verb == "modify" else self.label.split()[0].rstrip("…")

    def statuses(self, data: QueryDict) -> tuple[str, ...]:
        """The statuses of frames that are to change, as ticked."""
        if not self.choices or "chosen" not in data:
            return self.chosen
        return tuple(word for word in self.choices if word in data.getlist("statuses"))

    def values(self, data: QueryDict) -> dict[str, int]:
        """The parameters given so far. Raises Invalid."""
        found = {param.name: param.read(data) for param in self.params}
        return {name: value for name, value in found.items() if value is not None}


PRIORITY = Number("priority", "Priority", 1, 9999, "lower runs first")

ACTIONS: tuple[Action, ...] = (
    Action("retrywork", "Retry failed", JOB, "rotate-ccw", ("failed", "killed"), key="r", kind=WORK,
           choices=TERMINAL, chosen=("failed",)),
    Action("requeuework", "Requeue", JOB, "list-restart", TERMINAL, key="q", kind=WORK,
           choices=TERMINAL, chosen=("failed", "killed"), hint="to blocked: they render once they are unblocked"),
    Action("modify", "Priority…", JOB, "chevrons-up", LIVE, key="p", params=(PRIORITY,)),
    Action("block", "Block", JOB, "ban", ("pending", "running", "waiting"), key="b"),
    Action("suspend", "Suspend", JOB, "pause", ("running",), key="s"),
    Action("archive", "Archive XML", JOB, "archive", (*LIVE, *TERMINAL), key="a",
           hint="writes the job to the farm's disk; the job stays"),
    Action("retry", "Retry whole jobs", JOB, "rotate-ccw", TERMINAL, more=True,
           hint="jobs without frames too; frames that are complete render again"),
    Action("unblock", "Unblock", JOB, "lock-open", ("blocked",), more=True),
    Action("resume", "Resume", JOB, "play", ("suspended",), more=True),
    Action("remove", "Remove…", JOB, "trash-2", (*LIVE, *TERMINAL), danger=True, loses=True, more=True,
           hint="history and attempts stay"),
    Action("kill", "Kill…", JOB, "skull", LIVE, key="Delete", danger=True, loses=True,
           hint="there is no undo, only retry"),
    Action("retrywork", "Retry failed", WORK, "rotate-ccw", ("failed", "killed"), key="r", kind=WORK,
           choices=TERMINAL, chosen=("failed",)),
    Action("requeuework", "Requeue all", WORK, "list-restart", TERMINAL, key="q", kind=WORK,
           choices=TERMINAL, chosen=TERMINAL, hint="to blocked: they render once they are unblocked"),
    Action("blockwork", "Block", WORK, "ban", ("pending",), kind=WORK),
    Action("unblockwork", "Unblock", WORK, "lock-open", ("blocked",), kind=WORK),
    Action("killwork", "Kill…", WORK, "skull", LIVE, key="Delete", kind=WORK, danger=True, loses=True,
           hint="there is no undo, only retry"),
)  # fmt: skip


def of(scope: str) -> list[Action]:
    return [action for action in ACTIONS if action.scope == scope]


def find(verb: str, scope: str) -> Action | None:
    return next((action for action in ACTIONS if (action.verb, action.scope) == (verb, scope)), None)


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody wants to do to what they selected, as it came with the request."""

    action: Action
    jobs: tuple[int, ...]
    positions: str
    statuses: tuple[str, ...]
    params: Mapping[str, int] = field(default_factory=dict)
    why: str = ""
    typed: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that the action asks for is given."""
        return len(self.params) == len(self.action.params) and (not self.action.choices or bool(self.statuses))
