"""What would run where, by the rules of dispatch; and why a job waits."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import acting, orders, queries, resources, submission, verbs, views
from qbcore.acting import Actor
from qbcore.errors import Invalid, Refused
from qbcore.models import ExclusionRow, HostRow, JobRow
from qbcore.plan import order
from qbcore.reasons import reasons
from qbcore.states import Status
from qbcore.waiting import waiting
from qbcore.writing import clock
from tests.hand import FOUR_FRAMES, Hand, job_in
from tests.make import make_host

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a test's transaction nobody hears of a commit: every order is read anew."""
    real = waiting.order
    monkeypatch.setattr(waiting, "order", lambda host: waiting.reload() or real(host))  # type: ignore[func-returns-value]


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "cpus": 1, **given})["id"])


def ids(jobs: list[Any]) -> list[int]:
    return [job["id"] for job in jobs]


def reason(job: int) -> str:
    return str(queries.jobinfo(id=job)[0]["reason"])


# -- orders --------------------------------------------------------------------------------------------------------


def test_the_order_of_jobs_is_that_of_the_rules() -> None:
    make_host("worker01", cluster="/a", slots=4)
    for priority, cluster in ((9, "/"), (1, "/b"), (5, "/a"), (5, "/a/c"), (5, "/a")):
        submit(priority=priority, cluster=cluster)
    submit(requirements="host.name == other")
    verbs.block(submit(priority=1))
    [host] = views.every_host(clock())
    expected = [one.id for one in order(host, [found for _, found in views.candidates(JobRow.objects.all())])]
    assert ids(orders.joborder(name="worker01")) == expected
    assert len(expected) == 5


def test_joborder_takes_the_filters_of_jobinfo_and_keeps_its_order() -> None:
    make_host("worker01")
    old, urgent, other = submit(name="shot 1"), submit(name="shot 2", priority=1), submit(name="else")
    assert ids(orders.joborder({"name": "shot*"}, "worker01")) == [urgent, old]
    assert ids(orders.joborder({"id": [old, other]}, "worker01")) == [old, other]
    assert orders.joborder(name="nobody") == []
    with pytest.raises(Invalid, match="is no filter"):
        orders.joborder({"colour": "red"}, "worker01")


def test_a_host_that_takes_nothing_has_no_order() -> None:
    make_host("worker01", locked=True)
    submit()
    assert orders.joborder(name="worker01") == orders.workorder("worker01") == []


def test_a_job_that_a_host_failed_is_not_in_its_order() -> None:
    host, job = make_host("worker01"), submit()
    ExclusionRow.objects.create(job_id=job, host_id=host.pk, cause="wrangle", at=clock())
    assert orders.joborder(name="worker01") == []
    make_host("worker02")
    assert [one["name"] for one in orders.hostorder(job)] == ["worker02"]


def test_hosts_come_in_the_order_in_which_a_job_would_take_them() -> None:
    for name, slots, cluster in (("a", 2, "/x"), ("b", 8, "/"), ("c", 4, "/"), ("d", 1, "/")):
        make_host(name, slots=slots, cluster=cluster)
    make_host("gone", state="down")
    job = submit(hostorder="host.processors", reservations="host.processors=2")
    assert [host["name"] for host in orders.hostorder(job)] == ["b", "c", "a"]
    assert [host["name"] for host in orders.hostorder(submit())] == ["b", "c", "d", "a"]
    assert [host["name"] for host in orders.hostorder()] == ["a", "b", "c", "d"]
    assert orders.hostorder(424242) == orders.hostorder(job_in(Status.COMPLETE)) == []


def test_the_frames_that_a_host_would_start_now_are_as_many_as_it_has_room_for() -> None:
    first = submit(cpus=3, priority=1, package={"cmdline": "true", "range": "1-9"}, reservations="host.processors=2")
    second = submit(cpus=3)
    submission.submit({"prototype": "cmdline", "package": {"cmdline": "true"}})
    make_host("worker01", slots=5)
    found = orders.workorder("worker01")
    assert [(work["jobid"], work["agenda"], work["status"]) for work in found] == [
        (first, "1", "pending"), (first, "2", "pending"), (second, "1", "pending"),
    ]  # fmt: skip
    assert orders.workorder("nobody") == []


