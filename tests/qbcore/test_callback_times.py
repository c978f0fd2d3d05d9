"""Callbacks that wait for a time or listen to hosts, and what runs for longer than its timeout."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from qbcore import callbacks, folding, hostcare, hosts, queries, submission, verbs
from qbcore.models import AttemptRow, FiringRow, GrantRow, HostRow, TermRow
from tests.hand import FOUR_FRAMES, Hand

pytestmark = pytest.mark.django_db


def on(*triggers: str) -> dict[str, Any]:
    return {"triggers": list(triggers), "language": "qube", "code": "unblock-self"}


def submit(*callbacks: dict[str, Any], **given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, "callbacks": list(callbacks), **given})["id"])


def fired() -> list[str]:
    return list(FiringRow.objects.order_by("pk").values_list("event", flat=True))


def late(**how: float) -> None:
    TermRow.objects.update(due=F("due") - timedelta(**how))


def test_a_time_comes_once() -> None:
    job = submit(on("dummy-time-self-+60"))
    assert callbacks.ring() == 0
    late(seconds=61)
    assert (callbacks.ring(), callbacks.ring()) == (1, 0)
    assert fired() == ["dummy-time"]
    assert queries.jobinfo(id=job, callbacks=True)[0]["callbacks"][0]["count"] == 1


def test_a_moment_in_unix_seconds_that_is_over_comes_at_once() -> None:
    submit(on("dummy-time-self-1700000000"))
    callbacks.ring()
    assert fired() == ["dummy-time"]


def test_a_repeated_time_comes_once_for_all_that_were_missed_and_while_its_job_lives() -> None:
    job = submit(on("dummy-repeat-self-60"))
    late(seconds=200)
    callbacks.ring()
    callbacks.ring()
    assert len(fired()) == 1
    late(seconds=60)
    callbacks.ring()
    assert len(fired()) == 2
    verbs.kill(job)
    late(seconds=60)
    callbacks.ring()
    assert len(fired()) == 2


def test_a_time_joined_with_an_event_waits_for_both() -> None:
    job = submit(on("dummy-time-self-+60 && killed-job-self"))
    late(seconds=61)
    callbacks.ring()
    assert fired() == []
    verbs.kill(job)
    assert fired() == [f"killed-job-{job}"]


def test_a_timeout_is_announced_once_a_subjob_and_item() -> None:
    job = submit(
        on("timeout-job-self"), on("timeout-subjob-self-*"), on("timeout-work-self-*"),
        timeout=100, agendatimeout="50", cpus=2,
    )  # fmt: skip
    hand = Hand(slots=2)
    hand.begin()
    folding.sweep()
    assert callbacks.raise_timeouts() == 0
    AttemptRow.objects.update(started=F("started") - timedelta(seconds=60))
    assert (callbacks.raise_timeouts(), callbacks.raise_timeouts()) == (2, 0)
    GrantRow.objects.update(started=F("started") - timedelta(seconds=110))
    assert (callbacks.raise_timeouts(), callbacks.raise_timeouts()) == (2, 0)
    kinds = [(row.event, row.frame, row.subjob) for row in FiringRow.objects.order_by("pk")]
    assert sorted(kinds) == sorted(
        [
            *((f"timeout-work-{job}-{frame}", frame, -1) for frame in "12"),
            *((f"timeout-subjob-{job}-{number}", "", number) for number in (0, 1)),
            (f"timeout-job-{job}", "", -1),
        ]
    )
    submission.modify({"timeout": 1000, "agenda_timeout": -1}, job)
    [found] = queries.jobinfo(id=job)
    assert (found["timeout"], found["agenda_timeout"]) == (1000, -1)


def test_hosts_raise_events_under_their_own_names_or_any() -> None:
    submit(on("submit-host-any", "running-host-self-render-07"), on("failed-host-render-07"), on("blocked-host-other"))
    hand = Hand("render-07")
    assert fired() == ["submit-host-render-07", "running-host-render-07"]
    hand.sync()
    hostcare.workerlock("render-07", why="smoke")
    hostcare.workerlock("render-07", why="still")
    HostRow.objects.update(seen=F("seen") - timedelta(hours=1))
    hosts.give_up_silent()
    assert fired()[2:] == ["failed-host-render-07"]
    hosts.beat({hand.id: hand.session})
    hosts.beat({hand.id: hand.session})
    assert fired()[3:] == ["running-host-render-07"]


def test_a_lock_of_a_host_is_remembered_until_it_is_unlocked() -> None:
    Hand("render-07")
    job = submit(on("blocked-host-render-07 && killed-job-self"))
    hostcare.workerlock("render-07")
    hostcare.workerlock("render-07", lock=False)
    verbs.kill(job)
    assert fired() == []
    hostcare.workerban("render-07")
    assert fired() == ["blocked-host-render-07"]
