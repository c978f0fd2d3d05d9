"""The pool against the plain order, under every change that a farm makes."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from qbcore import pool as pool_module
from qbcore import shortlists, words
from qbcore.candidates import Candidate, HostView
from qbcore.plan import order, pick
from qbcore.pool import Pool

REQUIREMENTS = [
    "",
    "host.os == linux",
    "host.os == linux and host.memory.total >= 16000",
    "host.gpu == true",
    "host.gpu == 1",
    "host.gpu",
    "host.name != r1",
    "host.name in r1,r2, host.os != irix",
    "host.memory.avail > 8000",
    "host.os == linux and host.processors.used < 2",
    "not (job.user in host.duty.user)",
    "job.kind == host.os",
    "job.prod_show == bee",
    "host.groups has fast",
    "1",
    "0",
    "host.os ==",
]
RESERVATIONS = ["", "host.processors=1", "host.processors=2+", "host.processors=all", "host.memory=9000",
                "license.x=1", "host.processors=2-3,license.x", "host.processors=nine", "global.unheard"]  # fmt: skip
RESTRICTIONS = ["", "/a", "/a || /a/*", "/b/+", "nonsense"]
CLUSTERS = ["/", "/a", "/a/b", "/a/c", "/b", "/b/d"]
NAMES = ["r1", "r2", "r3"]
GROUPS = ["fast", "slow"]
USERS = ["ann", "bob"]

lists = st.sampled_from(["", "", "", "r1", "r1,r2", "r3"])
group_lists = st.sampled_from(["", "", "", "fast", "fast,slow"])
candidates = st.builds(
    Candidate,
    id=st.integers(1, 40),
    priority=st.integers(1, 3),
    localorder=st.integers(-1, 1),
    cluster=st.sampled_from(CLUSTERS),
    requirements=st.sampled_from(REQUIREMENTS),
    restrictions=st.sampled_from(RESTRICTIONS),
    reservations=st.sampled_from(RESERVATIONS),
    hosts=lists,
    omithosts=lists,
    groups=group_lists,
    omitgroups=group_lists,
    prototype=st.sampled_from(["cmdline", "maya"]),
    user=st.sampled_from(USERS),
    wanted=st.sampled_from([0, 1, 1, 1, 5]),
    facts=st.sampled_from([{}, {"job.kind": "linux"}, {"job.kind": "x", "job.prod_show": "bee"}]),
)
amounts = st.fixed_dictionaries({"processors": st.integers(0, 4), "memory": st.sampled_from([4000, 16000])})
hosts = st.builds(
    HostView,
    id=st.just(1),
    name=st.sampled_from(NAMES),
    state=st.sampled_from(["active", "active", "active", "down"]),
    cluster=st.sampled_from([*CLUSTERS, "", "/a/b,/b"]),
    groups=st.sets(st.sampled_from(GROUPS)).map(lambda names: tuple(sorted(names))),
    restrictions=st.sampled_from(["", "", "/a/+", "/ || /b", "nonsense"]),
    jobtypes=st.sampled_from([None, None, ("cmdline",), ("cmdline", "maya")]),
    locked=st.sampled_from([False, False, False, True]),
    totals=amounts,
    used=st.fixed_dictionaries({}, optional={"processors": st.integers(0, 4), "memory": st.sampled_from([0, 8000])}),
    properties=st.fixed_dictionaries(
        {}, optional={"os": st.sampled_from(["linux", "Linux", "irix"]), "gpu": st.sampled_from([True, False, 1, 0])}
    ),
    duty=st.sampled_from([{}, {"user": {"ann": 2, "bob": 0}}]),
    idle=st.booleans(),
    avoid=st.frozensets(st.integers(1, 40), max_size=3),
)
supplies = st.sampled_from([{}, {"license.x": 1.0}, {"license.x": 0.0}])


class PoolMachine(RuleBasedStateMachine):
    """A pool and, beside it, the plain dictionary of what waits; two hosts ask again and again."""

    @initialize(waiting=st.lists(candidates, max_size=30, unique_by=lambda one: one.id), views=st.tuples(hosts, hosts))
    def load(self, waiting: list[Candidate], views: tuple[HostView, HostView]) -> None:
        self.waiting = {one.id: one for one in waiting}
        self.pool = Pool(waiting)
        self.hosts = list(views)

    @rule(candidate=candidates)
    def update(self, candidate: Candidate) -> None:
        self.waiting[candidate.id] = candidate
        self.pool.update(candidate)

    @rule(changed=st.lists(candidates, max_size=20))
    def update_many(self, changed: list[Candidate]) -> None:
        for candidate in changed:
            self.update(candidate)

    @rule(job=st.integers(1, 40))
    def remove(self, job: int) -> None:
        self.waiting.pop(job, None)
        self.pool.remove(job)

    @rule(number=st.integers(0, 1), view=hosts)
    def replace_a_host(self, number: int, view: HostView) -> None:
        self.hosts[number] = view

    @rule(number=st.integers(0, 1), used=st.integers(0, 4), idle=st.booleans())
    def load_a_host(self, number: int, used: int, idle: bool) -> None:
        self.hosts[number] = replace(self.hosts[number], used={"processors": used}, idle=idle, state="active")

    @rule(number=st.integers(0, 1), shared=supplies, limit=st.sampled_from([None, 1, 3]))
    def ask_for_the_order(self, number: int, shared: dict[str, float], limit: int | None) -> None:
        host = self.hosts[number]
        assert self.pool.order(host, limit, shared) == order(host, self.waiting.values(), shared)[:limit]

    @rule(number=st.integers(0, 1), shared=supplies)
    def take_the_next(self, number: int, shared: dict[str, float]) -> None:
        host = self.hosts[number]
        choice = self.pool.pick(host, shared)
        assert choice == pick(host, self.waiting.values(), shared)
        if choice:
            self.remove(choice.job)

    @invariant()
    def everything_that_wants_to_start_is_in_it(self) -> None:
        assert len(self.pool) == sum(one.wanted > 0 for one in self.waiting.values())


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


# -- long churn of a small farm ------------------------------------------------------------------------------------
# Few jobs and hosts, most of them fitting each other, so that every ask meets lists made before; every limit tiny, so
# that lists grow, sweep, fall behind and are forgotten all the time.

TINY = {
    (shortlists, "_FIRST"): 2, (shortlists, "_WALK"): 3, (shortlists, "_BEHIND"): 4, (shortlists, "_DEAD"): 1,
    (shortlists, "_SWEPT"): 1, (shortlists, "_KEPT"): 7,
    (shortlists, "_MOST_LOGGED"): 6, (shortlists, "_MOST_SHORTLISTS"): 2, (words, "_MOST_ANSWERS"): 5,
    (pool_module, "_MOST_KINDS"): 2, (pool_module, "_MOST_HOSTS"): 2,
}  # fmt: skip


@pytest.fixture(params=["roomy", "tiny"])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for (module, name), value in TINY.items() if request.param == "tiny" else ():
        monkeypatch.setattr(module, name, value)


def mostly(chance: random.Random, common: Any, *rare: Any) -> Any:
    return common if chance.random() < 0.6 else chance.choice(rare)


def small_job(chance: random.Random, number: int) -> Candidate:
    return Candidate(
        id=number,
        priority=chance.randint(1, 3),
        cluster=mostly(chance, "/a", *CLUSTERS),
        requirements=mostly(chance, f"host.n > {chance.randint(0, 9)}", *REQUIREMENTS),
        restrictions=mostly(chance, "", *RESTRICTIONS),
        reservations=mostly(chance, "", *RESERVATIONS, f"host.processors={chance.randint(5, 99)}"),
        hosts=mostly(chance, "", "r1", "r1,r2"),
        omitgroups=mostly(chance, "", "fast"),
        prototype=mostly(chance, "cmdline", "maya"),
        user=chance.choice(USERS),
        wanted=mostly(chance, 1, 0, 2),
        facts={"job.kind": chance.choice(["linux", "irix"])},
    )


def small_host(chance: random.Random, name: str) -> HostView:
    return HostView(
        id=1,
        name=name,
        cluster=mostly(chance, "/a", "/a/b", "/b,/a/c"),
        groups=mostly(chance, ("fast",), ("slow",), ()),
        restrictions=mostly(chance, "", "/a/+", "/a || /b"),
        jobtypes=mostly(chance, None, ("cmdline",)),
        totals={"processors": 4, "memory": 16000},
        properties={"os": mostly(chance, "linux", "irix"), "gpu": chance.choice([True, 1]), "n": chance.randint(3, 9)},
        duty={"user": {chance.choice(USERS): 1}},
    )


def changed(chance: random.Random, old: Candidate) -> Candidate:
    """The same job with something changed that does not move it."""
    return replace(old, user=chance.choice(USERS), wanted=chance.randint(1, 3), facts={"job.kind": "linux"})


def rewired(chance: random.Random, view: HostView) -> HostView:
    """The same host with a property that equals the old one, and yet reads otherwise."""
    return replace(view, properties={**view.properties, "gpu": chance.choice([True, 1])})


@pytest.mark.usefixtures("limits")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1_000_000))
def test_a_pool_agrees_with_the_plain_order_after_every_change(seed: int) -> None:
    chance = random.Random(seed)
    waiting = {number: small_job(chance, number) for number in range(1, 25)}
    views = {name: small_host(chance, name) for name in NAMES}
    pool = Pool(waiting.values())
    for _ in range(120):
        for _ in range(chance.choice([0, 1, 1, 2, 12])):
            number = chance.randint(1, 30)
            old = waiting.get(number)
            waiting[number] = changed(chance, old) if old and chance.random() < 0.4 else small_job(chance, number)
            pool.update(waiting[number])
        gone = chance.randint(1, 60)
        waiting.pop(gone, None)
        pool.remove(gone)
        name = chance.choice(NAMES)
        views[name] = mostly(chance, views[name], rewired(chance, views[name]), small_host(chance, name))
        avoid = frozenset(chance.choices(range(1, 30), k=chance.choice([0, 0, 9])))
        used = {"processors": mostly(chance, 0, 1, 3)}
        view = replace(views[name], used=used, idle=chance.random() < 0.5, avoid=avoid)
        shared, limit = {"license.x": float(chance.randint(0, 1))}, mostly(chance, None, 1, 2)
        assert pool.order(view, limit, shared) == order(view, waiting.values(), shared)[:limit]
        assert len(pool) == sum(one.wanted > 0 for one in waiting.values())


# -- a farm of some thousand jobs ----------------------------------------------------------------------------------


def farm(seed: int, jobs: int) -> tuple[random.Random, dict[int, Candidate]]:
    chance = random.Random(seed)
    return chance, {number: job(chance, number) for number in range(1, jobs + 1)}


def job(chance: random.Random, number: int) -> Candidate:
    return Candidate(
        id=number,
        priority=chance.randint(1, 50),
        cluster=f"/{chance.choice('abc')}/{chance.choice('xyz')}",
        requirements=f"host.os == {chance.choice(['linux', 'irix'])} and host.speed > {chance.randint(1, 40)}",
        restrictions=chance.choice(["", "", "/a/+"]),
        reservations=chance.choice(["", "host.processors=4", "host.memory=9000", "license.x=1"]),
        hosts=chance.choice(["", "", "", "r1,r2,r3"]),
        wanted=chance.choice([0, 1, 3, 7]),
    )


def host(chance: random.Random) -> HostView:
    number = chance.randint(1, 12)
    return HostView(
        id=number,
        name=f"r{number}",
        cluster=f"/{'abc'[number % 3]}/{'xyz'[number % 2]}",
        totals={"processors": 8, "memory": 16000},
        used={"processors": chance.randint(0, 8), "memory": chance.choice([0, 12000])},
        properties={"os": "linux" if number % 4 else "irix", "speed": number * 4},
    )


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_pool_of_three_thousand_jobs_agrees_with_the_plain_order_while_they_change(seed: int) -> None:
    chance, waiting = farm(seed, 3_000)
    pool = Pool(waiting.values())
    for _ in range(12):
        for _ in range(chance.choice([1, 40, 400])):
            changed = job(chance, chance.randint(1, 3_300))
            waiting[changed.id] = changed
            pool.update(changed)
        view, shared = host(chance), {"license.x": float(chance.randint(0, 1))}
        assert pool.order(view, shared=shared) == order(view, waiting.values(), shared)


def test_the_order_stops_at_its_limit() -> None:
    pool = Pool(Candidate(id=number) for number in range(1, 200))
    view = HostView(id=1, name="r1", totals={"processors": 1})
    assert [one.id for one in pool.order(view, 3)] == [1, 2, 3]
    assert len(pool.order(view)) == 199


def test_a_choice_says_what_to_reserve() -> None:
    pool = Pool([Candidate(id=7, reservations="host.processors=2+,license.x")])
    view = HostView(id=1, name="r1", totals={"processors": 8}, used={"processors": 3})
    choice = pool.pick(view, {"license.x": 1})
    assert choice is not None
    assert (choice.job, choice.take) == (7, {"host.processors": 5, "license.x": 1})
    assert pool.pick(view, {"license.x": 0}) is None


def test_texts_that_no_job_says_any_more_are_forgotten() -> None:
    pool = Pool()
    view: Any = HostView(id=1, name="r1", totals={"processors": 1}, properties={"n": 5})
    for number in range(1, 2_000):
        pool.update(Candidate(id=number, requirements=f"host.n == {number % 7} and host.name != x{number}"))
        pool.pick(view)
        pool.remove(number - 3)
    assert len(pool._requirements.samples) < 10
    assert len(pool._requirements._groups) < 10
