"""Programs of custom job types: each item goes to one of them once, and comes back whatever becomes of the program."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, hosts, looping, queries, submission, verbs
from qbcore.acting import Actor, acting_as
from qbcore.errors import Invalid, Refused
from qbcore.models import AttemptRow, HostRow, JobRow, SubjobRow, WorkRow
from qbcore.objects import Job, Work
from qbcore.states import Status
from qbcore.writing import clock
from tests.hand import FOUR_FRAMES, Hand, Obedient
from tests.program import LOOP, Program, programs

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**LOOP, **given})["id"])


def start(hand: Hand | None = None) -> Program:
    [program] = programs(hand or Hand(slots=1))
    return program


def items() -> list[str]:
    return [Status(one).word for one in WorkRow.objects.order_by("pos").values_list("status", flat=True)]


def places() -> list[str]:
    return [Status(one).word for one in SubjobRow.objects.order_by("idx").values_list("status", flat=True)]


def endings(pos: int) -> list[str]:
    return list(AttemptRow.objects.filter(pos=pos).order_by("pk").values_list("ending", flat=True))


def word(job: int) -> str:
    folding.sweep()
    return Status(JobRow.objects.get(pk=job).status).word


def test_a_program_does_its_items_one_by_one_and_its_job_is_complete() -> None:
    job = submit()
    program = start()
    assert program.work_off() == ["1", "2", "3", "4", "complete"]
    program.end()
    assert (items(), places(), word(job)) == (["complete"] * 4, ["complete"], "complete")
    assert [endings(pos) for pos in range(-1, 4)] == [["complete"]] * 5
    assert program.hand.held == {}


def test_two_programs_share_the_items() -> None:
    submit(cpus=2)
    first, second = programs(Hand(slots=2))
    one, two = first.ask(), second.ask()
    assert [one["name"], two["name"], one["subid"], two["subid"]] == ["1", "2", 0, 1]
    first.tell(one)
    assert first.ask()["name"] == "3"
    assert items() == ["complete", "running", "running", "pending"]


def test_an_item_whose_answer_was_lost_is_given_again() -> None:
    submit()
    program = start()
    first = program.ask()
    assert (program.ask()["id"], program.ask()["attempt"]) == (first["id"], first["attempt"])
    assert items() == ["running", "pending", "pending", "pending"]
    assert AttemptRow.objects.filter(pos__gte=0).count() == 1


def test_a_report_that_comes_twice_ends_the_item_once() -> None:
    submit(retrywork=1)
    program = start()
    work = program.ask()
    program.tell(work, "failed")
    again = program.ask()
    assert (again["id"], again["retry"]) == (work["id"], 1)
    assert program.tell(work, "failed")["status"] == "running", "the second try is not the first one's to end"
    assert endings(0) == ["failed", ""]


@pytest.mark.parametrize(
    ("said", "retrywork", "becomes", "ending"),
    [
        ("complete", 0, "complete", "complete"),
        ("failed", 0, "failed", "failed"),
        ("failed", 1, "pending", "failed"),
        ("killed", 1, "killed", "killed"),
        ("pending", 0, "pending", "interrupted"),
    ],
)
def test_how_a_program_reports_an_item_decides_about_it(said: str, retrywork: int, becomes: str, ending: str) -> None:
    submit(retrywork=retrywork)
    program = start()
    assert program.tell(program.ask(), said)["status"] == becomes
    assert (items()[0], endings(0)) == (becomes, [ending])


def test_a_failed_item_waits_for_its_retry_and_the_program_with_it() -> None:
    submit(agenda=[{"name": "1"}], retrywork=1, retrywork_delay=100)
    program = start()
    program.tell(program.ask(), "failed")
    assert (items(), program.ask()["status"]) == (["waiting"], "waiting")


@pytest.mark.parametrize("value", [None, 0, "", [], [1, {"a": None}], "text", {"images": ["a.png"]}, 1.5, False])
def test_a_result_is_any_json_value_and_is_read_back(value: Any) -> None:
    job = submit()
    program = start()
    assert program.tell(program.ask(), resultpackage=value)["status"] == "complete"
    agenda = queries.jobinfo(id=job, agenda=True)[0]["agenda"]
    assert (agenda[0]["resultpackage"], agenda[0]["result"], agenda[1]["resultpackage"]) == (value, value, {})


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"status": "running"}, "work.status"),
        ({"status": None}, "work.status"),
        ({"status": "blocked"}, "work.status"),
        ({"id": "one"}, "work.id"),
        ({"id": True}, "work.id"),
        ({"resultpackage": float("nan")}, "work.resultpackage"),
        ({"resultpackage": {"a": b"b"}}, "work.resultpackage"),
    ],
)
def test_a_report_is_checked_field_by_field(fields: dict[str, Any], named: str) -> None:
    submit()
    program = start()
    work = {**program.ask(), "status": "complete", **fields}
    with acting_as(program.actor), pytest.raises(Invalid) as refused:
        looping.reportwork(work)
    assert (refused.value.field, items()[0]) == (named, "running")


@pytest.mark.parametrize("written", [{"out": -1}, {"err": "3"}, {"out": True}, [1]])
def test_sizes_of_logs_are_checked(written: Any) -> None:
    submit()
    program = start()
    with acting_as(program.actor), pytest.raises(Invalid) as refused:
        looping.requestwork(written=written)
    assert refused.value.field == "written"


def test_each_item_has_its_part_of_the_log() -> None:
    submit()
    program = start()
    for size in (10, 25):
        work = program.ask()
        program.written = {"out": size, "err": 1}
        program.tell(work)
    rows = AttemptRow.objects.filter(pos__gte=0).order_by("pos")
    assert [(row.out_from, row.out_to, row.err_from, row.err_to) for row in rows] == [(0, 10, 0, 1), (10, 25, 1, 1)]


def test_when_only_blocked_items_are_left_the_program_is_told_so() -> None:
    job = submit()
    verbs.blockwork(f"{job}:2-4")
    program = start()
    assert program.work_off() == ["1", "blocked"]
    assert program.say("blocked") is True
    program.end()
    assert (places(), word(job)) == (["blocked"], "blocked")
    verbs.unblockwork(f"{job}:3")
    assert start(program.hand).work_off() == ["3", "blocked"]


@pytest.mark.parametrize(("verb", "becomes"), [("block", "blocked"), ("resize", "complete")])
def test_a_program_that_is_to_leave_ends_its_item_and_gets_no_other(verb: str, becomes: str) -> None:
    job = submit(cpus=2)
    programs(Hand("other", slots=1))
    program = start(Hand("last", slots=1))
    work = program.ask()
    if verb == "block":
        verbs.block(job)
    else:
        submission.modify({"cpus": 1}, job)
    program.tell(work)
    assert (program.ask()["status"], program.ask()["id"]) == ("pending", -1)
    program.say("pending")
    program.end()
    assert places()[1] == becomes


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


def test_a_program_of_a_job_without_agenda_has_no_items() -> None:
    job = submit(agenda=None)
    program = start()
    assert (program.ask()["status"], program.ask()["id"]) == ("complete", -1)
    program.end()
    assert (places(), word(job)) == (["complete"], "complete")


def test_a_program_reads_its_own_job() -> None:
    job = submit(package={"scene": "a.ma"})
    program = start()
    with acting_as(program.actor):
        found = looping.jobobj()
    assert (type(found), found["id"], found["package"]) == (Job, job, {"scene": "a.ma"})


@pytest.mark.parametrize(
    ("actor", "ask"),
    [
        (Actor("ann", "admin"), looping.jobobj),
        (Actor("ann", "admin"), looping.requestwork),
        (Actor("bob", "attempt", job=1, attempt=10**9), looping.requestwork),
        (Actor("bob", "attempt", job=1, attempt=10**9), lambda: looping.reportwork(Work({}))),
        (Actor("bob", "attempt", job=1, attempt=10**9), lambda: looping.reportjob("complete")),
    ],
)
def test_nobody_else_may_ask_as_a_program(actor: Actor, ask: Any) -> None:
    submit()
    with acting_as(actor), pytest.raises(Refused, match="for the process of a job"):
        ask()


def test_the_command_of_a_frame_has_no_items_to_ask_for() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    hand = Hand(slots=1)
    hand.begin()
    actor = Actor("bob", "attempt", job=job, attempt=hand.frames[0][1]["attempt"])
    with acting_as(actor), pytest.raises(Refused, match="this one is frame 1"):
        looping.requestwork()


def test_a_job_of_a_type_that_a_host_lacks_is_not_given_to_it() -> None:
    submit()
    hand = Hand(slots=1)
    HostRow.objects.update(jobtypes=["cmdline", "cmdrange"])
    assert programs(hand) == []
    HostRow.objects.update(jobtypes=["cmdline", "loop"])
    assert len(programs(hand)) == 1
