"""Hosts are locked, banned and described by operators; what they set stands over what the worker says."""

from __future__ import annotations

from typing import Any

import pytest

from qbcore import acting, hostcare, hosts, queries, submission
from qbcore.acting import Actor
from qbcore.errors import Invalid, Refused
from qbcore.models import HistoryRow, HostRow
from tests.hand import FOUR_FRAMES, Hand, Obedient

pytestmark = pytest.mark.django_db
OPERATOR = Actor("alice", "operator")


def host(name: str) -> HostRow:
    return HostRow.objects.get(name=name)


@pytest.mark.parametrize("lock", [True, 1, "1", "all", "host.processor_all=1", "host.processors=all"])
def test_a_lock_is_written_as_the_original_or_as_one_thinks(lock: Any) -> None:
    Hand("a1")
    assert hostcare.workerlock("a1", lock=lock) == ["a1"]
    assert host("a1").locked


@pytest.mark.parametrize("lock", [False, 0, "0", "", "none", "host.processor_all=0"])
def test_a_lock_is_lifted_as_the_original_or_as_one_thinks(lock: Any) -> None:
    Hand("a1")
    hostcare.workerlock("a1", why="noisy fan")
    assert host("a1").reason == "noisy fan"
    assert hostcare.workerlock("a1", lock=lock) == ["a1"]
    assert not host("a1").locked
    assert host("a1").reason == ""


@pytest.mark.parametrize("lock", ["half", 3, [True], {"a": 1}, "host.processor_3=1"])
def test_a_lock_that_means_nothing_is_refused_with_the_cure(lock: Any) -> None:
    Hand("a1")
    with pytest.raises(Invalid, match="lock") as refusal:
        hostcare.workerlock("a1", lock=lock)
    assert refusal.value.field == "lock"


def test_a_locked_host_takes_nothing_and_finishes_what_it_has() -> None:
    submission.submit(FOUR_FRAMES)
    hand = Hand("a1", slots=1)
    hand.begin()
    hostcare.workerlock("a1")
    assert hand.report()["name"] == "1"
    assert hand.frames[0][1]["name"] == "2", "its subjob goes on"
    fresh = Hand("b1", slots=1)
    hostcare.workerlock("b1")
    assert fresh.sync(room=True)["starts"] == []


@pytest.mark.parametrize("act", ["purge", "ban"])
def test_what_runs_on_a_purged_or_banned_host_goes_elsewhere(act: str) -> None:
    submission.submit(FOUR_FRAMES)
    hand, other = Obedient("a1", slots=1), Obedient("b1", slots=1)
    hand.begin()
    changed = hostcare.workerlock("a1", purge=True) if act == "purge" else hostcare.workerban("a1")
    assert changed == ["a1"]
    hand.sync()
    hand.sync()
    assert hand.held == {}
    other.begin()
    assert [frame["name"] for _, frame in other.frames] == ["1"]


def test_wildcards_and_lists_name_hosts_and_unknown_ones_are_absent() -> None:
    for name in ("a1", "a2", "b1"):
        Hand(name)
    assert hostcare.workerlock("a*") == ["a1", "a2"]
    assert hostcare.workerlock(["a1", "b1", "nobody"]) == ["b1"]
    assert hostcare.workerlock("*", lock=False) == ["a1", "a2", "b1"]


@pytest.mark.parametrize("name", [None, "", [], [""]])
def test_no_host_named_is_a_mistake_and_not_all_hosts(name: Any) -> None:
    with pytest.raises(Invalid) as refusal:
        hostcare.workerlock(name)
    assert refusal.value.field == "name"


def test_banned_workers_are_listed_with_their_addresses() -> None:
    Hand("a1")
    Hand("b1")
    hostcare.workerban("b1", why="stolen")
    [found] = hostcare.bannedworkers()
    assert (found["name"], found["reason"], {"macaddress", "address"} <= found.keys()) == ("b1", "stolen", True)
    assert [one["name"] for one in queries.hostinfo(state="banned")] == ["b1"]
    assert hostcare.workerban("b1", ban=False) == ["b1"]
    assert hostcare.bannedworkers() == []


