"""How far frames are: what workers say of it is stored once for all, never back, and read by scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from qbcore import events, progress, submission
from qbcore.errors import Invalid
from qbcore.models import AttemptRow
from qbcore.queries import jobinfo
from tests.hand import Hand

pytestmark = pytest.mark.django_db(transaction=True)
JOB = {"prototype": "cmdrange", "cpus": 2, "package": {"cmdline": "true", "range": "1-4"}}


@pytest.fixture
def hand() -> Hand:
    """Two frames of a job run on it, frames 1 and 2."""
    submission.submit(JOB)
    hand = Hand()
    hand.begin()
    return hand


def running(hand: Hand) -> list[int]:
    return [attempts[0] for attempts in hand.held.values() if attempts]


def stored() -> dict[int, int | None]:
    return dict(AttemptRow.objects.order_by("pk").values_list("pk", "progress"))


def test_what_a_request_says_stands_in_the_attempt_and_the_api(hand: Hand) -> None:
    one, two = running(hand)
    hand.sync(progress={str(one): 40, str(two): 0})
    assert stored() == {one: 40, two: 0}
    [job] = jobinfo(agenda=True)
    assert [work["percent"] for work in job["agenda"]] == [40, 0, 0, 0]


def test_it_never_goes_back_and_stops_with_the_attempt(hand: Hand) -> None:
    one, two = running(hand)
    hand.sync(progress={str(one): 40, str(two): 70})
    hand.sync(progress={str(one): 39, str(two): 71})
    assert stored() == {one: 40, two: 71}
    hand.report(0)
    hand.sync(progress={str(one): 99})
    assert AttemptRow.objects.get(pk=one).progress == 40
    [job] = jobinfo(agenda=True)
    assert [work["percent"] for work in job["agenda"]][:2] == [100, 71]


def test_a_host_speaks_for_its_own_attempts_only(hand: Hand) -> None:
    one, two = running(hand)
    assert progress.store({hand.id + 1: {one: 50, two: 50}}) == []
    assert stored() == {one: None, two: None}


def test_all_hosts_of_a_moment_are_written_together_and_told_once(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, list[int]]] = []

    class Direct:
        def put(self, kind: str, ids: Iterable[int]) -> None:
            told.append((kind, sorted(ids)))

    submission.submit(JOB)
    other = Hand("render-02")
    other.begin()
    monkeypatch.setattr(events, "publisher", Direct)
    jobs = sorted(set(AttemptRow.objects.values_list("job_id", flat=True)))
    wanted = {hand.id: dict.fromkeys(running(hand), 10), other.id: dict.fromkeys(running(other), 20)}
    assert progress.store(wanted) == jobs
    assert told == [("progress", jobs)]
    assert sorted(stored().values(), key=str) == [10, 10, 20, 20]
    assert progress.store(wanted) == [] and len(told) == 1, "nothing changed, so there is no news"


@pytest.mark.parametrize(
    "said",
    [[], {"a": 1}, {"1": "50"}, {"1": -1}, {"1": 101}, {"1": True}, {"1" * 19: 1}, {str(n): 1 for n in range(1, 4098)}],
)
def test_what_is_no_progress_is_refused(said: Any) -> None:
    with pytest.raises(Invalid, match="progress"):
        progress.read(said)
