"""What modify changes, refuses, and does to the subjobs of a job that lives."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import queries, submission, verbs
from qbcore.errors import Invalid, QubeError
from qbcore.models import HistoryRow, SubjobRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive, job_in

pytestmark = pytest.mark.django_db


def field(job: int, name: str) -> Any:
    return queries.jobinfo(id=job)[0][name]


def places(job: int) -> list[str]:
    found = SubjobRow.objects.filter(job_id=job).order_by("idx").values_list("status", flat=True)
    return [Status(status).word for status in found]


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [
        ("priority", "300", 300),
        ("priority", 99_999, 9999),
        ("name", "other", "other"),
        ("cluster", "a/b", "/a/b"),
        ("requirements", "host.os == linux", "host.os == linux"),
        ("reservations", "host.processors=2", "host.processors=2"),
        ("hosts", "", ""),
        ("env", {"A": 1}, {"A": "1"}),
        ("retrywork", "3", 3),
        ("timelimit", 60, 60),
        ("prod_shot", "020", "020"),
        ("prod_show", "oz", "oz"),
        ("notes", "see mail", "see mail"),
        ("preflights", "mount /show, df -h\n", ["mount /show", "df -h"]),
        ("postflights", ["sync; ls -l a,b", " "], ["sync; ls -l a,b"]),
        ("max_cpus", "4", 4),
        ("hostorder", "-host.processors.used", "-host.processors.used"),
    ],
)
def test_a_parameter_is_checked_and_stored_as_submit_would(name: str, given: Any, stored: Any) -> None:
    job = job_in(Status.PENDING)
    assert submission.modify({name: given}, job) == [job]
    assert field(job, name) == stored


def test_without_parameters_the_jobs_that_live_are_answered() -> None:
    over, alive = job_in(Status.COMPLETE), job_in(Status.PENDING)
    assert submission.modify({}, alive, over, 4711) == [alive]
    assert not HistoryRow.objects.filter(job_id=alive, verb="modify").exists()


def test_swapped_arguments_are_refused_with_their_order() -> None:
    with pytest.raises(Invalid, match=r"modify takes the parameters first: modify\(\{\.\.\.\}, 250\)"):
        submission.modify(job_in(Status.PENDING), {"priority": 1})  # type: ignore[arg-type]


@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.word)
def test_only_jobs_that_live_are_changed(status: Status) -> None:
    job = job_in(status)
    over = status in (Status.COMPLETE, Status.FAILED, Status.KILLED)
    assert submission.modify({"priority": 7}, job) == ([] if over else [job])
    assert field(job, "priority") == (9999 if over else 7)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"status": "complete"}, "status"),
        ({"dependency": "1"}, "dependency"),
        ({"max_cpus": "many"}, "max_cpus"),
        ({"hostorder": "speed"}, "hostorder"),
        ({"data": "x"}, "package"),
        ({"data": {}}, "package.cmdline"),
        ({"priority": "high"}, "priority"),
        ({"priority": None}, "priority"),
        ({"priority": ""}, "priority"),
        ({"cpus": 0}, "cpus"),
        ({"cpus": None}, "cpus"),
        ({"cpus": ""}, "cpus"),
        ({"name": None}, "name"),
        ({"requirements": "host.os =="}, "requirements"),
        ({"priority": 5, "env": "A=1"}, "env"),
        ("priority", "modifyParamDict"),
    ],
)
def test_what_cannot_be_changed_is_named_and_nothing_is(params: Any, named: str) -> None:
    job = job_in(Status.PENDING)
    with pytest.raises(QubeError) as refusal:
        submission.modify(params, job)
    assert refusal.value.to_wire()["field"] == named
    assert field(job, "priority") == 9999


def test_the_id_comes_back_also_when_nothing_had_to_change() -> None:
    job = job_in(Status.PENDING)
    lines = HistoryRow.objects.count()
    assert submission.modify({"priority": 9999}, job, 424242) == [job]
    assert HistoryRow.objects.count() == lines


def test_history_says_what_was_and_what_is() -> None:
    job = job_in(Status.PENDING)
    submission.modify({"priority": 100, "prod_shot": "020"}, job)
    [line] = HistoryRow.objects.filter(verb="modify")
    assert line.effect == "priority 9999 → 100, prod_shot – → 020"


def test_a_label_that_the_group_has_already_is_refused() -> None:
    first, second = submission.submit({**FOUR_FRAMES, "label": "a"}, {**FOUR_FRAMES, "label": "b"})
    with pytest.raises(Invalid, match="labelled 'a'"):
        submission.modify({"label": "a"}, second["id"])
    other = submission.submit({**FOUR_FRAMES, "label": "a"})["id"]
    with pytest.raises(Invalid, match="labelled 'a'"):
        submission.modify({"pgrp": first["pgrp"]}, other)


def test_more_cpus_add_subjobs_up_to_the_agenda_s_length() -> None:
    job = job_in(Status.PENDING)
    submission.modify({"cpus": 3}, job)
    assert (field(job, "cpus"), places(job)) == (3, ["pending"] * 3)
    submission.modify({"cpus": 99}, job)
    assert (field(job, "cpus"), places(job)) == (4, ["pending"] * 4)


def test_subjobs_added_to_a_held_job_are_held() -> None:
    job = job_in(Status.BLOCKED)
    submission.modify({"cpus": 3}, job)
    assert places(job) == ["blocked"] * 3


def test_fewer_cpus_complete_pending_subjobs_from_the_top() -> None:
    job = job_in(Status.RUNNING)
    submission.modify({"cpus": 1}, job)
    assert places(job) == ["running", "complete"]


def test_fewer_cpus_let_a_running_subjob_end_its_frame() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    worker = Obedient(slots=2)
    worker.begin()
    submission.modify({"cpus": 1}, job)
    assert (places(job), field(job, "cpus")) == (["running", "running"], 1)
    for _ in range(2):
        worker.end_one(0)
        worker.sync()
    assert places(job) == ["running", "complete"]


def test_cpus_taken_and_given_again_keep_the_running_subjob() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    Hand(slots=2).begin()
    submission.modify({"cpus": 1}, job)
    submission.modify({"cpus": 2}, job)
    assert list(SubjobRow.objects.order_by("idx").values_list("status", "asked")) == [(Status.RUNNING, "")] * 2


def test_cpus_given_again_bring_back_what_was_taken() -> None:
    job = job_in(Status.PENDING)
    for cpus in (4, 1, 3):
        submission.modify({"cpus": cpus}, job)
    assert places(job) == ["pending", "pending", "pending", "complete"]


def test_more_cpus_do_not_bring_back_a_subjob_that_was_killed() -> None:
    job = job_in(Status.PENDING)
    verbs.kill(f"{job}.0")
    submission.modify({"cpus": 3}, job)
    assert places(job) == ["killed", "pending", "pending"]


def test_each_cpu_of_a_job_without_agenda_is_one_more_unit() -> None:
    job = submission.submit({"prototype": "cmdline", "package": {"cmdline": "true"}})["id"]
    submission.modify({"cpus": 3}, job)
    drive(Hand(slots=4))
    assert (places(job), field(job, "status")) == (["complete"] * 3, "complete")


def test_a_retry_after_fewer_cpus_starts_no_more_than_those() -> None:
    job = job_in(Status.PENDING)
    submission.modify({"cpus": 1}, job)
    verbs.kill(job)
    verbs.retry(job)
    assert places(job) == ["pending", "complete"]


def test_data_takes_the_place_of_the_package_at_the_next_start() -> None:
    job = job_in(Status.PENDING)
    submission.modify({"data": {"cmdline": "echo other"}}, job)
    assert field(job, "package") == {"cmdline": "echo other"}
    assert HistoryRow.objects.get(verb="modify").effect == "package changed"
    assert Hand(slots=1).sync(room=True)["starts"][0]["job"]["package"] == {"cmdline": "echo other"}


def test_a_lower_cap_lets_running_subjobs_beyond_it_end_their_frame() -> None:
    job = submission.submit({**FOUR_FRAMES, "cpus": 3})["id"]
    worker = Obedient(slots=3)
    worker.begin()
    submission.modify({"max_cpus": 1}, job)
    assert list(SubjobRow.objects.order_by("idx").values_list("asked", flat=True)) == ["", "pending", "pending"]
    for _ in range(3):
        worker.end_one(0)
    for _ in range(3):
        worker.sync(room=True)
    assert places(job).count("running") == 1
