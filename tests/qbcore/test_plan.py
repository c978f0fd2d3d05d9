"""Who runs next, and why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbcore.candidates import Candidate, HostView, Meeting
from qbcore.errors import BadExpression
from qbcore.plan import Choice, Reason, explain, host_order, may_start, order, pick, preferred

HOST = HostView(
    id=1,
    name="render-01",
    cluster="/show/comp",
    groups=("fast", "gpu"),
    jobtypes=("cmdline", "cmdrange"),
    totals={"processors": 8, "memory": 96000},
    used={"processors": 2, "memory": 64000},
    properties={"os": "linux", "processor_speed": 3200},
    duty={"kind": {"sim": 2, "bake": 0}, "prototype": {"cmdline": 2}},
    idle=False,
)
JOB = Candidate(id=12, prototype="cmdline", user="ann")
RULES = ["host", "work", "type", "place", "restrictions", "cluster", "past", "requirements", "reservations"]


def why(host: HostView = HOST, shared: dict[str, float] | None = None, **said: Any) -> Reason:
    return explain(host, replace(JOB, **said), shared or {})


def test_nothing_is_against_a_plain_job_on_a_host_with_room() -> None:
    reason = why()
    assert reason.ok
    assert (reason.stop, reason.sentence) == (None, "")
    assert [check.name for check in reason.checks] == RULES


@pytest.mark.parametrize(
    ("said", "rule", "sentence"),
    [
        ({"wanted": 0}, "work", "job 12 has no subjob to start"),
        ({"prototype": "maya"}, "type", "needs job type maya, render-01 has cmdline, cmdrange"),
        ({"hosts": "r1, r2"}, "place", "runs only on r1, r2"),
        ({"hosts": "r1,r2,r3,r4,r5,r6,r7"}, "place", "runs only on r1, r2, r3, r4, r5 and 2 more"),
        ({"omithosts": "render-01"}, "place", "omits render-01"),
        ({"groups": "slow"}, "place", "runs only in groups slow, render-01 is in fast, gpu"),
        ({"omitgroups": "slow,gpu"}, "place", "omits group gpu, which render-01 is in"),
        ({"restrictions": "/x/+"}, "restrictions", "runs only in clusters /x/+, render-01 is in /show/comp"),
        (
            {"requirements": "host.memory.avail > 64000"},
            "requirements",
            "needs host.memory.avail > 64000, render-01 has 32000",
        ),
        ({"requirements": "job.user == bob"}, "requirements", "needs job.user == bob, the job has ann"),
        ({"requirements": "host.gpus > 1"}, "requirements", "needs host.gpus > 1, render-01 has no host.gpus"),
        ({"reservations": "host.processors=7"}, "reservations", "needs host.processors=7, render-01 has 6 free"),
        ({"reservations": "license.x=1"}, "reservations", "needs license.x=1, and the farm has no license.x"),
        ({"restrictions": "show"}, "restrictions", "cannot be read: restrictions: 'show' is no cluster"),
        ({"requirements": "host.os =="}, "requirements", "cannot be read: requirements: a value is missing"),
        ({"reservations": "host.processors=x"}, "reservations", "cannot be read: reservations: 'x' is no amount"),
    ],
)
def test_the_first_rule_against_a_job_says_why(said: dict[str, Any], rule: str, sentence: str) -> None:
    reason = why(**said)
    assert not reason.ok
    assert reason.stop is not None
    assert reason.stop.name == rule
    assert reason.sentence == sentence or (sentence.startswith("cannot") and reason.sentence.startswith(sentence))


@pytest.mark.parametrize(
    ("changed", "rule", "sentence"),
    [
        ({"state": "down"}, "host", "render-01 is down"),
        ({"locked": True}, "host", "render-01 is locked"),
        ({"banned": True}, "host", "render-01 is banned"),
        ({"restrictions": "/show/+"}, "cluster", "render-01 takes only jobs of /show/+, job 12 is in /"),
        ({"restrictions": "show"}, "cluster", "cannot be read: restrictions of the host: 'show' is no cluster"),
        ({"avoid": frozenset({12})}, "past", "render-01 is not given job 12 again"),
        ({"used": {"processors": 8}}, "reservations", "needs host.processors=1, render-01 has 0 free"),
    ],
)
def test_the_first_rule_against_a_host_says_why(changed: dict[str, Any], rule: str, sentence: str) -> None:
    reason = why(replace(HOST, **changed))
    assert reason.stop is not None
    assert reason.stop.name == rule
    assert reason.sentence.startswith(sentence)


def test_later_rules_are_applied_after_the_one_that_stops() -> None:
    reason = why(hosts="r1", requirements="host.os == irix", reservations="host.memory=64000")
    assert [check.name for check in reason.checks if not check.ok] == ["place", "requirements", "reservations"]
    assert len(reason.checks) == len(RULES)


def test_a_host_without_a_list_of_job_types_takes_any() -> None:
    assert why(replace(HOST, jobtypes=None), prototype="maya").ok


@pytest.mark.parametrize(
    "requirements",
    [
        "host.name == render-01 and host.cluster == /show/comp and host.state == active",
        "host.processors.total == 8 and host.processors.used == 2 and host.processors.avail == 6",
        "host.processors == 8 and host.memory == 96000",
        "host.groups has gpu and job.type in host.jobtypes",
        "host.os == Linux and host.processor_speed >= 3000",
        "host.duty.kind has sim and not host.duty.kind has bake",
        "host.duty.user == '' and not job.user in host.duty.user",
        "host.duty.type has cmdline",
        "job.user == ann and job.id == 12 and job.priority == 9999 and job.cluster == /",
        "job.kind == bake and job.prod_show == bee",
    ],
)
def test_every_operand_is_known_where_a_host_and_a_job_meet(requirements: str) -> None:
    reason = why(requirements=requirements, facts={"job.kind": "bake", "job.prod_show": "bee"})
    assert reason.sentence == ""


def test_a_property_cannot_hide_what_the_farm_knows() -> None:
    liar = replace(HOST, properties={"name": "other", "memory.total": 5, "state": "idle"})
    assert why(liar, requirements="host.name == render-01 and host.memory.total > 5 and host.state == active").ok


def test_a_meeting_is_a_mapping_of_what_both_know() -> None:
    meeting = Meeting({"host.name": "r1"}, replace(JOB, facts={"job.kind": "bake"}))
    assert {"host.name", "job.kind", "job.user", "job.type"} <= set(meeting)
    assert len(meeting) == len(set(meeting))
    assert meeting["job.type"] == "cmdline"
    with pytest.raises(KeyError):
        meeting["job.unheard"]


def test_an_emptied_host_could_run_what_it_cannot_start_now() -> None:
    full = replace(HOST, used={"processors": 8}, duty={"kind": {"sim": 1}})
    wanting = replace(JOB, reservations="host.processors=all", requirements="not host.duty.kind has sim")
    assert not may_start(full, wanting)
    assert may_start(full.emptied(), wanting)


# -- order ---------------------------------------------------------------------------------------------------------


def ids(jobs: list[Candidate]) -> list[int]:
    return [job.id for job in jobs]


def test_cluster_beats_priority_beats_localorder_beats_id() -> None:
    jobs = [
        replace(JOB, id=1, cluster="/", priority=1),
        replace(JOB, id=2, cluster="/show/comp", priority=9999),
        replace(JOB, id=3, cluster="/show/comp", priority=500, localorder=1),
        replace(JOB, id=4, cluster="/show/comp", priority=500, localorder=1),
        replace(JOB, id=5, cluster="/show/comp", priority=500, localorder=-1),
        replace(JOB, id=6, cluster="/show", priority=9999),
        replace(JOB, id=7, cluster="/show/comp", priority=1, requirements="host.os == irix"),
    ]
    assert ids(order(HOST, jobs)) == [5, 3, 4, 2, 6, 1]


def test_the_choice_is_the_first_in_order_with_what_it_takes() -> None:
    jobs = [replace(JOB, id=1, reservations="license.x"), replace(JOB, id=2, reservations="host.processors=2+")]
    assert pick(HOST, jobs, {"license.x": 1}) == Choice(1, {"host.processors": 1, "license.x": 1})
    assert pick(HOST, jobs, {"license.x": 0}) == Choice(2, {"host.processors": 6})
    assert pick(HOST, []) is None
    assert pick(replace(HOST, locked=True), jobs, {"license.x": 1}) is None


jobs_drawn = st.lists(
    st.builds(
        Candidate,
        id=st.integers(1, 99),
        priority=st.integers(1, 3),
        cluster=st.sampled_from(["/", "/show", "/show/comp", "/x"]),
        requirements=st.sampled_from(["", "host.os == linux", "host.memory.avail > 40000"]),
        reservations=st.sampled_from(["", "host.processors=7", "host.memory=1000"]),
        prototype=st.sampled_from(["cmdline", "maya"]),
    ),
    unique_by=lambda job: job.id,
)


@given(jobs_drawn, st.randoms(use_true_random=False))
def test_the_order_holds_just_what_may_start_and_does_not_depend_on_how_it_was_given(
    jobs: list[Candidate], chance: Any
) -> None:
    found = order(HOST, jobs)
    assert {job.id for job in jobs if explain(HOST, job).ok} == set(ids(found))
    assert len(found) == len({job.id for job in found})
    chance.shuffle(jobs)
    assert order(HOST, jobs) == found


# -- hosts for a job -----------------------------------------------------------------------------------------------


def test_hosts_come_by_hostorder_then_nearness_then_name() -> None:
    farm = [
        replace(HOST, name="c", cluster="/", properties={"speed": 5}),
        replace(HOST, name="a", cluster="/x", properties={"speed": 5}),
        replace(HOST, name="b", cluster="/", properties={"speed": 9}),
        replace(HOST, name="d", cluster="/", properties={}),
        replace(HOST, name="e", cluster="/", locked=True),
    ]
    named = {text: [host.name for host in host_order(replace(JOB, hostorder=text), farm)] for text in
             ("", "host.speed", "-host.speed", "-host.processors.used,+host.speed")}  # fmt: skip
    assert named == {
        "": ["b", "c", "d", "a"],
        "host.speed": ["b", "c", "a", "d"],
        "-host.speed": ["c", "a", "b", "d"],
        "-host.processors.used,+host.speed": ["b", "c", "a", "d"],
    }


def test_a_malformed_hostorder_is_refused() -> None:
    with pytest.raises(BadExpression, match="gives no order"):
        host_order(replace(JOB, hostorder="speed"), [HOST])


@given(
    st.lists(
        st.builds(
            lambda number, cluster, speed, used, locked: replace(
                HOST,
                id=number,
                name=f"h{number}",
                cluster=cluster,
                properties={} if speed is None else {"speed": speed},
                used={"processors": used},
                locked=locked,
            ),
            st.integers(1, 30),
            st.sampled_from(["/", "/x", "/show/comp"]),
            st.sampled_from([None, 1, 2, 3]),
            st.integers(0, 8),
            st.booleans(),
        ),
        min_size=1,
        unique_by=lambda host: host.name,
    ),
    st.sampled_from(["host.speed", "-host.speed", "host.processors.avail,-host.speed"]),
)
def test_the_preferred_host_is_the_first_of_the_order(farm: list[HostView], hostorder: str) -> None:
    asking, job = replace(farm[0], locked=False, used={}), replace(JOB, hostorder=hostorder)
    first = host_order(job, [asking, *farm[1:]])[0]
    assert preferred(job, asking, farm[1:]) == (None if first is asking else first)
