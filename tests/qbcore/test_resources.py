"""Licences and global resources: counted once for the whole farm, taken with a place and given back with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from qbcore import acting, folding, hosts, housekeeping, queries, resources, submission, verbs
from qbcore.acting import Actor
from qbcore.control.placing import Placed
from qbcore.errors import Invalid, Refused
from qbcore.models import DutyRow, GrantRow, HistoryRow, HostRow, ResourceRow
from tests.hand import FOUR_FRAMES, Hand, Obedient, drive
from tests.make import make_host

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    return int(submission.submit({**FOUR_FRAMES, **given})["id"])


def used(name: str = "license.maya") -> int:
    return ResourceRow.objects.get(pk=name).used


def started(hand: Hand) -> list[int]:
    return [start["job"]["id"] for start in hand.sync(room=True)["starts"]]


def test_what_the_farm_shares_is_set_read_and_taken_away() -> None:
    assert resources.getresources() == {}
    assert resources.updateresources({"license.maya": 5, "global.tape": "1"}) == {
        "global.tape": {"total": 1, "used": 0, "avail": 1},
        "license.maya": {"total": 5, "used": 0, "avail": 5},
    }
    assert resources.updateresources("license.maya=2, global.tape=3")["license.maya"]["total"] == 2
    assert list(resources.updateresources({"global.tape": None})) == ["license.maya"]
    assert [row.effect for row in HistoryRow.objects.filter(verb="updateresources").order_by("pk")] == [
        "global.tape none → 1, license.maya none → 5",
        "global.tape 1 → 3, license.maya 5 → 2",
        "global.tape 3 → none",
    ]


@pytest.mark.parametrize(
    "given",
    [{}, "", 5, {"maya": 1}, {"host.memory": 1}, {"license.maya": -1}, {"license.maya": "many"}, {"license.maya": True},
     {"license.maya": 2**40}, "license.maya", {"license.": 1}, {"license.²": "²"}],
)  # fmt: skip
def test_what_sets_nothing_is_refused(given: Any) -> None:
    with pytest.raises(Invalid):
        resources.updateresources(given)
    assert not ResourceRow.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "artist", "operator", "attempt"])
def test_only_an_admin_sets_what_the_farm_shares(role: str) -> None:
    with acting.acting_as(Actor("mira", role)), pytest.raises(Refused, match="admins have it"):
        resources.updateresources({"license.maya": 1})
    with acting.acting_as(Actor("mira", "admin")):
        assert resources.updateresources({"license.maya": 1})


def test_a_subjob_takes_its_licence_and_gives_it_back_when_its_processes_are_gone() -> None:
    resources.updateresources({"license.maya": 1})
    first, second = (submit(cpus=1, reservations="license.maya=1") for _ in range(2))
    worker, other = Obedient(slots=2), Obedient("render-02", slots=2)
    assert started(worker) == [first]
    assert (used(), started(other)) == (1, [])
    verbs.kill(first)
    worker.sync()
    assert (used(), started(other)) == (1, []), "it has only been told to end it"
    worker.sync()
    assert (used(), started(other), used()) == (0, [second], 1)
    assert queries.jobinfo(id=second, subjobs=True)[0]["status"] == "pending", "not folded yet"
    assert GrantRow.objects.get(job_id=second).taken == {"host.processors": 1, "license.maya": 1}


def test_a_licence_is_no_resource_of_the_host() -> None:
    resources.updateresources({"license.maya": 1})
    submit(cpus=1, reservations="license.maya=1")
    started(Hand(slots=2))
    assert "license" not in queries.hostinfo()[0]["resources"]


def test_all_or_nothing_is_taken() -> None:
    resources.updateresources({"license.maya": 5, "license.nuke": 1})
    both = submit(cpus=2, reservations="license.maya=2,license.nuke=1")
    assert started(Hand(slots=4)) == [both]
    assert (used("license.maya"), used("license.nuke")) == (2, 1)


def test_as_much_as_is_free_is_taken_by_who_asks_for_it() -> None:
    resources.updateresources({"license.maya": 5})
    submit(cpus=1, priority=1, reservations="license.maya=2")
    greedy = submit(cpus=1, reservations="license.maya=2+")
    assert greedy in started(Hand(slots=4))
    assert (used(), GrantRow.objects.get(job_id=greedy).taken["license.maya"]) == (5, 3)


def test_a_placement_that_finds_the_licence_gone_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    resources.updateresources({"license.maya": 1})
    job = submit(cpus=1, reservations="license.maya=1")
    ResourceRow.objects.update(used=1)
    monkeypatch.setattr("qbcore.views.shared", lambda: {"license.maya": 1.0})  # as read before the other took it
    hand = Hand(slots=2)
    assert started(hand) == []
    assert (used(), GrantRow.objects.count()) == (1, 0)
    ResourceRow.objects.update(used=0)
    assert started(hand) == [job]


def test_a_host_that_dies_gives_its_licence_back_after_its_lease() -> None:
    resources.updateresources({"license.maya": 1})
    job = submit(cpus=1, reservations="license.maya=1")
    assert started(Hand(slots=1)) == [job]
    HostRow.objects.update(seen=timezone.now() - timedelta(seconds=1000))
    DutyRow.objects.update_or_create(name="heard", defaults={"ticked": timezone.now()})
    housekeeping.reap()
    assert used() == 0
    folding.sweep()
    assert drive(Hand("render-02")) == ["1", "2", "3", "4"]
    assert used() == 0


def test_what_was_taken_of_a_licence_that_is_new_counts_at_once() -> None:
    resources.updateresources({"license.maya": 2})
    submit(cpus=1, reservations="license.maya=2")
    hand = Hand(slots=1)
    started(hand)
    resources.updateresources({"license.maya": None})
    assert resources.updateresources({"license.maya": 1})["license.maya"] == {"total": 1, "used": 2, "avail": 0}
    hand.end_all()
    assert used() == 0


def test_a_counter_that_is_wrong_is_set_right_and_said(caplog: pytest.LogCaptureFixture) -> None:
    resources.updateresources({"license.maya": 5, "license.nuke": 1})
    submit(cpus=1, reservations="license.maya=2")
    started(Hand(slots=1))
    assert resources.audit() == []
    ResourceRow.objects.filter(pk="license.maya").update(used=4)
    assert (resources.audit(), used(), resources.audit()) == (["license.maya"], 2, [])
    assert "license.maya was counted as 4 in use, and 2 are" in caplog.text
    assert HistoryRow.objects.get(verb="audit").effect == "license.maya: 4 were counted as in use, 2 are"


def test_resource_sums_up_the_hosts_that_have_as_much_as_is_asked() -> None:
    make_host("small", slots=4, memory=8000)
    make_host("large", slots=16, memory=64000)
    make_host("gone", slots=64, memory=64000, state="down")
    resources.updateresources({"license.maya": 3})
    found = resources.resource(
        {"memory": ">=16GB", "cpus": ">=4", "host.processors": 5, "license.maya": 1, "global.tape": "1"}
    )
    assert found == {
        "memory": {"asked": ">=16GB", "total": 64000, "used": 0, "avail": 64000, "hosts": 1},
        "cpus": {"asked": ">=4", "total": 20, "used": 0, "avail": 20, "hosts": 2},
        "host.processors": {"asked": 5, "total": 16, "used": 0, "avail": 16, "hosts": 1},
        "license.maya": {"asked": 1, "total": 3, "used": 0, "avail": 3, "hosts": 2},
        "global.tape": {"asked": "1", "total": 0, "used": 0, "avail": 0, "hosts": 2},
    }


def test_resource_tells_what_is_in_use() -> None:
    submit(cpus=2)
    hand = Hand(slots=4)
    hosts.hello(hand.id, {"session": hand.session, "protocol": 1, "facts": {"slots": 4, "memory": 4000}, "held": {}})
    assert len(started(hand)) == 2
    assert resources.resource({"cpus": 1})["cpus"] == {"asked": 1, "total": 4, "used": 2, "avail": 2, "hosts": 1}


@pytest.mark.parametrize("asked", ["lots", "", None, True, -1, "<=4", [4]])
def test_what_asks_for_no_amount_is_refused_by_its_name(asked: Any) -> None:
    with pytest.raises(Invalid, match="memory: "):
        resources.resource({"memory": asked})


def test_a_place_without_a_frame_to_do_gives_back_what_it_took_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    resources.updateresources({"license.maya": 1})
    submit(cpus=1, reservations="license.maya=1")
    faster = Placed(None, [], waits=True)  # somebody was
    monkeypatch.setattr("qbcore.control.placing.place", lambda *args, **kwargs: faster)
    assert (started(Hand(slots=1)), used()) == ([], 0)
