"""Flight checks: before the first frame of a placed subjob and after its last, and what a failing one does."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, queries, submission, verbs
from qbcore.models import AttemptRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import Frame, Hand, Obedient, drive
from tests.program import LOOP, Program

pytestmark = pytest.mark.django_db
CHECKED: dict[str, Any] = {"preflights": ["look", "mount"], "postflights": "clean"}
FRAMES = {"prototype": "cmdrange", "package": {"cmdline": "true", "range": "1-2"}}
ALONE = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def submit(**given: Any) -> int:
    return int(submission.submit({**FRAMES, **CHECKED, **given})["id"])


def tried() -> list[tuple[str, str]]:
    """Each attempt and how it ended, in order."""
    return list(AttemptRow.objects.order_by("pk").values_list("frame", "ending"))


def words() -> tuple[list[str], list[str]]:
    """The statuses of items and subjobs."""
    return (
        [Status(one).word for one in WorkRow.objects.order_by("pos").values_list("status", flat=True)],
        [Status(one).word for one in SubjobRow.objects.order_by("idx").values_list("status", flat=True)],
    )


def job_word(job: int) -> str:
    folding.sweep()
    return Status(JobRow.objects.get(pk=job).status).word


def fail(name: str) -> Any:
    return lambda frame: 3 if frame["name"] == name else 0


def test_checks_run_around_the_frames_of_a_placed_subjob() -> None:
    job = submit()
    names = drive(Hand(slots=1))
    assert names == ["preflight 1", "preflight 2", "1", "2", "postflight 1"]
    assert (words(), job_word(job)) == ((["complete"] * 2, ["complete"]), "complete")
    assert JobRow.objects.get().timed == 2, "checks are no frames"


@pytest.mark.parametrize("job", [ALONE, LOOP], ids=["a command", "a program"])
def test_checks_run_around_a_subjobs_own_process(job: dict[str, Any]) -> None:
    submission.submit({**job, **CHECKED, "agenda": None})
    assert drive(Hand(slots=1)) == ["preflight 1", "preflight 2", "", "postflight 1"]
    assert words()[1] == ["complete"]


def test_a_check_is_given_with_its_command() -> None:
    submit()
    hand = Hand(slots=1)
    hand.sync(room=True)
    [(_, frame)] = hand.frames
    assert (frame["pos"], frame["name"], frame["command"], frame["package"]) == (-1, "preflight 1", "look", None)


def test_every_placement_runs_its_checks() -> None:
    submit(cpus=2, postflights=[])
    first, second = Hand("first", slots=1), Hand("second", slots=1)
    for hand in (first, second):
        hand.sync(room=True)
        assert [frame["name"] for _, frame in hand.frames] == ["preflight 1"]


@pytest.mark.parametrize(("retrysubjob", "place"), [(0, "failed"), (1, "pending")])
def test_a_failing_preflight_fails_the_subjob_and_touches_no_frame(retrysubjob: int, place: str) -> None:
    submit(retrysubjob=retrysubjob)
    hand = Hand(slots=1)
    for code in (0, 3):
        hand.begin() if code == 0 else None
        report(hand, code)
    assert words() == (["pending", "pending"], [place])
    row = AttemptRow.objects.latest("pk")
    assert row.error_line == "preflight 2 (mount) ended with exit code 3"
    assert WorkRow.objects.filter(attempts=0).count() == 2


def report(hand: Hand, code: int) -> Frame:
    grant, frame = hand.frames.pop(0)
    hand.sync(reports=[hand.ended(grant, frame, exit=code)], want=[grant])
    return frame


def test_a_job_whose_preflights_always_fail_ends_with_its_reason() -> None:
    job = submit(retrysubjob=2)
    assert drive(Hand(slots=1), exits=fail("preflight 1")) == ["preflight 1"] * 3
    assert (job_word(job), JobRow.objects.get().reason, words()) == (
        "failed", "no subjob left", (["failed"] * 2, ["failed"]),
    )  # fmt: skip


def test_a_failing_postflight_fails_the_subjob_and_leaves_the_frames_done() -> None:
    job = submit()
    drive(Hand(slots=1), exits=fail("postflight 1"))
    assert (words(), job_word(job)) == ((["complete"] * 2, ["failed"]), "failed")
    assert AttemptRow.objects.latest("pk").error_line == "postflight 1 (clean) ended with exit code 3"


def test_a_command_that_failed_has_no_postflight() -> None:
    submission.submit({**ALONE, **CHECKED})
    assert drive(Hand(slots=1), exits=fail("")) == ["preflight 1", "preflight 2", ""]
    assert words()[1] == ["failed"]


def test_a_check_that_could_not_start_or_was_killed_says_so() -> None:
    submit(preflights=["/nowhere"])
    hand = Hand(slots=1)
    hand.begin()
    grant, frame = hand.frames.pop(0)
    how = {"exit": None, "reason": "spawn", "message": "/nowhere: No such file or directory."}
    hand.sync(reports=[hand.ended(grant, frame, **how)], want=[grant])
    line = AttemptRow.objects.get().error_line
    assert line == "preflight 1 (/nowhere) could not be started: /nowhere: No such file or directory."


def test_a_check_whose_answer_was_lost_is_given_again() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    [grant] = hand.held
    line = hand.ended(*hand.frames.pop(0))
    hand.sync(reports=[line], want=[grant])
    assert [frame["name"] for _, frame in hand.frames] == ["preflight 2"]
    hand.held[grant], hand.frames, hand.seq = [], [], hand.seq - 1
    hand.sync(reports=[line], want=[grant])
    assert [frame["name"] for _, frame in hand.frames] == ["preflight 2"]
    assert tried() == [("preflight 1", "complete"), ("preflight 2", "interrupted"), ("preflight 2", "")]


def test_a_worker_that_asks_ahead_gets_nothing_while_a_check_runs() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    [grant] = hand.held
    assert hand.sync(want=[grant])["frames"] == {}
    assert len(hand.held[grant]) == 1


def test_a_subjob_that_is_to_leave_runs_no_more_checks() -> None:
    job = submit()
    hand = Obedient(slots=1)
    hand.begin()
    verbs.block(job)
    for _ in range(4):
        hand.end_one(0)
    assert (tried(), words()) == ([("preflight 1", "complete")], (["pending"] * 2, ["blocked"]))


def test_a_killed_check_is_over() -> None:
    job = submit()
    hand = Hand(slots=1)
    hand.begin()
    verbs.kill(job)
    assert (tried(), words()) == ([("preflight 1", "killed")], (["killed"] * 2, ["killed"]))


def test_checks_are_read_back_as_a_list() -> None:
    job = queries.jobinfo(id=submit(preflights="a b, c", postflights=None))[0]
    assert (job["preflights"], job["postflights"]) == (["a b", "c"], [])


def test_quick_checks_do_not_make_a_host_take_frames_ahead() -> None:
    submit(package={"cmdline": "true", "range": "1-9"})
    hand = Hand(slots=1)
    hand.begin()
    for _ in range(2):
        grant, frame = hand.frames.pop(0)
        hand.sync(reports=[hand.ended(grant, frame, elapsed=0.01)], want=[grant])
    assert [frame["name"] for _, frame in hand.frames] == ["1"]


def test_a_failing_postflight_is_tried_again_and_then_fails_the_subjob() -> None:
    job = submit(preflights=[], cpus=1, retrysubjob=2)
    assert drive(Hand(slots=1), exits=fail("postflight 1")) == ["1", "2", *["postflight 1"] * 3]
    assert (words(), job_word(job)) == ((["complete"] * 2, ["failed"]), "failed")


def test_a_postflight_behind_a_programs_frames_is_tried_again_without_the_program() -> None:
    job = int(submission.submit({**LOOP, "postflights": "clean", "retrysubjob": 1})["id"])
    hand = Hand(slots=1)
    hand.begin()
    program = Program(hand, *hand.frames.pop(0))
    while (item := program.ask())["status"] == "running":
        program.tell(item)
    program.end()
    assert drive(hand, exits=fail("postflight 1")) == ["postflight 1"] * 2
    assert (words(), job_word(job)) == ((["complete"] * 4, ["failed"]), "failed")


def test_a_postflight_that_goes_well_the_second_time_completes_the_job() -> None:
    job = submit(preflights=[], cpus=1, retrysubjob=1)
    codes = iter((0, 0, 3, 0))
    assert drive(Hand(slots=1), exits=lambda frame: next(codes)) == ["1", "2", "postflight 1", "postflight 1"]
    assert job_word(job) == "complete"


def test_a_postflight_that_failed_is_not_tried_again_by_a_subjob_that_is_told_to_leave() -> None:
    job = submit(preflights=[], retrysubjob=5, cpus=1)
    hand = Hand(slots=1)
    hand.begin()
    for _ in range(2):
        report(hand, 0)
    assert hand.frames[0][1]["name"] == "postflight 1"
    verbs.preempt(job)
    report(hand, 3)
    assert (words(), job_word(job)) == ((["complete"] * 2, ["failed"]), "failed")
