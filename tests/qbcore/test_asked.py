"""Workers are asked to start anew or to end, once nothing runs; what they tell of their hosts anew is taken in."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import backend, draining, hostcare, hosts, queries, submission
from qbcore.errors import Invalid
from qbcore.models import HistoryRow, HostRow
from tests.hand import FOUR_FRAMES, Hand, Obedient

pytestmark = pytest.mark.django_db
FACTS = {"os": "linux", "slots": 2, "processors": 4, "kernel": "6.1", "model": "Fine CPU", "gpus": ["RTX", "RTX"]}


def row() -> HostRow:
    return HostRow.objects.get()


def hello(hand: Hand, session: str, **facts: Any) -> dict[str, Any]:
    said = {"protocol": 2, "session": session * 32, "previous": hand.session, "held": {}}
    answer = hosts.hello(hand.id, {**said, "facts": {**FACTS, **facts}})
    hand.session, hand.seq, hand.held, hand.frames = session * 32, 0, {}, []
    return answer


def test_a_worker_is_asked_to_start_anew_once_nothing_runs_and_again_until_it_has() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Obedient("a1", slots=1)
    hand.begin()
    draining.workerdrain("a1", then="restart", why="new release")
    assert "asked" not in hand.sync()
    hand.end_one(0)
    assert [hand.sync().get("asked") for _ in range(3)] == ["restart"] * 3
    hello(hand, "b")
    assert (row().drain, row().reason) == ("", "")
    answer = hand.sync(room=True)
    assert "asked" not in answer and len(answer["starts"]) == 1
    lines = HistoryRow.objects.filter(verb__in=["drain", "undrain"]).order_by("id").values_list("actor", "effect")
    assert [effect for _, effect in lines] == [
        "its worker starts anew once nothing runs: new release",
        "the worker of a1 was started anew",
    ]


def test_a_restart_at_once_hands_the_frames_back_first() -> None:
    submission.submit(FOUR_FRAMES)
    hand, other = Obedient("a1", slots=1), Obedient("b1", slots=1)
    hand.begin()
    draining.workerdrain("a1", then="restart", purge=True)
    hand.sync()
    assert hand.sync()["asked"] == "restart"
    other.begin()
    assert [frame["name"] for _, frame in other.frames] == ["1"]


def test_a_hello_that_is_repeated_or_comes_from_a_crash_before_the_stop_does_not_undo_it() -> None:
    hand = Hand("a1", slots=1)
    draining.workerdrain("a1", then="stop")
    hello(hand, "b")
    assert row().drain == "stop", "it was started before it was told"
    assert hand.sync()["asked"] == "stop"
    assert hand.sync()["asked"] == "stop", "the first answer may have been lost"
    hello(hand, "c")
    assert row().drain == ""
    assert HistoryRow.objects.filter(effect="the worker of a1 was started again").count() == 1


def test_the_last_of_two_operators_counts_and_undoing_takes_the_ask_back() -> None:
    hand = Hand("a1", slots=1)
    assert draining.workerdrain("a1", then="stop") == ["a1"]
    assert draining.workerdrain("a1", then="restart") == ["a1"]
    assert draining.workerdrain("a1", then="restart") == []
    assert hand.sync()["asked"] == "restart"
    draining.workerdrain("a1", drain=False)
    assert "asked" not in hand.sync()


def test_facts_of_a_host_are_shown_and_asked_for_as_properties() -> None:
    hand = Hand("a1", slots=1)
    assert hello(hand, "b")["protocol"] == 2
    found = hostcare.workerconfig("a1")
    assert found["facts"] == {"kernel": "6.1", "model": "Fine CPU", "gpus": ["RTX", "RTX"]}
    assert found["protocol"] == 2
    job = submission.submit({**FOUR_FRAMES, "requirements": "host.gpus > 1 and host.kernel == 6.1"})
    assert {start["job"]["id"] for start in hand.sync(room=True)["starts"]} == {job["id"]}


def test_a_worker_s_cluster_and_groups_hold_until_an_operator_sets_others() -> None:
    hand = Hand("a1", slots=1)
    hello(hand, "b", cluster="/show", groups="gpu")
    assert (row().cluster, row().groups) == ("/show", "gpu")
    hostcare.updateworkerproperties("a1", {"groups": "fast"})
    hand.sync(facts={**FACTS, "cluster": "/film", "groups": "gpu,big", "properties": {"rack": 7}})
    assert (row().cluster, row().groups, row().properties["rack"]) == ("/film", "fast", 7)
    hostcare.updateworkerproperties("a1", {"groups": None})
    assert row().groups == "gpu,big"
    hand.sync(facts=FACTS)
    assert (row().cluster, row().groups) == ("/", "")


@pytest.mark.parametrize("facts", ["much", {"slots": 0.5}, {"slots": 2, "gpus": "RTX"}, {"resources": {"x": -1}}])
def test_facts_that_cannot_be_are_refused_and_change_nothing(facts: Any) -> None:
    hand = Hand("a1", slots=1)
    before = HostRow.objects.values("told", "totals", "properties", "facts").get()
    with pytest.raises(Invalid):
        backend.sync(hand.id, {"session": hand.session, "seq": 1, "held": {}, "facts": facts})
    assert HostRow.objects.values("told", "totals", "properties", "facts").get() == before


def test_a_worker_of_the_first_protocol_goes_on_working() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand("a1", slots=1)
    assert row().protocol == 1
    hand.begin()
    assert hand.report()["name"] == "1"
    assert queries.hostinfo(name="a1")[0]["locks"] == ""
