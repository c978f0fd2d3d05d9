"""Claims, reports, folds, verbs and lost hosts in any order, beside a small model of what each frame may become.

The model looks at a frame before and after each step: it may turn only as that step allows, and is complete or failed
only because a process of it was, in an attempt that was still its own.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from qbcore import folding, hosts, submission, verbs
from qbcore.models import AttemptRow, GrantRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import DONE, LIVE, Ending, Status
from qbcore.writing import clock
from tests.qbcore.test_folding import ROWS, check
from tests.wire import Wire

pytestmark = pytest.mark.django_db
FRAMES, LOSSES = 5, 3
EXAMPLES = max(10, int(os.environ.get("FARM_EXAMPLES", "0")) // 10)
P, R, S, B, W = Status.PENDING, Status.RUNNING, Status.SUSPENDED, Status.BLOCKED, Status.WAITING
AGAIN = frozenset({"retry", "requeue", "retrywork", "requeuework"})
TURNS: dict[str, frozenset[tuple[Status, Status]]] = {
    "lost": frozenset({(R, P), (S, P), (R, Status.FAILED), (S, Status.FAILED)}),
    "restart": frozenset({(R, P), (S, P), (R, Status.FAILED), (S, Status.FAILED)}),
    "expire": frozenset(),
    **{verb: frozenset((one, Status.KILLED) for one in LIVE) for verb in ("kill", "killwork")},
    **{verb: frozenset((one, P) for one in DONE) for verb in ("retry", "retrywork")},
    "requeue": frozenset((one, to) for one in DONE for to in (P, B)),  # a job that is held holds its frames
    "requeuework": frozenset((one, B) for one in DONE),
    "block": frozenset({(P, B), (R, P), (R, B), (S, B)}),
    "blockwork": frozenset({(P, B)}),
    **{verb: frozenset({(B, P)}) for verb in ("unblock", "unblockwork")},
    "suspend": frozenset({(R, S)}),
    "resume": frozenset({(S, R), (S, P)}),
    **{verb: frozenset({(R, P)}) for verb in ("preempt", "interrupt", "migrate")},
}
"""What a step may do to a frame that no report speaks of."""
ASKED = frozenset({(P, R), (R, P), (S, P), (S, R)})
"""What a request may do to a frame by naming it in *running*, or not naming it any more."""


class Seen(NamedTuple):
    """A frame at a moment."""

    status: Status
    retries: int
    attempt: int | None
    losses: int


class Farm(RuleBasedStateMachine):
    """One job, two workers, and people."""

    @initialize(retrywork=st.integers(0, 2), cpus=st.integers(1, 3))
    def begin(self, retrywork: int, cpus: int) -> None:
        for model in ROWS:
            model.objects.all().delete()
        package = {"range": f"1-{FRAMES}", "cmdline": "x"}
        job = {"prototype": "cmdrange", "cpus": cpus, "retrywork": retrywork, "package": package}
        self.job, self.retrywork = int(submission.submit(job)["id"]), retrywork
        self.workers = [Wire("a"), Wire("b")]
        self.sent: list[tuple[Wire, dict[str, Any]]] = []
        self.completed = dict.fromkeys(range(FRAMES), 0)

    def look(self) -> dict[int, Seen]:
        rows = WorkRow.objects.filter(job_id=self.job).order_by("pos")
        return {row.pos: Seen(Status(row.status), row.retries, row.attempt_id, row.losses) for row in rows}

    def compare(self, before: dict[int, Seen], turns: frozenset[tuple[Status, Status]], *, again: bool = False) -> None:
        for pos, now in self.look().items():
            was = before[pos]
            assert now.status == was.status or (was.status, now.status) in turns, (pos, was, now)
            assert now.retries == (0 if again and was.status in DONE and now.status != was.status else was.retries)
            if now.status == Status.FAILED != was.status:
                assert now.losses >= LOSSES, (pos, was, now)

    def ask(self, worker: Wire, *, heard: bool) -> None:
        before, body = self.look(), worker.request()
        worker.ask(heard=heard)
        self.sent = [*self.sent[-5:], (worker, body)]
        self.taken_in(before, body["reports"])

    def taken_in(self, before: dict[int, Seen], reports: list[dict[str, Any]]) -> None:
        """A frame turns as a report of its own attempt says; others only start or come back."""
        after = self.look()
        spoken = {line["pos"]: line for line in reports if before[line["pos"]].attempt == line["attempt"]}
        for pos, was in before.items():
            now = after[pos]
            if pos in spoken:
                self.reported(pos, was, now, spoken[pos])
            elif now.status == Status.COMPLETE != was.status:
                assert self.came_late(pos, was, reports), (pos, was, now, reports)
                self.completed[pos] += 1
            else:
                assert now.status == was.status or (was.status, now.status) in ASKED, (pos, was, now)
                assert now.retries == was.retries

    def reported(self, pos: int, was: Seen, now: Seen, line: dict[str, Any]) -> None:
        code = line.get("exit")
        if code == 0:
            assert (now.status, now.retries) == (Status.COMPLETE, was.retries), (pos, was, now)
            self.completed[pos] += 1
        elif code is None:
            assert now.status in (P, R) and now.retries == was.retries, (pos, was, now)
        elif was.retries < self.retrywork:
            assert now.status in (P, R) and now.retries == was.retries + 1, (pos, was, now)
        else:
            assert (now.status, now.retries) == (Status.FAILED, was.retries), (pos, was, now)

    def came_late(self, pos: int, was: Seen, reports: list[dict[str, Any]]) -> bool:
        """A frame that was lost, and is back in the queue, was done after all."""
        good = [line["attempt"] for line in reports if line["pos"] == pos and line.get("exit") == 0]
        lost = AttemptRow.objects.filter(pk__in=good, ending=Ending.COMPLETE)
        return was.status == P and was.attempt is None and lost.exists()

    @rule(which=st.integers(0, 1), heard=st.sampled_from([True, True, True, False]))
    def a_worker_asks(self, which: int, heard: bool) -> None:
        self.ask(self.workers[which], heard=heard)

    @rule(which=st.integers(0, 1))
    def processes_start(self, which: int) -> None:
        self.workers[which].start()

    @rule(which=st.integers(0, 1), code=st.sampled_from([0, 0, 1]))
    def a_process_ends(self, which: int, code: int) -> None:
        self.workers[which].end(code)

    @rule(which=st.integers(0, 5))
    def an_old_request_arrives_again(self, which: int) -> None:
        """It is refused, unless nothing was asked since: then it is the same once more."""
        if which >= len(self.sent):
            return
        worker, body = self.sent[which]
        newest = (body["session"], body["seq"]) == (worker.session, worker.seq)
        before = self.look()
        refused = worker.late(body)
        assert refused is not newest
        if refused:
            self.compare(before, frozenset())
        else:
            self.taken_in(before, [])

    @rule(which=st.integers(0, 1))
    def a_worker_is_killed_and_starts_anew(self, which: int) -> None:
        before = self.look()
        self.workers[which].hello()
        self.compare(before, TURNS["restart"])

    @rule(which=st.integers(0, 1))
    def a_worker_is_not_heard_of_for_a_lease(self, which: int) -> None:
        before = self.look()
        HostRow.objects.filter(pk=self.workers[which].id).update(seen=clock() - timedelta(days=1))
        hosts.give_up_silent()
        self.compare(before, TURNS["lost"])

    @rule()
    def reservations_run_out(self) -> None:
        past = clock() - timedelta(seconds=1)
        WorkRow.objects.filter(reserved_until__isnull=False).update(reserved_until=past)

    @rule(verb=st.sampled_from(sorted(TURNS.keys() & verbs.JOB_VERBS.keys())))
    def somebody_acts_on_the_job(self, verb: str) -> None:
        before = self.look()
        getattr(verbs, verb)(self.job)
        self.compare(before, TURNS[verb], again=verb in AGAIN)
        self.forgive(before)

    @rule(verb=st.sampled_from(sorted(TURNS.keys() & verbs.WORK_VERBS.keys())), pos=st.integers(0, FRAMES - 1))
    def somebody_acts_on_a_frame(self, verb: str, pos: int) -> None:
        before = self.look()
        getattr(verbs, verb)(f"{self.job}:{pos}")
        self.compare(before, TURNS[verb], again=verb in AGAIN)
        self.forgive(before)

    def forgive(self, before: dict[int, Seen]) -> None:
        """A frame that is to be done again may be complete once more."""
        for pos, now in self.look().items():
            if before[pos].status == Status.COMPLETE != now.status:
                self.completed[pos] = 0

    @invariant()
    def it_adds_up(self) -> None:
        check(self.job)
        statuses = {pos: seen.status for pos, seen in self.look().items()}
        assert self.completed == {pos: int(status == Status.COMPLETE) for pos, status in statuses.items()}
        for row in AttemptRow.objects.filter(job_id=self.job, reported=True):
            told = next(worker.told[row.pk] for worker in self.workers if row.pk in worker.told)
            assert (row.exit_code, row.signal) == (told.get("exit"), told.get("signal"))

    def teardown(self) -> None:
        """Whatever happened, all of it can be brought to an end, and then nothing is taken any more."""
        places = [f"{self.job}.{idx}" for idx in range(4)]
        for number in range(60):
            if number % 8 == 0:
                verbs.resume(self.job, places)
                verbs.unblock(self.job, places)
                verbs.unblockwork(f"{self.job}:*")
            for worker in self.workers:
                worker.start()
                worker.end(0)
                self.ask(worker, heard=True)
            folding.sweep()
            if not (any(worker.held or worker.reports for worker in self.workers) or self.alive()):
                break
        check(self.job)
        assert not self.alive()
        assert not GrantRow.objects.filter(ended__isnull=True).exists()
        assert not AttemptRow.objects.filter(ended__isnull=True).exists()

    def alive(self) -> bool:
        job = JobRow.objects.get(pk=self.job)
        return job.status in LIVE or SubjobRow.objects.filter(status__in=LIVE).exists() or W in self.look()


def test_a_frame_turns_only_for_a_reason() -> None:
    some = settings(
        max_examples=EXAMPLES, stateful_step_count=20, deadline=None, derandomize="FARM_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    run_state_machine_as_test(Farm, settings=some)
