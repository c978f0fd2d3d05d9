"""The jobs of a round, and what people do to them meanwhile."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qbcore.errors import QubeError, Unreachable
from tests.e2e.animation import SCENE
from tests.faults.operator import AwayError
from tests.faults.stack import Stack

PATIENT = 6  # tries of a call that finds the farm away


@dataclass
class Order:
    """What somebody asks of a job: when, which verb, and which frames of a verb on frames."""

    at: float
    verb: str
    job: str
    frames: str = ""

    def __str__(self) -> str:
        return f"{self.at:5.1f} {self.verb} {self.job}{self.frames}"


@dataclass
class Jobs:
    """The jobs of a round by name, and which verbs changed something: (verb, job)."""

    stack: Stack
    ids: dict[str, int] = field(default_factory=dict)
    changed: list[tuple[str, int]] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)

    def submit(self, *, render: bool) -> None:
        """Every kind of job that there is."""
        command = self.stack.ledger.command
        self._submit("fast", command("fast"), "1-60", cpus=3)
        self._submit("slow", command("slow"), "1-12", cpus=4)
        self._submit("once", command("once"), "1-9", cpus=2, retrywork=3)
        self._submit("shared", command("slow"), "1-6", cpus=3, reservations="host.processors=1,license.fault=1")
        self._submit("after", command("fast"), "1-6", dependency=f"link-done-job-{self.ids['fast']}")
        single = {"prototype": "cmdline", "package": {"cmdline": command("slow", "unit")}, "cpus": 2}
        self.ids["single"] = self._asked("submit", single)[0]["id"]
        if render and shutil.which("povray"):
            pictures = self.stack.folder / "pictures"
            pictures.mkdir(exist_ok=True)
            shutil.copytree(SCENE, pictures, dirs_exist_ok=True)
            scene = "povray +Iorrery.pov +W64 +H48 -D +KI0 +KF1 +KFI1 +KFF48 +KC +SFQB_FRAME_NUMBER +EFQB_FRAME_NUMBER"
            self._submit("render", scene, "18-26", cpus=3, cwd=str(pictures))

    def _submit(self, name: str, cmdline: str, frames: str, **more: Any) -> None:
        job = {"name": name, "prototype": "cmdrange", "package": {"cmdline": cmdline, "range": frames}, **more}
        self.ids[name] = self._asked("submit", job)[0]["id"]

    def _asked(self, verb: str, *args: Any) -> Any:
        """The answer of the farm, patiently: parts of it may be away."""
        for left in reversed(range(PATIENT)):
            web = left % len(self.stack.urls)
            try:
                return getattr(self.stack.api(web=web), verb)(*args)
            except Unreachable:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def give(self, order: Order) -> str:
        """Gives an order; what came of it. One that cannot be given because the farm is away is nobody's loss."""
        job = self.ids[order.job]
        try:
            if order.verb == "priority":
                changed = self.stack.api().modify({"priority": 7000 + int(order.at)}, job)
            else:
                target = f"{job}:{order.frames}" if order.frames else str(job)
                changed = getattr(self.stack.api(web=int(order.at) % 2), order.verb)(target)
        except QubeError as away:
            return f"not done: {away}"
        if changed and order.verb != "priority":
            self.changed.append((order.verb, job))
        return f"changed {len(changed)}"

    def start_run(self, verb: str) -> str:
        """A bulk run on all the jobs, as the pages start it."""
        try:
            self.runs.append(int(self.stack.ask("run", verb, list(self.ids.values()))))
        except AwayError as away:
            return f"not started: {away}"
        return f"run {self.runs[-1]}"

    def let_go(self) -> None:
        """Whatever is held goes on, so that everything comes to an end."""
        for verb in ("resume", "unblock"):
            self._asked(verb, *self.ids.values())
        self._asked("unblockwork", *(f"{job}:*" for name, job in self.ids.items() if name != "single"))


def frames(rng: random.Random, verb: str) -> str:
    first = rng.randint(0, 8)
    return f"{first}-{first + rng.randint(0, 3)}" if verb.endswith("work") else ""


VERBS = (
    *("kill", "retry", "requeue", "suspend", "resume", "block", "unblock", "preempt", "interrupt", "migrate"),
    *("killwork", "retrywork", "requeuework", "blockwork", "unblockwork", "priority"),
)
NAMES = ("fast", "slow", "once", "shared", "after", "single")


def draw(rng: random.Random, seconds: float, count: int) -> list[Order]:
    """So many orders; verbs on frames go to jobs that have some."""
    found = []
    for _ in range(count):
        verb = rng.choice(VERBS)
        job = rng.choice(NAMES[:-1] if verb.endswith("work") else NAMES)
        found.append(Order(rng.uniform(0.5, seconds), verb, job, frames(rng, verb)))
    return sorted(found, key=lambda order: order.at)


def steps(jobs: Jobs, orders: list[Order]) -> list[tuple[float, str, Callable[[], str]]]:
    return [(one.at, str(one)[6:], _bound(jobs, one)) for one in orders]


def _bound(jobs: Jobs, order: Order) -> Callable[[], str]:
    return lambda: jobs.give(order)