def test_a_licence_counts_in_the_frames_that_would_start() -> None:
    resources.updateresources({"license.maya": 2})
    submit(cpus=4, reservations="license.maya=1")
    make_host("worker01", slots=8)
    assert [work["agenda"] for work in orders.workorder("worker01")] == ["1", "2"]


def test_shove_answers_the_jobs_that_wait_for_a_host() -> None:
    over, held, waits = job_in(Status.COMPLETE), job_in(Status.BLOCKED), submit()
    assert orders.shove(over, f"{waits}.0", [held, 424242]) == [waits]
    JobRow.objects.filter(pk=waits).update(user="mira")
    with acting.acting_as(Actor("jonas", "artist")), pytest.raises(Refused):
        orders.shove(waits)


# -- reasons -------------------------------------------------------------------------------------------------------


def test_a_farm_without_workers_says_so() -> None:
    assert reason(submit()) == "the farm has no worker"


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ({"requirements": "host.os == irix"}, "no host satisfies requirements: host.os == irix"),
        ({"requirements": "host.os == irix and job.kind == x"},
         "no host satisfies requirements: host.os == irix and job.kind == x"),
        ({"hosts": "qb003"}, "no host fits hosts=qb003"),
        ({"groups": "fast", "omithosts": "x"}, "no host fits groups=fast, omithosts=x"),
        ({"restrictions": "/a/+"}, "no host is in the clusters /a/+"),
        ({"reservations": "host.processors=99"}, "no host is large enough for host.processors=99"),
        ({"reservations": "license.maya=1"}, "the farm has no license.maya"),
        ({"reservations": "license.nuke=4"}, "license.nuke: 3 of 3 free, it needs 4"),
        ({"reservations": "global.tape=1"}, "global.tape: 0 of 2 free"),
    ],
)  # fmt: skip
def test_what_no_host_can_give_is_named(job: dict[str, Any], sentence: str) -> None:
    for name in ("a", "b"):
        make_host(name, os="linux")
    resources.updateresources({"license.nuke": 3, "global.tape": 2})
    resources.ResourceRow.objects.filter(pk="global.tape").update(used=2)
    assert reason(submit(**job)) == sentence


def test_a_job_type_that_no_host_has_is_named() -> None:
    make_host("a", jobtypes=["cmdline"])
    assert reason(submit()) == "no host runs job type cmdrange"


def test_hosts_are_grouped_by_what_is_against_the_job() -> None:
    for number in range(3):
        make_host(f"locked{number}", locked=True)
    make_host("gone", state="down")
    make_host("small", slots=1)
    job = submit(reservations="host.processors=2")
    assert reason(job) == "3 hosts: locked; 1 host: down; 1 host: too small for host.processors=2"
    assert reason(submit(hosts="x")) == "3 hosts: locked; 1 host: down; 1 host: not hosts=x"


def test_a_job_that_only_lacks_a_slot_waits_for_one() -> None:
    make_host("locked", locked=True)
    busy = Hand(slots=1)
    submit()
    busy.begin()
    assert reason(submit()) == "waits for a free slot on 1 host; 1 host: locked"


def test_a_job_whose_turn_comes_says_so() -> None:
    make_host("a")
    make_host("b")
    assert reason(submit()) == "waits for its turn: 2 hosts can take it"


def test_a_stored_reason_stands() -> None:
    parent = submit()
    assert reason(submit(dependency=str(parent))) == f"waits for {parent} to complete"


@pytest.mark.parametrize("status", [status for status in Status if status != Status.PENDING])
def test_a_job_that_does_not_wait_for_a_host_has_no_such_reason(status: Status) -> None:
    job = job_in(status)
    assert reasons([job]) == {}


def test_many_jobs_are_explained_only_when_asked() -> None:
    make_host("a")
    jobs = [submit() for _ in range(21)]
    assert {job["reason"] for job in queries.jobinfo()} == {""}
    assert {job["reason"] for job in queries.jobinfo(fields=["reason"])} == {"waits for its turn: 1 host can take it"}
    assert queries.jobinfo(id=jobs[:20])[0]["reason"] != ""


def test_a_host_that_is_down_and_locked_is_down() -> None:
    make_host("a", locked=True, state="down")
    assert reason(submit()) == "1 host: down"
    HostRow.objects.update(state="active", banned=True)
    assert reason(submit()) == "1 host: banned"
