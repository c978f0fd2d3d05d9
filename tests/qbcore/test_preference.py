"""hostorder: a job waits a moment for the host that it would rather have."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import dispatch, events, hosts, preference, submission
from qbcore.errors import BadExpression
from qbcore.models import HostRow
from tests.hand import FOUR_FRAMES, Hand

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The process's clock, to be turned by hand; and nothing passed over before."""
    now = [1000.0]
    monkeypatch.setattr(preference.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(preference, "passed", preference.Passed())
    return now


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The hosts that are asked to look for work."""
    found: list[int] = []
    monkeypatch.setattr(events, "publish", lambda kind, ids: found.extend(ids) if kind == "wake" else None)
    return found


def host(name: str, speed: int, slots: int = 1) -> Hand:
    hand = Hand(name, slots)
    facts = {"os": "Linux", "slots": slots, "processor_speed": speed}
    hosts.hello(hand.id, {"protocol": 1, "session": hand.session, "facts": facts, "held": {}})
    return hand


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "cpus": 1, "hostorder": "host.processor_speed", **given})["id"])


def given(hand: Hand) -> list[int]:
    return [start["job"]["id"] for start in hand.sync(room=True)["starts"]]


def test_a_host_leaves_the_job_to_a_better_one_and_wakes_it(clock: list[float], woken: list[int]) -> None:
    slow, fast, job = host("a-slow", 1000), host("b-fast", 3000), submit()
    woken.clear()
    answer = slow.sync(room=True)
    assert (answer["starts"], answer["next"]) == ([], 0.5), "it asks again soon"
    assert fast.id in woken
    assert given(fast) == [job]


def test_after_three_seconds_the_host_that_asks_takes_it(clock: list[float]) -> None:
    slow, _, job = host("a-slow", 1000), host("b-fast", 3000), submit()
    assert given(slow) == []
    clock[0] += 2.9
    assert given(slow) == []
    clock[0] += 0.2
    assert given(slow) == [job]


def test_a_job_that_was_passed_over_long_ago_waits_again(clock: list[float]) -> None:
    slow, _, job = host("a-slow", 1000), host("b-fast", 3000), submit()
    assert given(slow) == []
    clock[0] += 61
    assert given(slow) == []
    clock[0] += 4
    assert given(slow) == [job]


def test_other_jobs_are_taken_meanwhile(clock: list[float]) -> None:
    slow, _ = host("a-slow", 1000), host("b-fast", 3000)
    submit(priority=1)
    plain = submit(hostorder="")
    assert given(slow) == [plain]


@pytest.mark.parametrize("why", ["busy", "locked", "banned", "down", "not allowed"])
def test_a_better_host_that_cannot_start_it_now_is_not_waited_for(why: str, clock: list[float]) -> None:
    slow, fast = host("a-slow", 1000), host("b-fast", 3000)
    if why == "busy":
        assert len(given(fast)) == len(given(fast)) == 0
        blocker = submit(hosts="b-fast")
        assert given(fast) == [blocker]
    elif why != "not allowed":
        changed: dict[str, Any] = {"locked": {"locked": True}, "banned": {"banned": True}, "down": {"state": "down"}}
        HostRow.objects.filter(pk=fast.id).update(**changed[why])
    job = submit(omithosts="b-fast" if why == "not allowed" else "")
    assert given(slow) == [job]


def test_the_smallest_goes_first_with_a_minus(clock: list[float]) -> None:
    slow, fast, job = host("a-slow", 1000), host("b-fast", 3000), submit(hostorder="-host.processor_speed")
    assert (given(fast), given(slow)) == ([], [job])


def test_a_hostorder_is_read_when_the_job_is_submitted() -> None:
    with pytest.raises(BadExpression, match="hostorder: 'speed' gives no order"):
        submit(hostorder="host.name,speed")
    assert dispatch.waiting.known(1) is None


def test_a_better_host_that_never_takes_it_delays_the_job_once(clock: list[float]) -> None:
    slow, _, job = host("a-slow", 1000, slots=2), host("b-fast", 3000), submit(cpus=2)
    assert given(slow) == []
    clock[0] += 4
    assert given(slow) == [job, job]


def test_a_request_passes_over_so_many_jobs_and_no_more(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preference, "MOST", 2)
    slow, _ = host("a-slow", 1000, slots=4), host("b-fast", 3000)
    jobs = [submit() for _ in range(4)]
    assert given(slow) == jobs[2:]
