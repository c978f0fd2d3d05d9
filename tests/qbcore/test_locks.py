"""Hosts take nothing, or less: by slots, by their calendar, drained, after the frame; and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from qbcore import acting, calendars, draining, folding, hostcare, hosts, locks, orders, queries, submission
from qbcore.acting import Actor
from qbcore.errors import Conflict, Invalid, Refused
from qbcore.listing import hosts as listed
from qbcore.models import HistoryRow, HostRow
from qbcore.writing import clock
from tests.hand import FOUR_FRAMES, Hand, Obedient

pytestmark = pytest.mark.django_db
MONDAY_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OFFICE = "mon-fri 09:00-18:00"


def row(name: str = "a1") -> HostRow:
    return HostRow.objects.get(name=name)


def reason(job: Any) -> str:
    folding.sweep()
    return str(queries.jobinfo(id=job["id"], fields=["reason"])[0]["reason"])


def info(name: str = "a1") -> dict[str, Any]:
    return dict(queries.workerinfo(name=name)[0])


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The farm's clock stands at a Monday noon for calendars."""
    real = locks.until
    monkeypatch.setattr(locks, "until", lambda calendar, now: real(calendar, MONDAY_NOON))


def test_so_many_slots_are_locked_and_the_others_go_on() -> None:
    submission.submit({**FOUR_FRAMES, "cpus": 4})
    hand = Hand("a1", slots=4)
    assert hostcare.workerlock("a1", lock="host.processors=3", why="artist at work") == ["a1"]
    hand.sync(room=True)
    assert len(hand.held) == 1
    assert (info()["locks"], info()["reason"]) == ("host.processors=3", "3 of its slots locked: artist at work")
    assert hostcare.workerlock("a1", lock=False) == ["a1"]
    hand.sync(room=True)
    assert (len(hand.held), info()["locks"], info()["reason"]) == (4, "", "")
    assert [(line.verb, line.effect) for line in HistoryRow.objects.filter(host_name="a1", verb__contains="lock")] == [
        ("lock", "artist at work"),
        ("unlock", "host a1"),
    ]


def test_locking_more_slots_than_are_free_ends_nothing_that_runs() -> None:
    submission.submit({**FOUR_FRAMES, "cpus": 2})
    hand = Hand("a1", slots=2)
    hand.begin()
    hostcare.workerlock("a1", lock="host.processors=2")
    assert hand.sync()["orders"] == {}
    other = submission.submit({**FOUR_FRAMES, "cpus": 1})
    hand.report()
    assert len(hand.held) == 2
    assert reason(other) == "waits for a free slot on 1 host"


def test_a_lock_after_the_frame_lets_each_subjob_leave_once_its_frame_is_done() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Obedient("a1", slots=2)
    hand.begin()
    assert hostcare.workerlock("a1", finish=True) == ["a1"]
    hand.sync()
    assert [frame["name"] for _, frame in hand.frames] == ["1", "2"]
    hand.end_one(0)
    hand.end_one(0)
    hand.sync()
    hand.sync(room=True)
    assert hand.held == {}
    assert {work["name"]: work["status"] for work in queries.jobinfo(agenda=True)[0]["agenda"]} == {
        "1": "complete", "2": "complete", "3": "pending", "4": "pending",
    }  # fmt: skip


@pytest.mark.usefixtures("always")
def test_a_calendar_locks_within_its_windows_and_says_until_when() -> None:
    job = submission.submit(FOUR_FRAMES)
    hand = Hand("a1", slots=1)
    assert hostcare.workercalendar("a1", "Mon-Fri 09:00-18:00", why="desk of mira") == ["a1"]
    assert hand.sync(room=True)["starts"] == []
    assert reason(job) == "1 host: locked by calendar until mon 18:00"
    assert info()["reason"] == "locked by its calendar until mon 18:00"
    assert (info()["locks"], info()["calendar"]) == ("host.processors=all", "Mon-Fri 09:00-18:00")
    assert listed.one(row().pk).state == "locked"
    assert listed.farm(clock()).slots == 0
    assert orders.joborder(name="a1") == []
    assert hostcare.workercalendar("a1", "sat 09:00-18:00") == ["a1"]
    assert len(hand.sync(room=True)["starts"]) == 1
    assert hostcare.workercalendar("a1", "") == ["a1"]
    assert hostcare.workercalendar("a1", "") == []
    lines = HistoryRow.objects.filter(verb="calendar").order_by("id").values_list("effect", flat=True)
    assert list(lines) == ["Mon-Fri 09:00-18:00: desk of mira", "sat 09:00-18:00", "no calendar"]


