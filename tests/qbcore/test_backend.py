"""The supervisor's side of the worker's protocol: lost answers, late reports, and speaking for oneself only."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import backend, folding, queries, submission, verbs
from qbcore.control.placements import RESERVED_SECONDS
from qbcore.errors import Conflict, Invalid
from qbcore.models import AttemptRow, GrantRow, HistoryRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from qbcore.writing import clock
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive

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


def short(job: int) -> None:
    """The job's frames are known to take a tenth of a second, so that ten are handed out at once."""
    JobRow.objects.filter(pk=job).update(timed=10, seconds=1.0)


def report(hand: Hand, **how: Any) -> dict[str, Any]:
    """Reports the oldest frame in hand; answers what was said."""
    grant, frame = hand.frames.pop(0)
    line = hand.ended(grant, frame, **how)
    hand.sync(reports=[line])
    return line


def test_what_was_given_in_a_lost_answer_goes_back_to_the_queue() -> None:
    submit()
    hand = Hand(slots=1)
    hand.sync(room=True)
    hand.held, hand.frames, hand.seq = {}, [], hand.seq - 1  # it never heard, and asks again
    hand.sync(room=True)
    assert (len(hand.held), hand.frames[0][1]["name"]) == (1, "1")
    assert GrantRow.objects.filter(ended__isnull=True).count() == 1
    assert endings() == ["interrupted", ""]
    assert drive(hand)[-1] == "4"


def test_frames_that_a_lost_answer_added_go_back_alone() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    [grant] = hand.held
    line = report(hand)
    hand.sync(want=[grant])
    hand.held[grant], hand.frames, hand.seq = [], [], hand.seq - 1
    again = hand.sync(reports=[line], want=[grant])
    assert ([frame["name"] for _, frame in hand.frames], again["accepted"]) == (["2"], [line["attempt"]])
    assert (items()[:2], GrantRow.objects.count()) == (["complete", "running"], 1)


def test_a_report_that_comes_again_changes_nothing() -> None:
    job = submit()
    hand = Hand(slots=1)
    hand.begin()
    line = report(hand)
    before = AttemptRow.objects.filter(pk=line["attempt"]).values().get()
    answer = hand.sync(reports=[{**line, "exit": 1}, line])
    assert answer["accepted"] == [line["attempt"]] * 2
    assert AttemptRow.objects.filter(pk=line["attempt"]).values().get() == before
    assert (items()[0], word(job)) == ("complete", "running")


def test_the_same_report_twice_in_one_request_counts_once() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    grant, frame = hand.frames.pop(0)
    line = hand.ended(grant, frame)
    hand.sync(reports=[line, {**line, "exit": 1}])
    assert (items()[0], endings()) == ("complete", ["complete"])


def test_an_old_request_is_refused_and_the_next_goes_on() -> None:
    hand = Hand()
    hand.sync()
    hand.sync()
    hand.seq -= 2
    with pytest.raises(Conflict) as refusal:
        hand.sync()
    assert refusal.value.code == "seq"
    hand.seq += 1
    assert hand.sync()["next"] > 0


def test_a_worker_of_another_session_is_refused() -> None:
    hand = Hand()
    hand.session = "b" * 32
    with pytest.raises(Conflict) as refusal:
        hand.sync()
    assert refusal.value.code == "session"


