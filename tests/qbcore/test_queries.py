"""What jobinfo, hostinfo and hist answer, and how they are asked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from qbcore import acting, constants, folding, queries, submission, verbs
from qbcore.acting import Actor
from qbcore.errors import Invalid, Refused
from qbcore.models import HostRow, JobRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, job_in
from tests.make import make_attempt, make_history, make_host, make_job

pytestmark = pytest.mark.django_db

MONDAY = datetime(2024, 5, 6, 12, 0, tzinfo=UTC)


def names(**asked: Any) -> list[str]:
    return [job["name"] for job in queries.jobinfo(**asked)]


@pytest.fixture
def three() -> list[int]:
    """Three jobs, a day between them."""
    jobs = [
        make_job("alpha_010", user="mira", priority=100, at=MONDAY),
        make_job("alpha_020", user="jonas", priority=50, at=MONDAY + timedelta(days=1), status=Status.FAILED),
        make_job("beta.010", user="mira", priority=50, at=MONDAY + timedelta(days=2), label="x"),
    ]
    return [job.pk for job in jobs]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["alpha_010", "alpha_020", "beta.010"]),
        ({"name": "alpha_010"}, ["alpha_010"]),
        ({"name": "alpha*"}, ["alpha_010", "alpha_020"]),
        ({"name": "%_0_0"}, []),
        ({"name": "%010"}, ["alpha_010", "beta.010"]),
        ({"name": "beta.*"}, ["beta.010"]),
        ({"name": "alpha.*"}, []),
        ({"name": ["beta*", "alpha_020"]}, ["alpha_020", "beta.010"]),
        ({"name": "~^alpha_0[12]0$"}, ["alpha_010", "alpha_020"]),
        ({"name": "~020"}, ["alpha_020"]),
        ({"name": ["~^beta", "alpha_010"]}, ["alpha_010", "beta.010"]),
        ({"name": ["~^beta", "*20"]}, ["alpha_020", "beta.010"]),
        ({"name": []}, []),
        ({"user": "mira", "priority": 50}, ["beta.010"]),
        ({"user": ("mira", "jonas"), "priority": "50"}, ["alpha_020", "beta.010"]),
        ({"status": "failed"}, ["alpha_020"]),
        ({"status": 32}, ["alpha_020"]),
        ({"status": ["failed", "pending"]}, ["alpha_010", "alpha_020", "beta.010"]),
        ({"status": "~^fail"}, ["alpha_020"]),
        ({"label": "x"}, ["beta.010"]),
        ({"name": None}, ["alpha_010", "alpha_020", "beta.010"]),
        ({"name": "Alpha_010"}, []),
        ({"name": "none"}, []),
    ],
)
def test_every_filter_takes_values_lists_wildcards_and_expressions(
    three: list[int], filters: dict[str, Any], found: list[str]
) -> None:
    assert names(filters=filters) == found


def test_ids_come_as_numbers_texts_lists_and_subjobs(three: list[int]) -> None:
    first, second, third = three
    assert names(id=second) == names(id=str(second)) == names(id=f"{second}.0") == ["alpha_020"]
    assert names(id=[third, str(first), 999_999]) == ["alpha_010", "beta.010"]
    assert names(id=f"{first},{third}") == ["alpha_010", "beta.010"]
    assert names(minid=second) == ["alpha_020", "beta.010"]
    assert names(maxid=str(second)) == ["alpha_010", "alpha_020"]
    assert names(id=range(1, 3000), minid=three[0]) == ["alpha_010", "alpha_020", "beta.010"]


@pytest.mark.parametrize(
    "asked",
    [
        {"submittedAfter": MONDAY + timedelta(hours=1)},
        {"submittedAfter": (MONDAY + timedelta(hours=1)).timestamp()},
        {"submittedAfter": str(int((MONDAY + timedelta(hours=1)).timestamp()))},
        {"submittedAfter": date(2024, 5, 7)},
        {"submittedAfter": datetime(2024, 5, 7)},
        {"updatedAfter": date(2024, 5, 7)},
    ],
)
def test_times_come_as_seconds_texts_datetimes_and_dates(three: list[int], asked: dict[str, Any]) -> None:
    assert names(**asked) == ["alpha_020", "beta.010"]
    before = {key.replace("After", "Before"): value for key, value in asked.items()}
    assert names(**before) == ["alpha_010"]


@pytest.mark.parametrize(
    ("orderby", "found"),
    [
        ("id DESC", ["beta.010", "alpha_020", "alpha_010"]),
        ("priority", ["alpha_020", "beta.010", "alpha_010"]),
        ("priority desc", ["alpha_010", "alpha_020", "beta.010"]),
        ("timesubmit DESC", ["beta.010", "alpha_020", "alpha_010"]),
        ("", ["alpha_010", "alpha_020", "beta.010"]),
    ],
)
def test_order_is_by_id_unless_another_is_asked_for(three: list[int], orderby: str, found: list[str]) -> None:
    assert names(orderby=orderby) == found
    assert names(orderby=orderby, limit=2) == found[:2]
    assert names(orderby=orderby, limit=1, filters={"name": "~a"}) == found[:1]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"filters": {"colour": "red"}}, "filters['colour']"),
        ({"filters": {"name": "~("}}, "filters['name']"),
        ({"filters": {"priority": "high"}}, "priority"),
        ({"status": "done"}, "status"),
        ({"minid": "first"}, "id"),
        ({"limit": -1}, "limit"),
        ({"submittedAfter": "yesterday"}, "submittedAfter"),
        ({"orderby": "colour"}, "orderby"),
        ({"orderby": "id; drop"}, "orderby"),
        ({"id": "x"}, None),
    ],
)
def test_what_cannot_be_asked_is_named(three: list[int], asked: dict[str, Any], field: str | None) -> None:
    with pytest.raises(Invalid) as refusal:
        queries.jobinfo(**asked)
    assert field is None or refusal.value.to_wire()["field"] == field


def test_a_regular_expression_runs_in_linear_time() -> None:
    make_job("a" * 5000)
    assert names(filters={"name": "~^(a+)+$b"}) == []


def test_lists_come_only_when_asked_for_and_fields_only_add() -> None:
    job = job_in(Status.RUNNING)
    [plain] = queries.jobinfo(id=job)
    assert not {"agenda", "subjobs", "callbacks"} & set(plain)
    [full] = queries.jobinfo(id=job, fields=["agenda", "no_such_field"], subjobs=True, callbacks=True)
    assert set(plain) < set(full)
    assert [work["name"] for work in full["agenda"]] == ["1", "2", "3", "4"]
    assert ([subjob["id"] for subjob in full["subjobs"]], full["callbacks"]) == ([0, 1], [])


def test_tallies_have_every_status_and_never_mix() -> None:
    job = job_in(Status.RUNNING)
    [found] = queries.jobinfo(id=job)
    assert set(found["cpustally"]) == set(found["todotally"]) == set(constants.TALLY_STATUSES)
    assert (found["cpustally"]["running"], found["cpustally"]["pending"]) == (1, 1)
    assert (found["todotally"]["running"], found["todotally"]["pending"]) == (1, 3)


def test_frames_and_subjobs_say_where_and_when() -> None:
    job = job_in(Status.COMPLETE)
    [found] = queries.jobinfo(id=job, agenda=True, subjobs=True)
    frame, subjob = found["agenda"][0], found["subjobs"][0]
    assert (frame["status"], frame["host"], frame["subid"], frame["count"]) == ("complete", f"host-of-{job}", 0, 1)
    assert (frame["percent"], frame["timecumulative"]) == (100, 1)
    assert frame["timecomplete"] >= frame["timestart"] > constants.QB_TIME_EPOCH_OFFSET
    assert (subjob["pid"], subjob["id"], subjob["host"], subjob["status"]) == (job, 0, f"host-of-{job}", "complete")


def test_a_frame_that_waits_says_until_when() -> None:
    job = job_in(Status.WAITING)
    [found] = queries.jobinfo(id=job, agenda=True)
    assert found["agenda"][0]["retrydelay"] > found["lastupdate"]
    assert found["agenda"][0]["retry"] == 1


def test_an_attempt_sees_its_own_job_and_no_other() -> None:
    mine, other = job_in(Status.RUNNING), job_in(Status.PENDING)
    with acting.acting_as(Actor("farm", "attempt", job=mine, attempt=1)):
        assert [job["id"] for job in queries.jobinfo()] == [mine]
        assert queries.jobinfo(id=other) == []
        assert queries.hist(other) == []
        assert queries.hist(mine)
        with pytest.raises(Refused):
            queries.hostinfo()


def test_hosts_tell_what_they_have_and_what_is_taken() -> None:
    make_host("b", state="down", cluster="/x")
    hand = Hand("a", slots=4)
    submission.submit({**FOUR_FRAMES, "reservations": "host.processors=2"})
    hand.begin()
    folding.sweep()
    [a, b] = queries.hostinfo(subjobs=True)
    assert (a["name"], a["state"], b["state"]) == ("a", "active", "down")
    assert "host.processors=4/4" in a["resources"]
    assert "host.processors=0/8" in b["resources"]
    assert [subjob["allocations"] for subjob in a["subjobs"]] == ["host.processors=2"] * 2
    assert "subjobs" not in queries.workerinfo(fields=["subjobs"])[0]


@pytest.mark.parametrize(
    ("state", "found"),
    [("active", ["busy", "idle"]), ("running", ["busy"]), ("down", ["gone"]), (["down", "running"], ["busy", "gone"]),
     ("locked", ["idle"]), ("banned", [])],
)  # fmt: skip
def test_hosts_are_found_by_state(state: Any, found: list[str]) -> None:
    submission.submit(FOUR_FRAMES)
    Hand("busy").begin()
    make_host("idle", locked=True)
    make_host("gone", state="down")
    assert [host["name"] for host in queries.hostinfo(state=state)] == found


def test_an_unknown_state_of_hosts_is_named() -> None:
    with pytest.raises(Invalid, match="no state"):
        queries.hostinfo(state="sleeping")


def test_history_comes_oldest_first_with_attempts_and_by_subjob() -> None:
    job = job_in(Status.FAILED)
    with acting.acting_as(Actor("alice", "operator", why="again")):
        verbs.retrywork(f"{job}:2")
    rows = queries.hist(job)
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)
    assert all(row.keys() == {"comment", "stamp", "timestamp", "jobid", "subid", "workid"} for row in rows)
    assert rows[-2]["comment"] == "farm: failed: 4 failed of 4 frames"  # after its frames, within the same second
    assert any(row["comment"] == "alice: retrywork 2: 1 frame pending (again)" for row in rows)
    tried = [row for row in rows if row["workid"] == 1]
    failed = f"frame 2 attempt 1 on host-of-{job}: failed: exit code 1 without an error line"
    assert [row["comment"] for row in tried] == [failed]
    assert {row["subid"] for row in queries.hist(f"{job}.0")} == {0}


def test_history_of_a_removed_job_can_be_asked_for() -> None:
    job = make_job()
    make_history(job, "kill")
    make_attempt(job, 0, host=make_host(), ending="failed", error_line="no licence")
    verbs.remove(job.pk)
    said = [row["comment"] for row in queries.hist(job.pk)]
    assert any("kill" in line for line in said)
    assert any("no licence" in line for line in said)


def test_info_and_version_say_what_the_supervisor_is() -> None:
    job_in(Status.PENDING)
    assert queries.info()["jobs"] == 1
    assert queries.version()["database"].startswith("0")


def test_tallies_count_what_is_not_folded_yet() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    hand = Hand(slots=1)
    hand.begin()
    hand.report()
    folded = JobRow.objects.get(pk=job)
    told = queries.jobinfo(id=job)[0]["todotally"]
    assert (folded.n_complete, told["complete"], told["running"], sum(told.values())) == (0, 1, 1, 4)


def test_a_regular_expression_finds_the_first_so_many_in_the_order_asked_for() -> None:
    for name in ("b1", "a1", "b2", "b3"):
        submission.submit({**FOUR_FRAMES, "name": name})
    found = queries.jobinfo(filters={"name": "~^b"}, orderby="name DESC", limit=2)
    assert [job["name"] for job in found] == ["b3", "b2"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"prod_show": "orrery"}, ["a", "b"]),
        ({"prod_show": "orr*", "prod_shot": 10}, ["b"]),
        ({"prod_shot": ["0%", 10]}, ["a", "b"]),
        ({"prod_shot": "~^0[0-9]{2}$"}, ["a"]),
        ({"prod_custom1": ""}, ["a", "b", "c"]),
        ({"prod_custom1": "v*"}, []),
    ],
)
def test_jobs_are_found_by_their_production_fields(filters: dict[str, Any], found: list[str]) -> None:
    line = {"prototype": "cmdline", "package": {"cmdline": "true"}}
    first = {**line, "name": "a", "prod_show": "orrery", "prod_shot": "010"}
    submission.submit(first, {**line, "name": "b", "prod_show": "orrery", "prod_shot": 10}, {**line, "name": "c"})
    assert [job["name"] for job in queries.jobinfo(filters=filters)] == found


def test_a_regular_expression_does_not_find_what_is_empty() -> None:
    make_job(name="one", label="beauty")
    make_job(name="two")
    assert [job["name"] for job in queries.jobinfo(filters={"label": "~^b"})] == ["one"]
    assert [job["name"] for job in queries.jobinfo(filters={"label": ["~^b", ""]})] == ["one", "two"]


def test_a_subjob_says_what_it_takes_and_where_its_host_is(django_assert_num_queries: Any) -> None:
    number = submission.submit({**FOUR_FRAMES, "reservations": "host.processors=2"})["id"]
    hand = Hand(slots=2)
    HostRow.objects.update(address="10.0.0.7")
    hand.begin()
    folding.sweep()
    for rows in (queries.jobinfo(id=number, subjobs=True), queries.hostinfo(subjobs=True)):
        one = rows[0]["subjobs"][0]
        assert (one["allocations"], one["address"]) == ("host.processors=2", "10.0.0.7")
    waiting = queries.jobinfo(id=number, subjobs=True)[0]["subjobs"][1]
    assert (waiting["allocations"], waiting["address"]) == ("", "")
    with django_assert_num_queries(5):  # jobs, what is not folded, subjobs, grants, hosts
        queries.jobinfo(id=number, subjobs=True)
