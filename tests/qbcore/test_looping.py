"""Programs of custom job types: each item goes to one of them once, and they say how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import folding, looping, queries, submission, verbs
from qbcore.acting import Actor, acting_as
from qbcore.errors import Invalid, Refused
from qbcore.listing import frames
from qbcore.models import AttemptRow, HostRow
from qbcore.objects import Job, Work
from tests.hand import FOUR_FRAMES, Hand
from tests.program import endings, items, places, programs, start, submit, word

pytestmark = pytest.mark.django_db


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


def test_a_program_that_ended_at_blocked_items_comes_back_when_frames_of_another_job_let_them_go() -> None:
    parent = submission.submit({**FOUR_FRAMES, "cpus": 1})["id"]
    job = submit(dependency=f"link-complete-work-{parent}")
    hand = Hand(slots=1)
    hand.begin()
    hand.report()
    folding.sweep()
    program = start(Hand("other", slots=1))
    assert program.work_off() == ["1", "blocked"]
    program.say("blocked")
    program.end()
    assert (word(job), places()[-1]) == ("blocked", "blocked")
    hand.sync(running=[frame["attempt"] for _, frame in hand.frames])
    hand.report()
    folding.sweep()
    assert start(program.hand).work_off() == ["2", "blocked"]


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


def test_a_program_of_a_job_without_agenda_has_no_items() -> None:
    job = submit(agenda=None)
    program = start()
    assert (program.ask()["status"], program.ask()["id"]) == ("complete", -1)
    program.end()
    assert (places(), word(job)) == (["complete"], "complete")


def test_a_page_shows_the_item_that_a_program_has() -> None:
    job = submit()
    program = start()
    assert [line.now and line.now.pos for line in frames.subjobs(job)] == [-1]
    program.ask()
    assert [line.now and line.now.frame for line in frames.subjobs(job)] == ["1"]


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
    assert "job type loop" in queries.jobinfo()[0]["reason"]
    HostRow.objects.update(jobtypes=["cmdline", "loop"])
    assert len(programs(hand)) == 1
