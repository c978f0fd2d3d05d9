"""Work that waits wakes as many hosts as it needs and a few more; the others have their turn later."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Q

from qbcore import backend, rousing, submission
from qbcore.models import HostRow, SubjobRow
from qbcore.rousing import Rousing
from qbcore.states import Status
from qbcore.waiting import waiting
from tests.hand import Hand

pytestmark = pytest.mark.django_db


@pytest.fixture
def rouser(monkeypatch: pytest.MonkeyPatch) -> Rousing:
    """One that knows of nobody yet, also for dispatch."""
    fresh = Rousing()
    monkeypatch.setattr("qbcore.dispatch.rousing", fresh)
    monkeypatch.setattr("qbcore.backend.rousing", fresh)
    return fresh


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(rousing.time, "monotonic", lambda: now[0])
    return now


def idle(count: int) -> dict[int, Hand]:
    """Hosts that have asked and got nothing."""
    hands = [Hand(f"node{number:02d}", slots=1) for number in range(count)]
    for hand in hands:
        hand.sync(room=True)
    return {hand.id: hand for hand in hands}


def work(subjobs: int, **said: Any) -> int:
    package = {"cmdline": "true", "range": f"1-{subjobs}"}
    job = submission.submit({"prototype": "cmdrange", "package": package, "cpus": subjobs, **said})[0]["id"]
    waiting.reload()  # inside a test's transaction nobody hears of a commit
    return int(job)


def test_ten_subjobs_wake_twelve_of_thirty_idle_hosts(rouser: Rousing) -> None:
    hands = idle(30)
    assert rouser.whom(hands) == []
    work(10)
    assert len(rouser.whom(hands)) == 12


def test_hosts_that_cannot_take_the_work_sleep_on(rouser: Rousing) -> None:
    hands = idle(12)
    work(5, hosts="node03,node07")
    woken = rouser.whom(hands)
    assert sorted(HostRow.objects.filter(pk__in=woken).values_list("name", flat=True)) == ["node03", "node07"]


def test_hosts_without_room_sleep_on(rouser: Rousing) -> None:
    hands = idle(4)
    work(2)
    busy = [hand for hand in hands.values() if hand.sync(room=True)["starts"]]
    work(4)
    assert sorted(rouser.whom(hands)) == sorted(set(hands) - {hand.id for hand in busy})


def test_what_still_waits_wakes_the_others_later(rouser: Rousing, clock: list[float]) -> None:
    hands = idle(20)
    work(5)
    first = rouser.whom(hands)
    for host in first:
        rouser.in_vain(rouser._vain[host][0])  # they asked, and for some reason got nothing
    clock[0] += 1
    second = rouser.whom(hands, again=True)
    assert (len(first), len(second)) == (6, 6)
    assert not set(first) & set(second)


def test_new_work_wakes_hosts_that_asked_in_vain_a_moment_ago(rouser: Rousing, clock: list[float]) -> None:
    hands = idle(3)
    work(1)
    first = rouser.whom(hands)
    clock[0] += 0.5
    for host in first:
        rouser.in_vain(rouser._vain[host][0])
    clock[0] += 0.5
    work(3)
    assert sorted(rouser.whom(hands)) == sorted(hands)


def test_hosts_that_asked_another_process_are_woken_too(rouser: Rousing) -> None:
    hands = idle(10)
    for host in hands:
        rouser.left(host)
    work(5)
    assert len(rouser.whom(hands)) == 6


def test_a_host_that_nobody_wakes_finds_the_work_when_it_asks_by_itself(rouser: Rousing) -> None:
    hands = idle(1)
    job = work(1)
    [hand] = hands.values()
    assert 0 < hand.sync(room=True)["next"] <= 10
    assert SubjobRow.objects.filter(Q(status=Status.RUNNING), job_id=job).exists()


def test_on_a_large_farm_hosts_ask_by_themselves_less_often(rouser: Rousing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rousing.hosts, "active_hosts", lambda: 5000)
    assert rouser.patience(busy=False) == 200
    assert rouser.patience(busy=True) == 50
    assert backend.rousing is rouser