def test_what_was_set_wins_over_the_worker_across_its_restarts_until_it_is_taken_away() -> None:
    hand = Obedient("a1", slots=2)
    assert hostcare.updateworkerresources("a1", {"host.scratch": 500, "processors": "8"}) == ["a1"]
    assert hostcare.updateworkerproperties("a1", "host.gpu=yes,speed=3000") == ["a1"]
    hand.die()
    row = host("a1")
    assert (row.totals["scratch"], row.totals["processors"]) == (500, 8)
    assert (row.properties["gpu"], row.properties["speed"]) == ("yes", "3000")
    hostcare.updateworkerresources("a1", {"scratch": None, "processors": None})
    row = host("a1")
    assert ("scratch" in row.totals, row.totals["processors"]) == (False, 2)
    assert hostcare.updateworkerresources("a1", {"scratch": None}) == []


@pytest.mark.parametrize("wrong", [{}, None, 7, "scratch", {"": 1}, {"a b": 1}, {"scratch": "much"}, {"scratch": -1}])
def test_resources_that_cannot_be_are_refused_and_nothing_is_changed(wrong: Any) -> None:
    Hand("a1")
    before = host("a1").totals
    with pytest.raises(Invalid, match="resources"):
        hostcare.updateworkerresources("a1", wrong)
    assert host("a1").totals == before


@pytest.mark.parametrize("name", ["license.maya", "Global.x"])
def test_what_the_farm_shares_is_not_set_at_a_host(name: str) -> None:
    Hand("a1")
    with pytest.raises(Invalid, match=r"belong to the whole farm\. Set it with updateresources"):
        hostcare.updateworkerresources("a1", {name: 1})
    assert not host("a1").set_resources


def test_a_worker_answers_a_ping_until_its_lease_is_over() -> None:
    Hand("a1")
    assert hostcare.workerping("a1")
    HostRow.objects.filter(name="a1").update(seen=hosts.silent_since(host("a1").updated))
    assert not hostcare.workerping("a1")
    assert not hostcare.workerping("nobody")


def test_a_worker_s_configuration_tells_what_it_said_and_what_was_set() -> None:
    Hand("a1", slots=3)
    hostcare.updateworkerproperties("a1", {"rack": 7})
    found = hostcare.workerconfig("a1")
    assert (found["resources"]["processors"], found["set_properties"]) == (3, {"rack": 7})
    assert hostcare.workerconfig("nobody") == {}


def test_only_who_has_the_right_changes_hosts_and_it_is_written_down() -> None:
    Hand("a1")
    with acting.acting_as(Actor("bob", "artist")), pytest.raises(Refused, match="host"):
        hostcare.workerlock("a1")
    with acting.acting_as(OPERATOR):
        hostcare.workerlock("a1", why="maintenance")
    line = HistoryRow.objects.get(verb="lock")
    assert (line.actor, line.host_name, line.effect) == ("alice", "a1", "maintenance")


def test_clusters_groups_and_restrictions_of_a_host_are_set_as_properties() -> None:
    job = submission.submit({**FOUR_FRAMES, "cpus": 1, "cluster": "/show", "groups": "fast", "restrictions": "/show/+"})
    hand = Hand("a1", slots=1)
    assert hand.sync(room=True)["starts"] == []
    given = {"cluster": "/show/comp", "groups": "fast,gpu", "restrictions": "/show"}
    assert hostcare.updateworkerproperties("a1", given) == ["a1"]
    assert (host("a1").groups, host("a1").set_properties) == ("fast,gpu", {})
    assert [start["job"]["id"] for start in hand.sync(room=True)["starts"]] == [job["id"]]
    assert hostcare.updateworkerproperties("a1", dict.fromkeys(given)) == ["a1"]
    assert (host("a1").cluster, host("a1").groups, host("a1").restrictions) == ("/", "", "")
    with pytest.raises(Invalid, match="is no cluster"):
        hostcare.updateworkerproperties("a1", {"restrictions": "show"})


def test_a_host_that_never_told_keeps_what_it_has_when_something_is_set() -> None:
    Hand("a1", slots=3)
    HostRow.objects.update(told={})
    hostcare.updateworkerresources("a1", {"host.scratch": 500})
    assert (host("a1").totals["processors"], host("a1").totals["scratch"]) == (3, 500)
    hostcare.updateworkerresources("a1", {"scratch": None})
    assert (host("a1").totals["processors"], "scratch" in host("a1").totals) == (3, False)
