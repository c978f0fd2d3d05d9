"""Whatever programs of custom types, workers and people do, in whatever order: it adds up and can be finished."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qbcore import folding, looping, submission, verbs
from qbcore.models import GrantRow, JobRow, SubjobRow, WorkRow
from qbcore.states import DONE, LIVE
from tests.hand import Obedient
from tests.program import LOOP, Program
from tests.qbcore.test_folding import ROWS, Story, check, finish, steps, stories

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
SAID = ("complete", "complete", "failed", "killed", "pending")
TOLD = ("complete", "failed", "killed", "blocked", "pending")
QUIET = [HealthCheck.function_scoped_fixture]


@dataclass
class ProgramStory(Story):
    """A story in which programs ask for items and report them too."""

    def act(self, what: str, which: int) -> None:
        found = self.programs()
        kind, _, status = what.partition(":")
        if kind not in ("request", "report", "job", "late"):
            super().act(what, which)
        elif kind == "late":
            WorkRow.objects.filter(reserved_until__isnull=False).update(reserved_until="2020-01-01T00:00:00Z")
            looping.end_overdue()
        elif found:
            self.speak(found[which % len(found)], kind, status)

    def speak(self, program: Program, kind: str, status: str) -> None:
        if kind == "job":
            program.say(status)
            return
        work = program.ask()
        if kind == "report" and work["status"] == "running":
            program.tell(work, status)

    def programs(self) -> list[Program]:
        """Processes that run and are not stopped."""
        return [
            Program(worker, grant, frame)
            for worker in self.workers
            for grant, frame in worker.frames
            if frame["pos"] == -1 and not frame["name"] and grant not in worker.suspended
        ]

    def finish(self) -> None:
        """Everything is let go; programs do what is left and say what they were told."""
        verbs.resume(self.job, [f"{self.job}.{idx}" for idx in range(10)])
        verbs.unblock(self.job, [f"{self.job}.{idx}" for idx in range(10)])
        verbs.unblockwork(f"{self.job}:*")
        for _ in range(60):
            for program in self.programs():
                program.say(program.work_off()[-1])
            for which in (0, 1):
                for what in ("good", "ask", "running"):
                    super().act(what, which)
            folding.sweep()
            over = JobRow.objects.get(pk=self.job).status in DONE
            if over and not any(worker.held or worker.gone for worker in self.workers):
                break
        check(self.job)
        assert JobRow.objects.get(pk=self.job).status in DONE
        assert not GrantRow.objects.filter(ended__isnull=True).exists()
        assert not SubjobRow.objects.filter(status__in=LIVE).exists()


spoken = st.tuples(
    st.sampled_from(["request", "request", "late", *(f"report:{word}" for word in SAID), *(f"job:{w}" for w in TOLD)]),
    st.integers(0, 5),
)
begun = [("ask", 0), ("ask", 1)]


def forget() -> None:
    for model in ROWS:
        model.objects.all().delete()


@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(st.lists(st.one_of(spoken, spoken, steps), min_size=4, max_size=30), st.integers(1, 3), st.booleans())
def test_programs_and_people_in_any_order(told: list[tuple[str, int]], cpus: int, checked: bool) -> None:
    forget()
    flights = {"preflights": ["look"], "postflights": ["clean"]} if checked else {}
    fields = {**LOOP, **flights, "cpus": cpus, "retrywork": 1, "retrysubjob": 1, "agenda_timelimit": 50}
    job = submission.submit(fields)["id"]
    story = ProgramStory(job, [Obedient("a"), Obedient("b")])
    for what, which in [*begun, *told]:
        story.act(what, which)
        check(job)
    story.finish()


@settings(max_examples=8, deadline=None, suppress_health_check=QUIET)
@given(stories, st.integers(1, 3), st.booleans())
def test_flight_checks_and_people_in_any_order(told: list[tuple[str, int]], cpus: int, agenda: bool) -> None:
    forget()
    fields = {"preflights": ["look", "mount"], "postflights": ["clean"], "cpus": cpus, "retrysubjob": 2}
    kind = "cmdrange" if agenda else "cmdline"
    job = submission.submit({**fields, "prototype": kind, "package": {"range": "1-5", "cmdline": "x"}})["id"]
    story = Story(job, [Obedient("a"), Obedient("b")])
    for what, which in [*begun, *told]:
        story.act(what, which)
        check(job)
    finish(story)
