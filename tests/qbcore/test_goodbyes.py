"""A worker that is stopped says so, and the farm knows at once."""

from __future__ import annotations

import pytest

from qbcore import backend, hosts, queries, signs, submission
from qbcore.models import AttemptRow, GrantRow, HistoryRow, HostRow, WorkRow
from qbcore.states import Ending, Status
from tests.hand import FOUR_FRAMES, Hand

pytestmark = pytest.mark.django_db


def effects(host: str) -> list[str]:
    return list(HistoryRow.objects.filter(host_name=host).order_by("id").values_list("effect", flat=True))


def test_a_host_whose_worker_says_goodbye_is_down_at_once() -> None:
    hand = Hand()
    hand.sync(leaving=True)
    assert queries.hostinfo(name="render-01")[0]["state"] == "down"
    assert HostRow.objects.get(pk=hand.id).reason == "its worker was stopped"
    assert effects("render-01")[-1] == "its worker was stopped"


def test_what_it_still_holds_goes_back_to_the_queue() -> None:
    hand = Hand()
    submission.submit(FOUR_FRAMES)
    hand.begin()
    hand.sync(leaving=True)
    assert not GrantRow.objects.filter(ended__isnull=True).exists()
    assert set(WorkRow.objects.values_list("status", flat=True)) == {Status.PENDING}
    assert set(AttemptRow.objects.values_list("ending", flat=True)) == {Ending.LOST}


def test_a_beat_that_comes_late_does_not_bring_it_back() -> None:
    hand = Hand()
    hand.sync(leaving=True)
    assert hosts.beat({hand.id: hand.session}) == [hand.id]
    assert HostRow.objects.get(pk=hand.id).state == "down"


def test_a_goodbye_that_is_repeated_changes_nothing() -> None:
    hand = Hand()
    hand.sync(leaving=True)
    before = effects("render-01")
    with pytest.raises(signs.WrongSession):
        backend.sync(hand.id, {"session": hand.session, "seq": hand.seq, "held": {}, "leaving": True})
    assert effects("render-01") == before


def test_it_is_up_again_with_the_next_hello() -> None:
    hand = Hand()
    hand.sync(leaving=True)
    hosts.hello(hand.id, {"protocol": 1, "session": "b" * 32, "facts": {"slots": 1}, "held": {}, "previous": ""})
    row = HostRow.objects.get(pk=hand.id)
    assert (row.state, row.reason) == ("active", "")


def test_the_lock_of_a_host_keeps_its_reason_while_the_worker_is_away() -> None:
    hand = Hand()
    HostRow.objects.filter(pk=hand.id).update(locked=True, reason="new disk")
    hand.sync(leaving=True)
    assert HostRow.objects.get(pk=hand.id).reason == "new disk"


@pytest.mark.parametrize(("ended", "lines"), [(3, 1), (0, 0), (None, 0), ("many", 0)])
def test_what_a_killed_worker_left_running_is_in_the_hosts_history(ended: object, lines: int) -> None:
    hand = Hand()
    said = {"protocol": 1, "session": "b" * 32, "previous": hand.session, "facts": {"slots": 1}, "held": {}}
    hosts.hello(hand.id, {**said, "ended": ended})
    told = "its last worker was killed: 3 processes that it had left running were ended"
    assert effects("render-01").count(told) == lines


def test_what_keeps_a_worker_from_taking_work_is_the_reason_of_its_host() -> None:
    hand = Hand()
    hand.sync(trouble="less than 64 MB are free on the disk of /var/spool")
    told = HostRow.objects.get(pk=hand.id).reason
    assert told == "its worker: less than 64 MB are free on the disk of /var/spool"
    hand.sync()
    assert HostRow.objects.get(pk=hand.id).reason == ""


def test_an_operators_reason_is_not_overwritten_by_the_workers() -> None:
    hand = Hand()
    HostRow.objects.filter(pk=hand.id).update(locked=True, reason="new disk")
    hand.sync(trouble="no room")
    hand.sync()
    assert HostRow.objects.get(pk=hand.id).reason == "new disk"
