"""Hosts join once, speak with one voice, and are given up when they are silent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from qbcore import folding, hosts, housekeeping, permissions, queries, submission, verbs
from qbcore.errors import Conflict, Invalid, QubeError, Unauthorized
from qbcore.models import AttemptRow, DutyRow, GrantRow, HistoryRow, HostRow, JoinTokenRow, WorkRow
from qbcore.states import Status
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {"os": "Linux", "processors": 8, "memory": 16000}


def join(name: str = "render-01", token: str | None = None, protocol: Any = 1) -> dict[str, Any]:
    given = permissions.new_join_token() if token is None else token
    return hosts.join({"name": name, "token": given, "protocol": protocol})


def hello(host: int, session: str = "a" * 32, **said: Any) -> dict[str, Any]:
    return hosts.hello(host, {"protocol": 1, "session": session, "facts": FACTS, "held": {}, **said})


def silence(host: int, seconds: float = 1000) -> None:
    HostRow.objects.filter(pk=host).update(seen=timezone.now() - timedelta(seconds=seconds))


def keep_house() -> None:
    """Housekeeping runs, and has run all the time."""
    DutyRow.objects.update_or_create(name="heard", defaults={"ticked": timezone.now()})
    housekeeping.reap()


def test_a_join_token_works_once() -> None:
    token = permissions.new_join_token()
    joined = join(token=token)
    assert hosts.host_for_token(joined["token"]) == joined["host"]
    with pytest.raises(Unauthorized, match="jointoken"):
        join("render-02", token=token)
    assert not HostRow.objects.filter(name="render-02").exists()


def test_a_join_token_expires_and_may_be_for_one_name() -> None:
    old = permissions.new_join_token()
    JoinTokenRow.objects.update(expires=timezone.now() - timedelta(seconds=1))
    for token in (old, permissions.new_join_token(host="render-09"), "qbj_guess", ""):
        with pytest.raises(Unauthorized):
            join(token=token)
    assert join("render-09", token=permissions.new_join_token(host="render-09"))["name"] == "render-09"


def test_neither_token_is_stored_as_it_is() -> None:
    token = permissions.new_join_token()
    joined = join(token=token)
    stored = {*JoinTokenRow.objects.values_list("token", flat=True), *HostRow.objects.values_list("token", flat=True)}
    assert not {token, joined["token"]} & stored


@pytest.mark.parametrize("name", ["", "a b", "-x", "a/b", "x" * 64, "ä", "a\n"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="no name for a host"):
        join(name)


def test_a_name_whose_worker_is_alive_is_refused_and_the_token_kept() -> None:
    hello(join()["host"])
    token = permissions.new_join_token()
    with pytest.raises(Conflict, match="alive"):
        join(token=token)
    assert join("render-02", token=token)


def test_a_host_that_is_down_may_join_anew_and_its_old_token_is_dead() -> None:
    first = join()
    hello(first["host"])
    silence(first["host"])
    keep_house()
    second = join()
    assert second["host"] == first["host"]
    with pytest.raises(Unauthorized):
        hosts.host_for_token(first["token"])


@pytest.mark.parametrize("protocol", [0, 3, "1", None, True])
def test_another_protocol_is_refused_with_its_number(protocol: Any) -> None:
    for ask in (lambda: join(protocol=protocol), lambda: hello(1, protocol=protocol)):
        with pytest.raises(QubeError, match="the protocols 1 to 2") as refusal:
            ask()
        assert refusal.value.status == 426


def test_a_hello_tells_what_to_keep_to() -> None:
    host = join()["host"]
    answer = hello(host)
    assert (answer["host"], answer["name"], answer["slots"], answer["keep"]) == (host, "render-01", 8, [])
    assert 0 < answer["beat"] < answer["lease"]
    row = HostRow.objects.get()
    assert (row.state, row.os, row.totals["memory"], row.properties) == ("active", "Linux", 16000, {"cores": 8})


def test_a_second_live_worker_of_a_host_is_refused_and_disturbs_nothing() -> None:
    hand = Hand()
    with pytest.raises(Conflict, match="another live worker") as refusal:
        hello(hand.id, "b" * 32)
    assert refusal.value.code == "session"
    assert hand.sync()["next"]


def test_a_worker_that_follows_one_proves_it_and_the_first_is_told() -> None:
    hand = Hand()
    hello(hand.id, "b" * 32, previous=hand.session)
    with pytest.raises(Conflict) as refusal:
        hand.sync()
    assert refusal.value.code == "session"


def test_a_worker_may_speak_for_a_host_that_was_silent_for_a_lease() -> None:
    hand = Hand()
    silence(hand.id)
    assert hello(hand.id, "b" * 32)["name"] == "render-01"


def test_a_hello_that_was_repeated_arrives_too_late() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand()
    hello(hand.id, hand.session)
    hand.begin()
    with pytest.raises(Conflict) as refusal:
        hello(hand.id, hand.session)
    assert refusal.value.code == "seq"
    assert GrantRow.objects.filter(ended__isnull=True).count() == 2


@pytest.mark.parametrize("session", ["", "xyz", "a" * 15, "a" * 65, "A" * 32])
def test_a_session_is_hexadecimal(session: str) -> None:
    with pytest.raises(Invalid, match="session"):
        hello(join()["host"], session)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        (None, "facts"),
        ([], "facts"),
        ({"slots": 0.5}, "facts.slots"),
        ({"slots": 5000}, "facts.slots"),
        ({"slots": "many"}, "facts.slots"),
        ({"memory": -1}, "facts.memory"),
        ({"memory": float("nan")}, "facts.memory"),
        ({"resources": ["x"]}, "facts.resources"),
        ({"resources": {"gpus": "two"}}, "facts.gpus"),
        ({"properties": "x"}, "facts.properties"),
        ({"jobtypes": 3}, "facts.jobtypes"),
    ],
)
def test_facts_are_checked_because_a_worker_is_just_a_program(facts: Any, field: str) -> None:
    host = join()["host"]
    with pytest.raises(Invalid) as refusal:
        hello(host, facts=facts)
    assert refusal.value.to_wire()["field"] == field
    assert HostRow.objects.get().state == "none"


@pytest.mark.parametrize("held", [[1], {"x": [1]}, {"1": 2}, {"1": ["x"]}, {"1": [2**70]}])
def test_what_a_worker_says_it_holds_is_checked(held: Any) -> None:
    with pytest.raises(Invalid, match=r"held|grants"):
        hello(join()["host"], held=held)


def test_odd_texts_among_the_facts_are_stored_plainly() -> None:
    host = join()["host"]
    facts = {"os": "x" * 500, "slots": 2, "properties": {"a\x00": "b\x00c", "n": 3, "deep": {"x": 1}}}
    hello(host, facts=facts)
    row = HostRow.objects.get()
    assert (len(row.os), row.properties) == (200, {"a": "bc", "n": 3, "deep": "{'x': 1}"})


def test_a_worker_that_comes_back_keeps_what_it_still_holds() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand()
    hand.begin()
    [kept, lost] = sorted(hand.held)
    held = {str(kept): hand.held[kept]}
    assert hello(hand.id, "b" * 32, previous=hand.session, held=held)["keep"] == [kept]
    assert list(GrantRow.objects.order_by("pk").values_list("pk", "ending")) == [(kept, ""), (lost, "lost")]
    assert sorted(AttemptRow.objects.values_list("ending", flat=True)) == ["", "lost"]
    assert list(WorkRow.objects.order_by("pos").values_list("status", flat=True))[:2] == [
        Status.RUNNING,
        Status.PENDING,
    ]


def test_a_silent_host_is_given_up_and_its_frames_are_rendered_elsewhere() -> None:
    job = submission.submit(FOUR_FRAMES)["id"]
    hand = Hand()
    hand.begin()
    silence(hand.id)
    keep_house()
    host = HostRow.objects.get()
    assert (host.state, host.reason) == ("down", "no sign of life")
    assert set(AttemptRow.objects.values_list("ending", flat=True)) == {"lost"}
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
    assert HistoryRow.objects.get(verb="down").effect.endswith("2 subjobs went back to the queue")
    assert drive(Hand("render-02")) == ["1", "2", "3", "4"]
    assert queries.jobinfo(id=job)[0]["status"] == "complete"


def test_a_host_is_given_up_once() -> None:
    hand = Hand()
    silence(hand.id)
    keep_house()
    keep_house()
    assert HistoryRow.objects.filter(verb="down").count() == 1


def test_a_sign_of_life_keeps_a_host() -> None:
    hand = Hand()
    silence(hand.id)
    assert hosts.beat({hand.id: hand.session}) == []
    keep_house()
    assert HostRow.objects.get().state == "active"


def test_a_beat_of_another_session_is_no_sign_of_life() -> None:
    hand = Hand()
    silence(hand.id)
    assert hosts.beat({hand.id: "c" * 32}) == [hand.id]
    keep_house()
    assert HostRow.objects.get().state == "down"


def test_after_a_pause_of_housekeeping_nobody_is_given_up() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand()
    hand.begin()
    silence(hand.id)
    DutyRow.objects.update_or_create(name="heard", defaults={"ticked": timezone.now() - timedelta(seconds=1000)})
    housekeeping.reap()
    housekeeping.reap()
    assert HostRow.objects.get().state == "active"
    assert set(AttemptRow.objects.values_list("ending", flat=True)) == {""}
    silence(hand.id)
    housekeeping.reap()
    assert HostRow.objects.get().state == "down", "it had its lease, and was silent again"


def test_while_nobody_serves_that_hosts_can_speak_to_none_is_given_up() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand()
    hand.begin()
    housekeeping.serves()
    DutyRow.objects.filter(name="serving").update(ticked=timezone.now() - timedelta(seconds=1000))
    for _ in range(3):
        silence(hand.id)
        keep_house()
    assert HostRow.objects.get().state == "active"
    assert set(AttemptRow.objects.values_list("ending", flat=True)) == {""}
    housekeeping.serves()
    keep_house()
    assert HostRow.objects.get().state == "active", "it has its lease from when it can speak again"
    silence(hand.id)
    keep_house()
    assert HostRow.objects.get().state == "down"


def test_a_job_that_lost_a_suspended_subjob_starts_nothing_until_somebody_looks() -> None:
    job = submission.submit({**FOUR_FRAMES, "cpus": 3})["id"]
    hand = Hand(slots=2)
    hand.begin()
    folding.sweep()
    verbs.suspend(job)
    silence(hand.id)
    keep_house()
    folding.sweep()
    [found] = queries.jobinfo(id=job)
    assert (found["status"], found["todotally"]["pending"], found["cpustally"]["blocked"]) == ("blocked", 4, 3)
    assert found["reason"] == "render-01 was lost while suspended: unblock to go on"
    assert drive(Hand("render-02")) == []
    verbs.unblock(job)
    assert queries.jobinfo(id=job)[0]["reason"] == "waits for its turn: 1 host can take it"
    assert drive(Hand("render-03")) == ["1", "2", "3", "4"]


def test_the_history_says_that_a_worker_started_anew_without_what_it_had() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Obedient("render-07")
    hand.begin()
    hand.die()
    told = HistoryRow.objects.get(verb="restart")
    assert (told.actor, told.machine, told.host_name) == ("farm", True, "render-07")
    assert told.effect == "its worker started anew without 2 subjobs, which went back to the queue"
    hand.die()
    assert HistoryRow.objects.filter(verb="restart").count() == 1, "it had nothing the second time"


def test_the_worker_of_a_host_that_was_forgotten_is_refused_for_good() -> None:
    hand = Hand()
    HostRow.objects.filter(pk=hand.id).delete()
    with pytest.raises(Unauthorized, match="join again"):
        hand.sync()