@pytest.mark.usefixtures("always")
def test_what_runs_when_a_calendar_begins_goes_on() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand("a1", slots=1)
    hand.begin()
    hostcare.workercalendar("a1", OFFICE)
    assert hand.sync()["orders"] == {}
    assert hand.report()["name"] == "1"
    assert hand.frames[0][1]["name"] == "2"


@pytest.mark.parametrize("wrong", ["monday", 7, None, "mon 09:00-10:00," * 40])
def test_a_calendar_that_means_nothing_is_refused_and_the_old_one_stays(wrong: Any) -> None:
    Hand("a1")
    hostcare.workercalendar("a1", OFFICE)
    with pytest.raises(Invalid) as refusal:
        hostcare.workercalendar("a1", wrong)
    assert (refusal.value.field, row().calendar) == ("calendar", OFFICE)


def test_hosts_are_woken_when_a_window_of_their_calendar_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    Hand("a1")
    Hand("b1")
    hostcare.workercalendar("a1", OFFICE)
    end = calendars.until(calendars.parse(OFFICE), MONDAY_NOON, UTC)
    assert end is not None
    monkeypatch.setattr(hostcare, "clock", lambda: end)
    assert hostcare.wake_where_calendars_turned() == ["a1"]
    monkeypatch.setattr(hostcare, "clock", lambda: MONDAY_NOON)
    assert hostcare.wake_where_calendars_turned() == []


def test_a_drained_host_empties_and_stays_idle_until_it_is_let_again() -> None:
    job = submission.submit(FOUR_FRAMES)
    hand = Obedient("a1", slots=1)
    hand.begin()
    assert draining.workerdrain("a1", why="new disk") == ["a1"]
    hand.sync()
    hand.end_one(0)
    hand.sync()
    answer = hand.sync(room=True)
    assert (hand.held, answer["starts"], "asked" in answer) == ({}, [], False)
    assert info()["reason"] == "drained: new disk"
    assert reason(job) == "1 host: drained"
    assert draining.workerdrain("a1", drain=False) == ["a1"]
    assert info()["reason"] == ""
    hand.sync(room=True)
    assert len(hand.held) == 1


@pytest.mark.parametrize(("given", "field"), [({"then": "explode"}, "then"), ({"drain": "yes"}, "drain")])
def test_a_drain_that_means_nothing_is_refused_by_name(given: dict[str, Any], field: str) -> None:
    Hand("a1")
    with pytest.raises(Invalid) as refusal:
        draining.workerdrain("a1", **given)
    assert refusal.value.field == field


def test_a_host_that_speaks_too_old_a_protocol_is_drained_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand("a1", slots=1)
    hand.begin()
    job = submission.submit(FOUR_FRAMES)
    monkeypatch.setattr(locks, "OLDEST", 2)
    assert hand.sync()["orders"] == {}, "what runs goes on"
    assert "too old for this farm" in info()["reason"]
    assert "speaks protocol 1" in reason(job)
    with pytest.raises(hosts.WrongProtocol, match="protocols 2 to 2"):
        hosts.hello(hand.id, {"protocol": 1, "session": "b" * 32, "facts": {}, "held": {}})


def test_a_host_whose_worker_is_gone_for_good_is_forgotten_and_its_name_may_join_anew() -> None:
    hand = Hand("a1", slots=1)
    submission.submit(FOUR_FRAMES)
    with pytest.raises(Conflict, match="the worker of a1 is alive: end it first"):
        draining.workerforget("a1")
    hand.begin()
    with pytest.raises(Conflict, match="a1 has something running"):
        draining.workerforget("a1")
    hand.end_all()
    HostRow.objects.update(state="down")
    with acting.acting_as(Actor("bob", "artist")), pytest.raises(Refused):
        draining.workerforget("a1")
    assert draining.workerforget("a1", why="sold") == ["a1"]
    assert queries.hostinfo() == []
    assert HistoryRow.objects.get(verb="forget").effect == "sold"
    with pytest.raises(hosts.Unauthorized):
        hosts.host_for_token("qbh_anything")
    assert Hand("a1").sync(room=True)["starts"]