def test_a_host_speaks_for_its_own_grants_only() -> None:
    job = submit(cpus=2)
    mine, other = Hand("mine", slots=1), Hand("other", slots=1)
    mine.begin()
    other.begin()
    grant, frame = mine.frames[0]
    with pytest.raises(Invalid, match="not on host other"):
        other.sync(reports=[{"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0}])
    [own] = other.held
    for attempt in (frame["attempt"], 10**9, 0, -1):
        with pytest.raises(Invalid, match="was not given to grant"):
            other.sync(reports=[{"attempt": attempt, "grant": own, "pos": frame["pos"], "exit": 0}])
    other.sync(running=[frame["attempt"]], gone=[grant], want=[grant])
    assert (items()[:2], word(job)) == (["running", "running"], "running")
    assert GrantRow.objects.filter(ended__isnull=True).count() == 2


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"attempt": "1"}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"pos": 2**40}, "pos"),
        ({"exit": "0"}, "exit"),
        ({"exit": 2**40}, "exit"),
        ({"elapsed": -1}, "elapsed"),
        ({"elapsed": float("nan")}, "elapsed"),
        ({"rss": "much"}, "rss"),
        ({"out": [5, 3]}, "out"),
        ({"err": [0]}, "err"),
        ({"reason": "boredom"}, "reports[0].reason"),
    ],
)
def test_a_report_is_checked_field_by_field(how: dict[str, Any], field: str) -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    grant, frame = hand.frames[0]
    line = {"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0, **how}
    with pytest.raises(Invalid) as refusal:
        hand.sync(reports=[line])
    assert refusal.value.to_wire()["field"] == field
    assert items()[0] == "running"


@pytest.mark.parametrize(
    "said", [{"reports": {"a": 1}}, {"want": [1.5]}, {"gone": "1"}, {"running": [None]}, {"held": ["x"]}]
)
def test_a_request_is_checked_too(said: dict[str, Any]) -> None:
    hand = Hand()
    with pytest.raises(Invalid):
        backend.sync(hand.id, {"session": hand.session, "seq": 5, "held": {}, **said})


def test_what_a_report_brings_is_kept() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    said = {"exit": 3, "signal": None, "elapsed": 2.5, "cpu": 1.5, "rss": 4096, "out": [0, 10], "err": [2, 4]}
    line = report(hand, **said, message="no scene", result={"images": ["a.png"]})
    row = AttemptRow.objects.get(pk=line["attempt"])
    assert (row.exit_code, row.seconds, row.cpu, row.max_rss, row.message) == (3, 2.5, 1.5, 4096, "no scene")
    assert ((row.out_from, row.out_to), (row.err_from, row.err_to)) == ((0, 10), (2, 4))
    assert WorkRow.objects.get(pos=0).result == {"images": ["a.png"]}
    assert WorkRow.objects.get(pos=0).seconds == 2.5


@pytest.mark.parametrize("value", [[1, None], "text", 0, False, 1.5, {"a": []}])
def test_the_result_of_a_report_is_any_json_value(value: Any) -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    report(hand, result=value)
    assert WorkRow.objects.get(pos=0).result == value


def test_a_result_that_nobody_could_read_again_is_refused() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    value: Any = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(Invalid, match="levels deep"):
        report(hand, result=value)


def test_odd_characters_in_a_report_do_not_keep_it_from_being_stored() -> None:
    submit()
    hand = Hand(slots=1)
    hand.begin()
    report(hand, message="a\x00b", result={"x\x00": ["\x00y", {"z": "\x00"}, 1, None]})
    assert AttemptRow.objects.get().message == "ab"
    assert WorkRow.objects.get(pos=0).result == {"x": ["y", {"z": ""}, 1, None]}


def test_a_dropped_frame_is_named_and_the_grant_goes_on() -> None:
    job = submit()
    hand = Obedient(slots=1)
    hand.begin()
    [attempt] = hand.held[next(iter(hand.held))]
    verbs.killwork(f"{job}:1")
    assert hand.sync()["drop"] == [attempt]
    hand.sync()
    assert [frame["name"] for _, frame in hand.frames] == ["2"]
    assert GrantRow.objects.count() == 1


def test_a_blocked_running_subjob_ends_its_frame_and_no_other() -> None:
    job = submit()
    short(job)
    hand = Obedient(slots=1)
    hand.begin()
    assert len(hand.frames) == 4
    verbs.block(job)
    answer = hand.sync()
    assert list(answer["orders"].values()) == ["finish"]
    hand.end_one(0)
    for _ in range(2):
        hand.sync(room=True)
    assert (items(), word(job)) == (["complete", "pending", "pending", "pending"], "blocked")
    assert (hand.held, SubjobRow.objects.get().asked) == ({}, "")


def test_a_suspended_grant_is_held_until_it_goes_on() -> None:
    job = submit()
    hand = Obedient(slots=1)
    hand.begin()
    verbs.suspend(job)
    answer = hand.sync(room=True)
    assert (list(answer["orders"].values()), answer["starts"]) == (["suspend"], [])
    assert queries.hostinfo()[0]["resources"].startswith("host.processors=1/1")
    verbs.resume(job)
    assert (hand.sync()["orders"], items()[0]) == ({}, "running")


def test_frames_ahead_are_reserved_and_become_running_when_they_start() -> None:
    job = submit(cpus=2)
    short(job)
    hand, other = Hand("first", slots=1), Hand("other", slots=1)
    hand.begin()
    assert (items(), len(hand.frames)) == (["running", "running"][:1] + ["pending"] * 3, 2)
    other.begin()
    assert [frame["name"] for _, frame in other.frames] == ["3", "4"]
    hand.sync(running=[hand.frames[1][1]["attempt"]])
    assert items()[:2] == ["running", "running"]


def test_a_reservation_that_nobody_names_is_given_to_others() -> None:
    job = submit(cpus=2)
    short(job)
    silent, other = Hand("silent", slots=1), Hand("other", slots=1)
    silent.begin()
    WorkRow.objects.filter(pos=1).update(reserved_until=clock())
    other.begin()
    assert [frame["name"] for _, frame in other.frames] == ["2", "3"]
    answer = silent.sync(running=[silent.frames[1][1]["attempt"]])
    assert answer["drop"] == [silent.frames[1][1]["attempt"]]


def test_a_reservation_that_is_named_goes_on() -> None:
    job = submit(cpus=2)
    short(job)
    hand = Hand("first", slots=1)
    hand.begin()
    WorkRow.objects.filter(pos=1).update(reserved_until=clock())
    hand.sync()
    left = WorkRow.objects.get(pos=1).reserved_until
    assert left is not None
    assert 0 < (left - clock()).total_seconds() <= RESERVED_SECONDS


def test_a_report_for_a_removed_job_is_taken_and_changes_nothing() -> None:
    job = submit()
    hand = Hand(slots=1)
    hand.begin()
    verbs.remove(job)
    line = report(hand)
    assert AttemptRow.objects.get(pk=line["attempt"]).ending == "killed"
    answer = hand.sync()
    assert list(answer["orders"].values()) == ["end"]
    hand.end_all()
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
    assert not HistoryRow.objects.filter(verb="complete").exists()


def test_a_job_whose_worker_ended_has_its_turn_before_lesser_ones() -> None:
    first, _ = submit(priority=1), submit(priority=9999)
    hand = Hand(slots=1)
    hand.begin()
    folding.sweep()
    [(grant, frame)] = hand.frames
    hand.frames, line = [], hand.ended(grant, frame, exit=None, reason="ended")
    hand.held = {}
    answer = hand.sync(reports=[line], gone=[grant], room=True)
    [start] = answer["starts"] or hand.sync(room=True)["starts"]
    assert start["job"]["id"] == first
