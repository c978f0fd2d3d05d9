"""Programs of custom job types end, are stopped or lost: what becomes of their items and of their subjobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qbcore import hosts, logs, looping, verbs
from qbcore.constants import FLAGS
from qbcore.models import AttemptRow, HostRow, JobRow, WorkRow
from qbcore.writing import clock
from tests.hand import Hand, Obedient
from tests.program import Program, endings, items, places, programs, start, submit, word

pytestmark = pytest.mark.django_db


def test_a_killed_program_loses_its_item() -> None:
    job = submit()
    program = start()
    work = program.ask()
    verbs.kill(job)
    assert (items(), places(), endings(0), endings(-1)) == (["killed"] * 4, ["killed"], ["killed"], ["killed"])
    assert program.ask()["status"] == "killed"
    assert program.tell(work)["status"] == "killed"
    assert list(program.hand.sync()["orders"].values()) == ["end"]


def test_a_killed_item_stops_its_program_and_no_other() -> None:
    job = submit(cpus=2)
    hand = Hand(slots=2)
    first, second = programs(hand)
    first.ask(), second.ask()
    verbs.killwork(f"{job}:1")
    assert (items(), places()) == (["killed", "running", "pending", "pending"], ["pending", "running"])
    assert hand.sync()["orders"] == {str(first.grant): "end"}
    assert (first.ask()["status"], second.ask()["name"], endings(-1)) == ("pending", "2", ["interrupted", ""])


def test_items_that_nobody_holds_are_killed_without_a_word_to_programs() -> None:
    job = submit()
    program = start()
    program.ask()
    verbs.killwork(f"{job}:3")
    assert (places(), program.work_off()) == (["running"], ["1", "2", "4", "complete"])


@pytest.mark.parametrize(
    ("how", "item", "place", "ending"),
    [
        ({"exit": 1}, "failed", "failed", "failed"),
        ({"exit": None, "signal": 11}, "failed", "failed", "failed"),
        ({"exit": 0}, "failed", "pending", "failed"),
        ({"exit": None, "signal": 15, "reason": "ended"}, "pending", "pending", "interrupted"),
        ({"exit": None, "signal": 15, "reason": "timelimit"}, "pending", "failed", "interrupted"),
    ],
)
def test_what_a_program_held_when_it_ended(how: dict[str, Any], item: str, place: str, ending: str) -> None:
    submit()
    program = start()
    program.ask()
    program.end(**how)
    assert (items()[0], places(), endings(0)) == (item, [place], [ending])
    if item == "failed":
        assert AttemptRow.objects.get(pos=0).error_line == "the process ended without reporting this item"


@pytest.mark.parametrize("said", ["complete", "failed", "killed", "blocked", "pending"])
def test_a_subjob_becomes_what_its_program_said(said: str) -> None:
    submit()
    program = start()
    program.say(said)
    assert program.end() is None and places() == [said]


def test_a_failed_program_is_started_again_as_often_as_the_job_says() -> None:
    job = submit(retrysubjob=1)
    hand = Hand(slots=1)
    for left in ("pending", "failed"):
        program = start(hand)
        program.end(exit=3)
        assert places() == [left]
    assert (word(job), JobRow.objects.get().reason) == ("failed", "no subjob left")


def test_a_program_that_has_nothing_left_to_say_is_complete_or_comes_back() -> None:
    submit()
    program = start()
    program.tell(program.ask())
    program.end()
    assert places() == ["pending"], "three items wait"
    assert start(program.hand).work_off() == ["2", "3", "4", "complete"]


def test_the_item_of_a_lost_program_goes_back_to_the_queue() -> None:
    submit()
    program = start()
    program.ask()
    HostRow.objects.update(seen="2020-01-01T00:00:00Z")
    hosts.give_up_silent()
    assert (items()[0], places(), endings(0), endings(-1)) == ("pending", ["pending"], ["lost"], ["lost"])
    assert start(Hand("other", slots=1)).ask()["name"] == "1"


def test_items_stay_with_a_program_whose_worker_goes_on_speaking() -> None:
    submit()
    program = start()
    program.ask()
    for _ in range(3):
        assert program.hand.sync(want=[program.grant])["drop"] == []
    assert items()[0] == "running"


def test_a_suspended_program_keeps_its_item_and_its_time() -> None:
    job = submit(agenda_timelimit=50)
    program = start()
    program.ask()
    verbs.suspend(job)
    assert (items()[0], program.ask()["status"]) == ("suspended", "running")
    WorkRow.objects.filter(pos=0).update(reserved_until=clock())
    assert looping.end_overdue() == 0
    verbs.resume(job)
    assert (items()[0], places(), program.tell(program.ask())["status"]) == ("running", ["running"], "complete")


def test_an_item_over_its_time_fails_and_its_program_is_stopped() -> None:
    submit(agenda_timelimit=50)
    program = start()
    program.ask()
    assert looping.end_overdue() == 0
    WorkRow.objects.filter(pos=0).update(reserved_until="2020-01-01T00:00:00Z")
    assert looping.end_overdue() == 1
    assert (items()[0], places(), endings(0)) == ("failed", ["pending"], ["failed"])
    assert AttemptRow.objects.get(pos=0).error_line == "ran longer than its agenda_timelimit of 50 s"
    assert list(program.hand.sync()["orders"].values()) == ["end"]


def test_an_obedient_host_gives_the_place_of_a_stopped_program_to_the_next() -> None:
    job = submit()
    hand = Obedient(slots=1)
    program = start(hand)
    program.ask()
    verbs.killwork(f"{job}:1")
    hand.sync()
    hand.sync()
    assert start(hand).work_off() == ["2", "3", "4", "complete"]


def test_an_item_that_failed_is_kept_from_its_host_while_another_could_do_it() -> None:
    flag = FLAGS["migrate_on_frame_retry"]
    submit(retrywork=1, flags=flag, agenda=[{"name": "1"}])
    first, other = Hand("first", slots=1), Hand("other", slots=1)
    program = start(first)
    program.tell(program.ask(), "failed")
    assert program.ask()["status"] == "pending", "its place is for others now"
    program.end()
    assert programs(first) == []
    assert start(other).work_off() == ["1", "complete"]


def test_a_host_whose_programs_fail_items_in_a_row_is_not_given_the_job_again() -> None:
    submit(flags=FLAGS["auto_wrangling"], agenda=[{"name": str(number)} for number in range(9)])
    program = start()
    for _ in range(5):
        program.tell(program.ask(), "failed")
    assert program.ask()["status"] == "pending"
    program.end()
    assert programs(program.hand) == []


def test_the_log_of_both_streams_holds_what_a_program_wrote_once(settings: Any, tmp_path: Path) -> None:
    settings.FARM_DATA = tmp_path
    job = submit(preflights="look")
    hand = Hand(slots=1)
    hand.begin()
    grant, frame = hand.frames.pop(0)
    hand.sync(reports=[hand.ended(grant, frame, out=[0, 2])], want=[grant])
    program = Program(hand, *hand.frames.pop(0))
    logs.append(hand.id, grant, "out", 0, b"c-startoneTWOend")
    logs.append(hand.id, grant, "err", 0, b"!")
    program.written = {"out": 7, "err": 0}
    work = program.ask()
    program.written = {"out": 10, "err": 1}
    program.tell(work)
    program.ask()
    assert [row["data"] for row in logs.log(job)] == ["c-startoneTWOend!"]
    first, second = AttemptRow.objects.filter(pos__gte=0).order_by("pos")
    assert logs.attempt_log(first.pk, "out")[0] == b"one"
    assert logs.attempt_log(second.pk, "out")[0] == b"TWOend"
    program.written = {"out": 13, "err": 1}
    program.end()
    assert [row["data"] for row in logs.log(job)] == ["c-startoneTWO!"]
