"""What becomes of a frame when its attempt ends, is lost with its host, or is reported late."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, hosts, submission, verbs
from qbcore.models import AttemptRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "cpus": 1, **given})["id"])


def items() -> list[str]:
    return [Status(one).word for one in WorkRow.objects.order_by("pos").values_list("status", flat=True)]


def endings() -> list[str]:
    return list(AttemptRow.objects.order_by("pk").values_list("ending", flat=True))


def word(job: int) -> str:
    folding.sweep()
    return Status(JobRow.objects.get(pk=job).status).word


def lose(hand: Hand) -> None:
    """The host is given up, as housekeeping does."""
    HostRow.objects.filter(pk=hand.id).update(seen="2020-01-01T00:00:00Z")
    hosts.give_up_silent()


def report(hand: Hand, **how: Any) -> dict[str, Any]:
    """Reports the oldest frame in hand; answers what was said."""
    grant, frame = hand.frames.pop(0)
    line = hand.ended(grant, frame, **how)
    hand.sync(reports=[line])
    return line


@pytest.mark.parametrize(
    ("how", "becomes", "ending"),
    [
        ({"exit": 0}, "complete", "complete"),
        ({"exit": 1}, "failed", "failed"),
        ({"exit": None, "signal": 9}, "failed", "failed"),
        ({"exit": 0, "signal": 15}, "failed", "failed"),
        ({"exit": None, "signal": 15, "reason": "ended"}, "pending", "interrupted"),
        ({"exit": None, "signal": 9, "reason": "timelimit"}, "failed", "failed"),
        ({"exit": None, "reason": "spawn", "message": "no such command"}, "failed", "failed"),
    ],
)
@pytest.mark.parametrize("prototype", ["cmdrange", "cmdline"])
def test_how_an_attempt_ends_decides_about_its_unit(
    prototype: str, how: dict[str, Any], becomes: str, ending: str
) -> None:
    submission.submit({"prototype": prototype, "package": {"range": "1-1", "cmdline": "x"}})
    hand = Hand(slots=1)
    hand.begin()
    report(hand, **how)
    unit: Any = WorkRow.objects.get() if prototype == "cmdrange" else SubjobRow.objects.get()
    assert (Status(unit.status).word, endings()) == (becomes, [ending])


@pytest.mark.parametrize(("retrywork", "tries"), [(0, 1), (2, 3)])
def test_a_failed_frame_is_tried_as_often_as_the_job_says(retrywork: int, tries: int) -> None:
    job = submit(package={"cmdline": "true", "range": "1-1"}, retrywork=retrywork)
    assert drive(Hand(slots=1), exits=lambda frame: 1) == ["1"] * tries
    assert word(job) == "failed"
    assert list(AttemptRow.objects.order_by("pk").values_list("number", flat=True)) == list(range(1, tries + 1))


def test_a_failed_subjob_is_tried_as_often_as_the_job_says() -> None:
    job = submission.submit({"prototype": "cmdline", "package": {"cmdline": "x"}, "retrysubjob": 1})["id"]
    drive(Hand(slots=1), exits=lambda frame: 1)
    assert (endings(), word(job)) == (["failed", "failed"], "failed")


def test_a_lost_frame_that_was_done_after_all_counts_while_nobody_has_it() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    lose(hand)
    assert (items()[0], endings()) == ("pending", ["lost"])
    report(hand, elapsed=9.0)
    assert (items()[0], endings()) == ("complete", ["complete"])


@pytest.mark.parametrize("what", ["rendered elsewhere", "running elsewhere", "done", "blocked"])
def test_a_late_report_of_a_lost_frame_only_adds_to_the_record(what: str) -> None:
    job = submit()
    late, other = Hand("late", slots=1), Hand("other", slots=1)
    late.begin()
    lose(late)
    if what == "blocked":
        verbs.blockwork(f"{job}:1")
    else:
        other.begin()
    if what in ("done", "rendered elsewhere"):
        other.report(1 if what == "done" else 0)
    before = items()
    line = report(late, exit=0, elapsed=9.0)
    assert items() == before
    row = AttemptRow.objects.get(pk=line["attempt"])
    assert (row.ending, row.reported, row.seconds) == ("lost", True, 9.0)


def test_a_lost_frame_that_failed_is_not_held_against_the_frame_that_another_host_has() -> None:
    submit()
    hand, other = Hand(slots=1), Hand("other", slots=1)
    hand.begin()
    lose(hand)
    other.begin()
    report(hand, exit=1)
    assert (items()[0], endings(), WorkRow.objects.get(pos=0).retries) == ("running", ["lost", ""], 0)


def test_a_killed_frame_that_completes_stays_killed() -> None:
    job = submit()
    hand = Hand(slots=1)
    hand.begin()
    verbs.killwork(f"{job}:1")
    line = report(hand, exit=0)
    assert (items()[0], AttemptRow.objects.get(pk=line["attempt"]).ending) == ("killed", "killed")


def test_a_frame_lost_with_its_host_for_the_third_time_fails() -> None:
    job = submit(package={"cmdline": "true", "range": "1-1"})
    for number in range(3):
        hand = Hand(f"host-{number}", slots=1)
        hand.begin()
        lose(hand)
    assert (items(), endings(), word(job)) == (["failed"], ["lost", "lost", "failed"], "failed")
    line = AttemptRow.objects.latest("pk").error_line
    assert line == "took down host-0, host-1, host-2"
    verbs.retry(job)
    Hand("host-3", slots=1).begin()
    hosts.give_up_silent()
    assert WorkRow.objects.get().losses == 0


def test_a_subjob_without_frames_lost_for_the_third_time_fails() -> None:
    job = int(submission.submit({"prototype": "cmdline", "package": {"cmdline": "x"}})["id"])
    for number in range(3):
        hand = Hand(f"host-{number}", slots=1)
        hand.begin()
        lose(hand)
    assert (endings(), word(job)) == (["lost", "lost", "failed"], "failed")
