"""Who is given work: a host with room asks, and what it gets is what the rules say."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import dispatch, folding, hosts, submission, verbs, views
from qbcore.control import placing
from qbcore.models import GrantRow, HostRow, JobRow
from qbcore.states import Status
from qbcore.writing import clock
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive, job_in

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, **given})["id"])


def host(name: str = "render-01", slots: int = 4, **facts: Any) -> Hand:
    hand = Hand(name, slots)
    said = {"os": "Linux", "slots": slots, "memory": 16000, **facts}
    hosts.hello(hand.id, {"protocol": 1, "session": hand.session, "facts": said, "held": {}})
    return hand


def given(hand: Hand) -> list[int]:
    """The jobs whose subjobs a host with room is given, in order."""
    return [start["job"]["id"] for start in hand.sync(room=True)["starts"]]


def test_a_job_gets_as_many_places_as_it_has_cpus() -> None:
    job = submit(cpus=2)
    assert given(host(slots=4)) == [job, job]


def test_a_host_gives_as_many_places_as_it_has_slots() -> None:
    job = submit(cpus=4)
    assert given(host(slots=3)) == [job] * 3
    assert given(host("render-02", slots=3)) == [job]


def test_a_host_that_does_not_ask_for_room_gets_nothing() -> None:
    submit()
    assert host().sync()["starts"] == []


def test_priority_goes_before_age() -> None:
    old, urgent, young = submit(cpus=1), submit(cpus=1, priority=100), submit(cpus=1)
    assert given(host()) == [urgent, old, young]


def test_a_start_says_what_to_run() -> None:
    submit(cpus=1, env={"A": "1"}, cwd="/tmp", timelimit=60, name="shot")
    [start] = host().sync(room=True)["starts"]
    job = start["job"]
    assert (job["name"], job["env"], job["cwd"], job["timelimit"], job["prototype"]) == (
        "shot", {"A": "1"}, "/tmp", 60, "cmdrange",
    )  # fmt: skip
    [frame] = start["frames"]
    assert (frame["name"], frame["pos"], start["subjob"]) == ("1", 0, 0)
    assert frame["token"].startswith("qba_")


@pytest.mark.parametrize(
    ("job", "fits"),
    [
        ({"hosts": "render-01"}, True),
        ({"hosts": "render-02,render-01"}, True),
        ({"hosts": "render-02"}, False),
        ({"omithosts": "render-01"}, False),
        ({"omithosts": "render-02"}, True),
        ({"requirements": "host.os == linux"}, True),
        ({"requirements": "host.os == windows"}, False),
        ({"requirements": "host.memory.total >= 16000 and host.processors.avail >= 4"}, True),
        ({"requirements": "host.memory.total > 16000"}, False),
        ({"requirements": "host.gpu == 1"}, False),
        ({"requirements": "host.gpus >= 2"}, True),
        ({"requirements": "host.rack == 7"}, True),
        ({"requirements": "job.prod_shot == 010", "prod_shot": "010"}, True),
        ({"requirements": "job.prod_shot == 020", "prod_shot": "010"}, False),
        ({"requirements": "host.name in render-02,render-01"}, True),
        ({"reservations": "host.processors=4"}, True),
        ({"reservations": "host.processors=5"}, False),
        ({"reservations": "host.memory=16000"}, True),
        ({"reservations": "host.memory=16001"}, False),
        ({"reservations": "host.gpus=2"}, True),
        ({"reservations": "host.gpus=3"}, False),
        ({"reservations": "host.tapes=1"}, False),
    ],
)
def test_only_a_host_that_fits_is_given_the_job(job: dict[str, Any], fits: bool) -> None:
    submit(cpus=1, **job)
    hand = host(resources={"gpus": 2}, properties={"rack": 7})
    assert bool(given(hand)) is fits


def test_what_a_subjob_reserves_is_taken_until_its_processes_are_gone() -> None:
    first, second = submit(cpus=1, reservations="host.processors=3"), submit(cpus=1, reservations="host.processors=2")
    hand = Obedient(slots=4)
    assert given(hand) == [first]
    verbs.kill(first)
    assert hand.sync(room=True)["starts"] == [], "it has only been told to end it"
    assert given(hand) == [second]
    assert list(GrantRow.objects.order_by("pk").values_list("taken", flat=True)) == [
        {"host.processors": 3}, {"host.processors": 2},
    ]  # fmt: skip


def test_a_whole_idle_host_is_given_to_one_who_asks_for_it() -> None:
    submit(cpus=1, priority=1)
    whole = submit(cpus=2, reservations="host.processors=1*")
    busy, idle = host("busy"), host("idle")
    assert whole not in given(busy)
    assert given(idle) == [whole]


def test_memory_is_counted_over_all_jobs_of_a_host() -> None:
    jobs = [submit(cpus=1, reservations="host.processors=1,host.memory=6000") for _ in range(3)]
    assert given(host()) == jobs[:2]


@pytest.mark.parametrize("column", ["locked", "banned"])
def test_a_host_that_is_locked_or_banned_gets_nothing(column: str) -> None:
    submit()
    hand = host()
    HostRow.objects.update(**{column: True})
    assert given(hand) == []


def test_a_host_is_given_job_types_that_it_has() -> None:
    submit()
    assert given(host("plain", jobtypes=["cmdline"])) == []
    assert given(host("ranged", jobtypes=["cmdline", "cmdrange"])) != []


@pytest.mark.parametrize(
    "status", [Status.BLOCKED, Status.WAITING, Status.SUSPENDED, Status.KILLED, Status.COMPLETE, Status.FAILED]
)
def test_a_job_that_is_not_ready_starts_nowhere(status: Status) -> None:
    job_in(status)
    assert given(host("another")) == []


def test_what_is_modified_counts_at_the_next_start() -> None:
    job = submit(cpus=2)
    first, second = host("first", slots=1), host("second", slots=1)
    assert given(first) == [job]
    submission.modify({"hosts": "first"}, job)
    assert given(second) == []
    submission.modify({"hosts": "", "env": {"B": "2"}}, job)
    assert second.sync(room=True)["starts"][0]["job"]["env"] == {"B": "2"}


def test_no_place_is_made_while_others_hold_all_frames_of_a_job() -> None:
    job = submit(cpus=2, package={"cmdline": "true", "range": "1-3"})
    JobRow.objects.filter(pk=job).update(timed=10, seconds=0.1, s_pending=1)
    holder = host("holder", slots=1)
    holder.begin()
    assert len(holder.frames) == 3
    folding.sweep()
    assert given(host("late")) == []
    assert GrantRow.objects.count() == 1


def test_a_start_that_is_rolled_back_can_happen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(cpus=1)
    hand = host()
    real = placing.place
    monkeypatch.setattr(placing, "place", fails_once(real))
    with pytest.raises(RuntimeError, match="broken"):
        hand.sync(room=True)
    assert dispatch.waiting.pick(views.view(HostRow.objects.get(), [], {}, [], now=clock())) is not None
    assert given(hand) == [job]


def fails_once(real: Any) -> Any:
    left = [RuntimeError("broken")]

    def act(*args: Any, **kwargs: Any) -> Any:
        done = real(*args, **kwargs)
        if left:
            raise left.pop()
        return done

    return act


@pytest.mark.parametrize(
    ("timed", "seconds", "pending", "places", "recent", "count"),
    [
        (0, 0.0, 100, 1, None, 1),
        (0, 0.0, 100, 1, 0.1, 10),
        (10, 1.0, 100, 1, None, 10),
        (10, 1.0, 100, 1, 0.9, 1),
        (10, 10.0, 100, 1, None, 1),
        (1000, 1.0, 1000, 1, None, 32),
        (10, 1.0, 12, 4, None, 3),
        (10, 1.0, 0, 4, None, 1),
    ],
)
def test_short_frames_are_handed_out_by_the_second(
    timed: int, seconds: float, pending: int, places: int, recent: float | None, count: int
) -> None:
    job = JobRow(todo=1000, timed=timed, seconds=seconds, n_pending=pending, s_running=places)
    assert dispatch.batch(job, recent) == count


def test_a_job_without_agenda_is_handed_out_by_the_subjob() -> None:
    assert dispatch.batch(JobRow(todo=0, timed=10, seconds=0.1)) == 1


def test_jobs_of_many_kinds_are_all_done_in_the_end() -> None:
    jobs = [submit(cpus=cpus, priority=cpus) for cpus in (1, 2, 3)]
    jobs.append(submission.submit({"prototype": "cmdline", "cpus": 3, "package": {"cmdline": "x"}})["id"])
    names = drive(host(slots=2))
    assert len(names) == 4 * 3 + 3
    assert set(JobRow.objects.filter(pk__in=jobs).values_list("status", flat=True)) == {Status.COMPLETE}
