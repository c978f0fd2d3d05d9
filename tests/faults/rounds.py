"""A round: jobs are submitted, things break while people give orders, everything is mended, and nothing may be lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from qbcore.errors import Unreachable
from tests.faults import jobs as orders
from tests.faults import troubles
from tests.faults.checks import check
from tests.faults.jobs import Jobs
from tests.faults.stack import LEASE, Stack

SECONDS = 12.0  # in which things break
TROUBLES, ORDERS = 8, 6
QUIET = 120.0  # seconds in which a mended farm must have come to rest
Say = Callable[[str], None]
Step = tuple[float, str, Callable[[], object]]


@dataclass
class Round:
    """One round on a stack that is well. All that happens in it follows from the seed, except how fast things go."""

    stack: Stack
    seed: int
    say: Say
    told: list[str] = field(default_factory=list)

    def play(self) -> None:
        """Raises AssertionError with the seed and what happened when something was lost."""
        rng = random.Random(self.seed)
        broken = troubles.draw(rng, SECONDS, TROUBLES)
        asked = orders.draw(rng, SECONDS, ORDERS)
        bulk = [(at, rng.choice(["blockwork", "retrywork", "suspend", "resume"])) for at in (3.0, 8.0)]
        began = self._now()
        jobs = Jobs(self.stack)
        jobs.submit(render=self.seed % 3 == 0)
        self._note(0.0, f"seed {self.seed}: jobs {jobs.ids}")
        breaking: list[Step] = [(at, said, partial(do, self.stack)) for at, said, do in troubles.steps(broken)]
        given = [*orders.steps(jobs, asked), *((at, f"run {verb}", partial(jobs.start_run, verb)) for at, verb in bulk)]
        try:
            self._carry_out(breaking, given)
            self._settle(jobs)
            kinds = {(one.kind, one.target) for one in broken}
            self._note(0.0, check(self.stack, jobs, began, kinds))
        except AssertionError as lost:
            raise AssertionError(f"seed {self.seed}\n" + "\n".join(self.told) + f"\n{lost}") from lost

    def _carry_out(self, troubles: list[Step], asked: list[Step]) -> None:
        """Breaks things at their times, while people give their orders at theirs: those may have to wait."""
        began = time.monotonic()
        people = ThreadPoolExecutor(1)
        given = people.submit(self._follow, asked, began)
        self._follow(troubles, began)
        given.result(QUIET)
        people.shutdown()

    def _follow(self, steps: list[Step], began: float) -> None:
        for at, said, do in sorted(steps, key=lambda step: step[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            answer = do()
            self._note(time.monotonic() - began, f"{said}{f': {answer}' if answer else ''}")

    def _settle(self, jobs: Jobs) -> None:
        """Mends everything and waits until all is over; what people hold is let go, in the end again and again."""
        stack = self.stack
        assert not stack.dead(), f"ended by themselves: {stack.dead()}"
        stack.heal()
        stack.until(stack.well, "all parts are well again", 180)
        deadline = time.monotonic() + QUIET
        released = 0.0
        while not self._over(jobs):
            if time.monotonic() - released > LEASE / 2:
                jobs.let_go()
                released = time.monotonic()
            assert not stack.dead(), f"ended by themselves: {stack.dead()}"
            assert time.monotonic() < deadline, f"not over {QUIET:g} s after everything was mended:\n{self._open(jobs)}"
            time.sleep(0.25)

    def _over(self, jobs: Jobs) -> bool:
        try:
            found = self.stack.api().jobinfo(id=list(jobs.ids.values()))
        except Unreachable:
            return False
        done = all(job["status"] in ("complete", "failed", "killed") for job in found)
        ids = ",".join(map(str, jobs.runs)) or "0"
        return (
            done
            and not self.stack.rows("SELECT id FROM placement WHERE ended IS NULL")
            and not self.stack.rows("SELECT job_id FROM delta LIMIT 1")
            and not self.stack.rows(f"SELECT id FROM run WHERE id IN ({ids}) AND finished IS NULL")
            and not self.stack.strays()
        )

    def _open(self, jobs: Jobs) -> str:
        ids = ",".join(map(str, jobs.ids.values()))
        found = [
            self.stack.rows(f"SELECT id, name, status, held, reason FROM job WHERE id IN ({ids})"),
            self.stack.rows(f"SELECT * FROM subjob WHERE job_id IN ({ids}) AND status NOT IN (16, 32, 48)"),
            self.stack.rows(f"SELECT job_id, pos, status, attempt_id, grant_id, reserved_until FROM work "
                            f"WHERE job_id IN ({ids}) AND status NOT IN (16, 32, 48)"),
            self.stack.rows("SELECT * FROM placement WHERE ended IS NULL"),
            self.stack.rows("SELECT * FROM delta LIMIT 5"),
            self.stack.rows("SELECT id, state, total, done, lease, finished FROM run WHERE finished IS NULL"),
            self.stack.rows("SELECT name, state, seen, now() FROM host"),
            self.stack.strays(),
        ]  # fmt: skip
        return "\n".join(map(str, found))

    def _now(self) -> datetime:
        found: datetime = self.stack.rows("SELECT clock_timestamp()")[0][0]
        return found

    def _note(self, at: float, said: str) -> None:
        self.told.append(f"{at:6.1f} {said}")
        self.say(self.told[-1])
