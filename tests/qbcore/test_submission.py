"""What submit takes, fills in, refuses, and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import qb
from qbcore import acting, jobspec, queries, submission, verbs
from qbcore.acting import Actor
from qbcore.archive import archivejob, recoverjob
from qbcore.errors import Conflict, Invalid, QubeError, Refused
from qbcore.models import HistoryRow, JobRow, SubjobRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, drive, job_in

pytestmark = pytest.mark.django_db

LINE: dict[str, Any] = {"prototype": "cmdline", "package": {"cmdline": "true"}}


def submitted(**given: Any) -> dict[str, Any]:
    """The job as jobinfo gives it back."""
    job = submission.submit({**LINE, **given})["id"]
    return dict(queries.jobinfo(id=job, agenda=True, subjobs=True)[0])


def test_what_is_left_out_has_the_original_s_defaults() -> None:
    job = submitted()
    expected = {
        "priority": 9999, "cluster": "/", "status": "pending", "cpus": 1, "flags": 8, "flagsstring": "auto_mount",
        "retrywork": 0, "retrysubjob": 0, "timelimit": -1, "agenda_timelimit": -1, "timeout": -1, "agenda_timeout": -1,
        "todo": 0, "user": "farm", "timestart": 946702800, "timecomplete": 946702800, "max_cpus": 0,
        "hostorder": "", "reason": "the farm has no worker",
        **dict.fromkeys(jobspec.PRODUCTION, ""),
    }  # fmt: skip
    assert {key: job[key] for key in expected} == expected
    assert job["pgrp"] == job["id"]
    assert abs(job["timesubmit"] - job["lastupdate"]) <= 1


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("priority", "500", 500),
        ("priority", 12433, 9999),
        ("priority", 0, 1),
        ("priority", -5, 1),
        ("priority", "", 9999),
        ("priority", None, 9999),
        ("cpus", "3", 3),
        ("retrywork", " 2 ", 2),
        ("timelimit", "-1", -1),
        ("agenda_timelimit", 60.0, 60),
        ("flags", "16384x", None),
        ("flags", "8,4096", 4104),
        ("flags", 8 | 4096, 8 | 4096),
        ("flags", "4104", 4104),
        ("flags", "auto_mount,disable_cpu_limit", 4104),
        ("flagsstring", "disable_cpu_limit", 4096),
        ("name", 250, "250"),
        ("cluster", "show/comp/", "/show/comp"),
        ("hosts", ["a", "b"], "a,b"),
    ],
)
def test_numbers_may_be_text_and_names_numbers(field: str, given: Any, stored: Any) -> None:
    if stored is None:
        with pytest.raises(Invalid):
            submitted(**{field: given})
        return
    job = submitted(**{field: given})
    assert job["flags" if field == "flagsstring" else field] == stored


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"prototype": ""}, "prototype", "needs a prototype"),
        ({"prototype": None}, "prototype", "needs a prototype"),
        ({"prototype": "may a"}, "prototype", "no name of a job type"),
        ({"prototype": "x" * 64}, "prototype", "no name of a job type"),
        ({"prototype": ["maya"]}, "prototype", "no name of a job type"),
        ({"preflights": 5}, "preflights", "must be a list"),
        ({"preflights": {"a": "b"}}, "preflights", "must be a list"),
        ({"preflights": ["true"] * 101}, "preflights", "at most 100"),
        ({"postflights": ["true", 5]}, "postflights[1]", "must be a command line"),
        ({"postflights": ["a\x00"]}, "postflights[0]", "must be a command line"),
        ({"cpus": 0}, "cpus", "number of subjobs"),
        ({"cpus": 10_001}, "cpus", "number of subjobs"),
        ({"cpus": "two"}, "cpus", "not a whole number"),
        ({"priority": 10**12}, "priority", "too large"),
        ({"name": "a\x00b"}, "name", "stores"),
        ({"name": {"a": 1}}, "name", "must be a text"),
        ({"name": "x" * 70_000}, "name", "at most 65,536"),
        ({"package": "echo"}, "package", "must be a dictionary"),
        ({"env": ["A=1"]}, "env", "must be a dictionary"),
        ({"requirements": "host.memory >"}, "requirements", ""),
        ({"restrictions": "/a ||"}, "restrictions", ""),
        ({"reservations": "host.processors=x"}, "reservations", ""),
        ({"agenda": "1-10"}, "agenda", "must be a list"),
        ({"agenda": [{"name": ""}]}, "agenda[0].name", "needs a name"),
        ({"agenda": [{"name": "1"}, {"package": {}}]}, "agenda[1].name", "needs a name"),
        ({"package": {}}, "package.cmdline", "no command line"),
        ({"package": {"cmdline": ["echo", "1"]}}, "package.cmdline", "no command line"),
        (
            {"agenda": ["1"], "package": {"cmdline": "true", "padding": "four"}},
            "package.padding",
            "no number of digits",
        ),
        ({"env": {"A=B": "1"}}, "env", "cannot be a variable"),
        ({"agenda": [{"name": "1", "package": 3}]}, "agenda[0].package", "must be a dictionary"),
        ({"prototype": "cmdrange"}, "agenda", "needs an agenda or package"),
        ({"prototype": "cmdrange", "package": {"range": "1-10y"}}, "", ""),
        ({"prototype": "cmdrange", "package": {"range": "1-999999999999"}}, "package.range", "over 1,000,000"),
        ({"prototype": "cmdrange", "package": {"range": "1-600000,1-600000"}}, "package.range", "over 1,000,000"),
        ({"dependency": "nonsense-job-x"}, "", ""),
        ({"dependency": "424242"}, "dependency", "there is no job"),
    ],
)
def test_bad_input_is_refused_by_name_and_changes_nothing(given: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(QubeError, match=said or ".") as refusal:
        submission.submit({**LINE, **given})
    if field:
        assert refusal.value.to_wire().get("field") == field
    assert not JobRow.objects.exists()


def test_a_malformed_requirement_names_its_place() -> None:
    with pytest.raises(Invalid) as refusal:
        submitted(requirements="host.memory > 3 and (host.os == linux")
    assert refusal.value.to_wire()["position"] > 0


@pytest.mark.parametrize("bad", [3, "job", None, [["prototype"]]])
def test_what_is_no_job_is_refused(bad: Any) -> None:
    with pytest.raises(Invalid, match="dictionary"):
        submission.submit(bad)


@pytest.mark.parametrize("nothing", [(), ([],)])
def test_there_must_be_something_to_submit(nothing: Any) -> None:
    with pytest.raises(Invalid, match="no job"):
        submission.submit(*nothing)


def test_a_call_is_atomic() -> None:
    with pytest.raises(Invalid):
        submission.submit(LINE, {**LINE, "cpus": "many"})
    with pytest.raises(Invalid):
        submission.submit({**LINE, "label": "a"}, {**LINE, "dependency": "nobody"})
    assert (JobRow.objects.count(), SubjobRow.objects.count(), HistoryRow.objects.count()) == (0, 0, 0)


def test_jobs_come_one_by_one_as_a_list_or_both_and_the_result_reads_as_the_first() -> None:
    result = submission.submit([{**LINE, "name": "a"}, {**LINE, "name": "b"}], {**LINE, "name": "c"})
    assert [job["name"] for job in result] == ["a", "b", "c"]
    assert (result["id"], result["name"]) == (result[0]["id"], "a")
    assert isinstance(result[0], qb.Job)


def test_one_call_is_one_process_group_unless_told_otherwise() -> None:
    first, second, third = submission.submit(LINE, LINE, {**LINE, "pgrp": 77})
    assert (first["pgrp"], second["pgrp"], third["pgrp"]) == (first["id"], first["id"], 77)


def test_two_labels_alike_in_a_group_are_refused_in_one_call_and_over_two() -> None:
    labelled = {**LINE, "label": "sim"}
    with pytest.raises(Invalid, match="labelled 'sim'"):
        submission.submit(labelled, labelled)
    job = submission.submit(labelled)["id"]
    with pytest.raises(Invalid, match="labelled 'sim'"):
        submission.submit({**labelled, "pgrp": job})
    submission.submit(labelled)


def test_cpus_shrink_to_the_agenda_unless_the_flag_says_no() -> None:
    few = {"prototype": "cmdrange", "package": {"cmdline": "true", "range": "1-3"}, "cpus": 8}
    assert submitted(**few)["cpus"] == 3
    unlimited = submitted(**few, flags="disable_cpu_limit")
    assert (unlimited["cpus"], len(unlimited["subjobs"]), unlimited["cpustally"]["pending"]) == (8, 8, 8)


def test_the_agenda_comes_from_its_key_before_the_range() -> None:
    job = submitted(
        prototype="cmdrange", agenda=["1", {"name": 5}, "left"], package={"cmdline": "true", "range": "1-100"}
    )
    assert [work["name"] for work in job["agenda"]] == ["1", "5", "left"]


def test_a_range_in_the_package_of_a_job_without_ranges_makes_no_agenda() -> None:
    assert submitted(package={"cmdline": "x", "range": "1-10"})["todo"] == 0


def test_a_cmdline_job_with_an_agenda_has_its_items() -> None:
    assert submitted(agenda=["1", "2"])["todotally"]["pending"] == 2


def test_an_empty_agenda_of_a_ranged_job_completes_at_once() -> None:
    job = submitted(prototype="cmdrange", agenda=[], cpus=2)
    assert (job["status"], job["cpustally"]["complete"]) == ("complete", 1)


def test_the_order_of_rendering_is_the_agenda_s_or_middle_first() -> None:
    submitted(prototype="cmdrange", package={"cmdline": "true", "range": "1-5"})
    assert list(WorkRow.objects.order_by("rank").values_list("name", flat=True)) == ["1", "2", "3", "4", "5"]
    WorkRow.objects.all().delete()
    submitted(prototype="cmdrange", package={"cmdline": "true", "range": "1-5"}, flags="p_agenda")
    assert list(WorkRow.objects.order_by("rank").values_list("name", flat=True)) == ["1", "5", "3", "2", "4"]


def test_a_job_submitted_blocked_holds_its_subjobs_and_not_its_items() -> None:
    job = submitted(prototype="cmdrange", package={"cmdline": "true", "range": "1-3"}, cpus=2, status="blocked")
    assert (job["status"], job["cpustally"]["blocked"], job["todotally"]["pending"]) == ("blocked", 2, 3)
    verbs.unblock(job["id"])
    assert queries.jobinfo(id=job["id"])[0]["status"] == "pending"


def test_items_submitted_blocked_stay_so_and_others_start_anew() -> None:
    agenda = [{"name": "1", "status": "blocked"}, {"name": "2", "status": "complete"}, {"name": "3", "status": 272}]
    job = submitted(prototype="cmdrange", agenda=agenda)
    assert [work["status"] for work in job["agenda"]] == ["blocked", "pending", "blocked"]


def test_unknown_keys_come_back_as_they_were() -> None:
    extra = {"studio": {"ticket": ["A-1", 2]}, "prod_shot": "010", "renderer": "x"}
    job = submitted(**extra, package={"cmdline": "true", "own": [1, {"a": None}]})
    assert {key: job[key] for key in extra} == extra
    assert job["package"]["own"] == [1, {"a": None}]


def test_another_s_name_needs_the_right_for_it() -> None:
    with acting.acting_as(Actor("mira", "artist")):
        assert submitted()["user"] == "mira"
        with pytest.raises(Refused, match="submit as jonas"):
            submitted(user="jonas")
    with acting.acting_as(Actor("ops", "operator")):
        assert submitted(user="jonas")["user"] == "jonas"


@pytest.mark.parametrize("role", ["viewer", "attempt"])
def test_who_only_looks_submits_nothing(role: str) -> None:
    with acting.acting_as(Actor("v", role, job=1)), pytest.raises(Refused):
        submission.submit(LINE)


def test_a_key_makes_a_repeated_call_answer_the_first() -> None:
    first = submission.submit(LINE, LINE, _key="k")
    again = submission.submit(LINE, LINE, _key="k")
    assert [job["id"] for job in again] == [job["id"] for job in first]
    with acting.acting_as(Actor("mira", "artist")):
        assert submission.submit(LINE, _key="k")["id"] not in [job["id"] for job in first]


def test_a_repeated_call_answers_what_is_left_of_the_first() -> None:
    first = submission.submit(LINE, LINE, _key="k")
    verbs.remove(first[0]["id"])
    assert [job["id"] for job in submission.submit(LINE, LINE, _key="k")] == [first[1]["id"]]


def test_a_key_that_was_used_for_another_submission_is_a_conflict() -> None:
    submission.submit(LINE, _key="k")
    with pytest.raises(Conflict, match="key 'k' was used for another submission: use a new one"):
        submission.submit({**LINE, "priority": 7}, _key="k")
    assert JobRow.objects.count() == 1


def test_a_refused_call_does_not_use_its_key_up() -> None:
    with pytest.raises(Invalid):
        submission.submit({**LINE, "cpus": 0}, _key="k")
    assert submission.submit(LINE, _key="k")["id"]


@pytest.mark.parametrize("job", [{**FOUR_FRAMES, "label": "a", "env": {"A": "1"}}, {**LINE, "cpus": 2}])
def test_a_job_goes_through_an_archive_and_renders_again(job: dict[str, Any], tmp_path: Path) -> None:
    old = submission.submit(job)["id"]
    drive(Hand())
    [found] = queries.jobinfo(id=old, agenda=True, subjobs=True)
    archivejob(str(tmp_path / "job.xml"), found)
    verbs.remove(old)
    recovered = recoverjob(str(tmp_path / "job.xml"))
    with acting.acting_as(Actor("mira", "artist")):
        new = submission.submit(recovered)["id"]
    assert new != old
    again = queries.jobinfo(id=new, agenda=True)[0]
    assert (again["user"], again["status"], again["pgrp"]) == ("mira", "pending", new)
    assert [work["status"] for work in again["agenda"]] == ["pending"] * again["todo"]
    drive(Hand("render-02"))
    assert queries.jobinfo(id=new)[0]["status"] == "complete"


def test_a_job_in_any_status_can_be_submitted_again() -> None:
    for status in (Status.FAILED, Status.KILLED, Status.RUNNING):
        old = job_in(status)
        [found] = queries.jobinfo(id=old, agenda=True, subjobs=True, callbacks=True)
        assert submission.submit(found)["status"] == "pending"


def test_a_call_costs_as_many_statements_for_ten_jobs_as_for_three() -> None:
    def statements(count: int) -> int:
        with CaptureQueriesContext(connection) as asked:
            submission.submit([{**FOUR_FRAMES, "label": f"shot{number}"} for number in range(count)])
        return len(asked)

    statements(1)
    assert statements(10) == statements(3)


def test_names_of_items_may_be_numbers() -> None:
    job = submitted(agenda=[{"name": 7}, {"name": 2.5}, 8])
    assert [item["name"] for item in job["agenda"]] == ["7", "2.5", "8"]


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (["5", "6"], "56123478"),
        ("5,6", "56123478"),
        ("7-8", "78123456"),
        ([8, {"name": "1"}, "nothing"], "81234567"),
        ("5,4-6,5", "54612378"),
    ],
)
def test_the_frames_of_p_agenda_are_rendered_first(given: Any, order: str) -> None:
    job = {"prototype": "cmdrange", "p_agenda": given, "package": {"cmdline": "true", "range": "1-8"}}
    submitted = submission.submit(job)["id"]
    assert "".join(drive(Hand(slots=1))) == order
    again = queries.jobinfo(id=submitted)[0]
    assert submission.submit(again)["p_agenda"] == again["p_agenda"]


@pytest.mark.parametrize("given", [7, {"a": 1}, [None], [True], [{"nam": "1"}], [[1]]])
def test_a_p_agenda_that_names_no_items_is_refused(given: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        submission.submit({**FOUR_FRAMES, "p_agenda": given})
    assert refusal.value.field == "p_agenda"
