"""News: after the commit, merged, and never more than a hint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from qbcore import acting, events
from qbcore.acting import FARM, Actor

pytestmark = pytest.mark.django_db(transaction=True)


class Heard:
    """What a listener heard, and a way to wait for more."""

    def __init__(self) -> None:
        self.hints: list[events.Hint] = []
        self._more = threading.Condition()

    def __call__(self, hint: events.Hint) -> None:
        with self._more:
            self.hints.append(hint)
            self._more.notify_all()

    def until(self, enough: Callable[[list[events.Hint]], bool]) -> list[events.Hint]:
        with self._more:
            assert self._more.wait_for(lambda: enough(self.hints), 10), self.hints
            return list(self.hints)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listens from the next moment on: what tests before this one announced is delivered first."""
    listener = Heard()
    stop = events.subscribe(listener)
    events.publisher().put("begin", (1,))
    listener.until(lambda hints: any(hint["kind"] == "begin" for hint in hints))
    listener.hints.clear()
    yield listener
    stop()


def ids(hints: list[events.Hint], kind: str) -> set[int]:
    return {one for hint in hints if hint["kind"] == kind for one in hint["ids"] or ()}


def test_news_of_one_kind_are_merged(heard: Heard) -> None:
    with transaction.atomic():
        for number in range(20):
            events.publish("job", [number, number + 1])
        events.publish("host", [7])
    hints = heard.until(lambda hints: ids(hints, "host") == {7})
    assert ids(hints, "job") == set(range(21))
    assert len(hints) < 20


def test_nothing_is_announced_before_the_commit_nor_after_a_rollback(heard: Heard) -> None:
    with transaction.atomic():
        events.publish("job", [1])
        assert heard.hints == []
    with pytest.raises(ValueError), transaction.atomic():
        events.publish("job", [2])
        raise ValueError
    events.publish("host", [3])
    hints = heard.until(lambda hints: bool(ids(hints, "host")))
    assert ids(hints, "job") == {1}


def test_too_many_to_name_is_everything(heard: Heard) -> None:
    events.publish("work", range(events.MANY + 1))
    [hint] = heard.until(bool)
    assert hint == {"kind": "work", "ids": None}


def test_a_wake_without_hosts_is_for_any_and_leaves_those_named_named(heard: Heard) -> None:
    with transaction.atomic():
        events.publish("wake", [1, 2])
        events.publish("wake", [])
        events.publish("wake", [3, *range(10, 900)])
    hints = heard.until(lambda found: len(found) == 2)
    assert hints == [{"kind": "wake", "ids": [1, 2, 3, *range(10, 900)]}, {"kind": "wake", "ids": None}]


def test_a_listener_that_fails_does_not_silence_the_others(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    def fail(hint: Any) -> None:
        raise ZeroDivisionError

    stop = events.subscribe(fail)
    other = Heard()
    stop_other = events.subscribe(other)
    events.publish("job", [5])
    assert ids(other.until(bool), "job") == {5}
    stop()
    stop_other()
    assert "a listener failed on job" in caplog.text


def test_who_stopped_listening_hears_nothing_more(heard: Heard) -> None:
    gone = Heard()
    events.subscribe(gone)()
    events.publish("job", [1])
    heard.until(bool)
    assert gone.hints == []


def test_caches_of_this_process_hear_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_at_once", [])
    monkeypatch.setattr(events, "_listeners", [])
    told: list[tuple[str, int]] = []
    events.at_once("job", lambda hint: told.append((hint["kind"], threading.get_ident())))
    events.publish("host", [1])
    events.publish("job", [1])
    assert told[0] == ("job", threading.get_ident())


def test_who_acts_is_the_farm_unless_somebody_is_named_and_again_afterwards() -> None:
    mira = Actor("mira", "artist")
    assert acting.current() == FARM
    with pytest.raises(ValueError), acting.acting_as(mira):
        assert acting.current() == mira
        raise ValueError
    assert acting.current() == FARM
    assert (FARM.machine, mira.machine) == (True, False)


def test_another_thread_does_not_act_for_this_one() -> None:
    seen: list[Actor] = []
    with acting.acting_as(Actor("mira", "artist")):
        thread = threading.Thread(target=lambda: seen.append(acting.current()))
        thread.start()
        thread.join(10)
    assert seen == [FARM]
