"""The golden rule, for every verb and table: paint, act, apply only the published news; it equals a fresh paint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from farm import hub as hubs
from farm.feeds import FEEDS
from farm.framestates import version as states_version
from farm.hub import Hub, read
from farm.screens import Message, Screen, Watch
from qbcore import events, folding, hosts, runs, submission, verbs
from qbcore.acting import FARM
from qbcore.listing import frames
from qbcore.models import HostRow, JobRow, RunRow, RunTargetRow, SubjobRow, WorkRow
from tests.hand import Hand
from tests.make import make_job

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HEARD = [kind for kind, feed in FEEDS.items() if feed.hints]
JOB = {
    "name": "echo",
    "prototype": "cmdrange",
    "cpus": 2,
    "package": {"cmdline": "echo", "range": "1-9"},
}


class Page:
    """What a browser shows: cells by kind and key, and the grid's letters. It knows only what it is sent."""

    def __init__(self, hub: Hub, keys: dict[str, set[str]], job: int) -> None:
        self.hub, self.keys, self.job = hub, keys, job
        self.cells = fresh(keys)
        self.states = frames.states(job)
        self.screen = Screen(actor=FARM, session="s", wake=lambda: None, close=lambda code: None)
        rows = {kind: {key: hubs.version(cells) for key, cells in shown.items()} for kind, shown in self.cells.items()}
        hub.watch(self.screen, Watch(rows=rows, work=job, work_version=states_version(self.states)))

    def hear(self) -> list[Message]:
        """One tick of the hub, and what it sends written into the cells."""
        wanted = self.hub.wanted()
        self.hub.settle(wanted, read(wanted))
        messages = self.screen.take()
        for message in messages:
            for patch in message["patches"]:
                self._apply(patch)
        return messages

    def _apply(self, patch: dict[str, Any]) -> None:
        if patch["kind"] == "work":
            letters = list(patch.get("all", self.states))
            for start, text in patch.get("frames", []):
                letters[start : start + len(text)] = text
            self.states = "".join(letters)
        elif patch.get("gone"):
            del self.cells[patch["kind"]][patch["id"]]
        else:
            self.cells[patch["kind"]][patch["id"]].update(patch["cells"])


def fresh(keys: dict[str, set[str]]) -> dict[str, dict[str, dict[str, str]]]:
    return {kind: FEEDS[kind].paint(wanted, NOW) for kind, wanted in keys.items()}


def every_key() -> dict[str, set[str]]:
    """All rows that any table could show now."""
    found = {
        "job": {str(pk) for pk in JobRow.objects.values_list("pk", flat=True)},
        "frame": {f"{row.job_id}.{row.pos}" for row in WorkRow.objects.all()},
        "subjob": {f"{row.job_id}.{row.idx}" for row in SubjobRow.objects.all()},
        "host": {str(pk) for pk in HostRow.objects.values_list("pk", flat=True)},
        "run": {str(pk) for pk in RunRow.objects.values_list("pk", flat=True)},
        "target": {f"{row.run_id}.{row.pk}" for row in RunTargetRow.objects.all()},
    }
    return {**found, "head": found["job"], "outputs": found["job"], "runhead": found["run"], "toast": found["run"]}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub that hears hints at once, at a time that stands still."""
    heard = Hub()

    class Direct:
        def put(self, kind: str, ids: Iterable[int]) -> None:
            heard.hint({"kind": kind, "ids": list(ids) or None})

    monkeypatch.setattr(events, "publisher", Direct)
    monkeypatch.setattr(hubs, "clock", lambda: NOW)
    return heard


class Farm:
    """Two jobs: one with frames complete, failed, running and pending on a host, one that waits; and a bulk run."""

    def __init__(self) -> None:
        self.hand = Hand()
        [first] = submission.submit(JOB)
        self.job = int(first["id"])
        self.hand.begin()
        for code in (0, 1, 0, 1):
            self.hand.report(code, message="exit 1" if code else "")
        self.hand.sync(running=[attempts[0] for attempts in self.hand.held.values() if attempts])
        [second] = submission.submit({**JOB, "name": "waits"})
        self.other = int(second["id"])
        self.run = runs.start("blockwork", runs.Selection((self.other,)), why="test")
        folding.sweep()


def by_hand(act: Callable[[Farm], object]) -> Callable[[Farm], object]:
    """After what a worker says the farm folds, as housekeeping does."""

    def done(farm: Farm) -> None:
        act(farm)
        folding.sweep()

    return done


Step = Callable[[Farm], object]
ACTS: dict[str, tuple[Step | None, Step]] = {
    "kill": (None, lambda farm: verbs.kill(farm.job)),
    "retry": (lambda farm: verbs.kill(farm.job), lambda farm: verbs.retry(farm.job)),
    "requeue": (lambda farm: verbs.kill(farm.job), lambda farm: verbs.requeue(farm.job)),
    "block": (None, lambda farm: verbs.block(farm.other)),
    "unblock": (lambda farm: verbs.block(farm.other), lambda farm: verbs.unblock(farm.other)),
    "suspend": (None, lambda farm: verbs.suspend(farm.job)),
    "resume": (lambda farm: verbs.suspend(farm.job), lambda farm: verbs.resume(farm.job)),
    "killwork": (None, lambda farm: verbs.killwork(f"{farm.job}:9")),
    "killwork of a running frame": (None, lambda farm: verbs.killwork(f"{farm.job}:5", f"{farm.job}:6")),
    "retrywork": (None, lambda farm: verbs.retrywork(f"{farm.job}:2", f"{farm.job}:4")),
    "requeuework": (None, lambda farm: verbs.requeuework(f"{farm.job}:1", f"{farm.job}:2")),
    "blockwork": (None, lambda farm: verbs.blockwork(f"{farm.other}:3")),
    "unblockwork": (lambda farm: verbs.blockwork(f"{farm.other}:3"), lambda farm: verbs.unblockwork(f"{farm.other}:3")),
    "modify": (None, lambda farm: submission.modify({"priority": 50, "name": "renamed"}, farm.job)),
    "remove": (None, lambda farm: verbs.remove(farm.other)),
    "claim": (None, by_hand(lambda farm: Hand("render-02").begin())),
    "report complete": (None, by_hand(lambda farm: farm.hand.report(0))),
    "report failed": (None, by_hand(lambda farm: farm.hand.report(1, message="exit 1"))),
    "end of all processes": (lambda farm: verbs.kill(farm.job), by_hand(lambda farm: farm.hand.end_all())),
    "host lost": (lambda farm: _silence(farm), by_hand(lambda farm: hosts.give_up_silent())),
    "bulk run": (None, lambda farm: runs.execute(farm.run, "test")),
    "cancelled run": (None, lambda farm: runs.cancel(farm.run)),
    "bulk archive": (lambda farm: _archive(farm), lambda farm: runs.execute(farm.run, "test")),
}


def _archive(farm: Farm) -> None:
    farm.run = runs.start("archive", runs.Selection((farm.job, farm.other)))


def _silence(farm: Farm) -> None:
    HostRow.objects.filter(pk=farm.hand.id).update(seen=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("act", list(ACTS))
def test_the_news_of_every_act_make_the_page_what_a_fresh_one_would_be(act: str, hub: Hub) -> None:
    farm = Farm()
    prepare, do = ACTS[act]
    if prepare:
        prepare(farm)
    keys = {kind: found for kind, found in every_key().items() if kind in HEARD}
    page = Page(hub, keys, farm.job)
    page.hear()
    before = fresh(keys)
    do(farm)
    page.hear()
    assert page.cells == fresh(keys)
    assert page.states == frames.states(farm.job)
    assert page.cells != before, "the act changed nothing on the page: this test would prove nothing"


def test_a_page_that_is_in_step_is_sent_nothing(hub: Hub) -> None:
    farm = Farm()
    page = Page(hub, every_key(), farm.job)
    page.hear()
    assert page.hear() == []


def test_what_changed_between_paint_and_watch_is_sent_once(hub: Hub) -> None:
    farm = Farm()
    page = Page(hub, every_key(), farm.job)
    page.cells["job"][str(farm.job)]["priority"] = "stale"
    stale = {"job": {str(farm.job): "00000000"}}
    hub.watch(page.screen, Watch(rows=stale, work=farm.job, work_version="old"))
    [message] = page.hear()
    assert page.cells["job"] == fresh({"job": page.keys["job"]})["job"]
    assert {patch["kind"] for patch in message["patches"]} == {"job", "work"}


def test_a_lost_hint_is_healed_by_the_sweep(hub: Hub) -> None:
    farm = Farm()
    page = Page(hub, every_key(), farm.job)
    page.hear()
    HostRow.objects.update(reason="nobody told the hub")
    assert page.hear() == []
    wanted = hub.wanted(sweep=True)
    hub.settle(wanted, read(wanted))
    [message] = page.screen.take()
    assert "nobody told the hub" in str(message["patches"])


async def test_a_read_that_fails_is_repeated_and_nothing_is_lost(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await sync_to_async(make_job)()
    screen = Screen(actor=FARM, session="s", wake=lambda: None, close=lambda code: None)
    hub.watch(screen, Watch(rows={"job": {str(job.id): "stale"}}, work=job.id, work_version="stale"))

    def broken(wanted: object) -> None:
        raise OperationalError("the database went away")

    with monkeypatch.context() as patched:
        patched.setattr(hubs, "read", broken)
        await hub.tick()
    assert screen.take() == []
    await hub.tick()
    assert {patch["kind"] for message in screen.take() for patch in message["patches"]} == {"job", "work"}


def test_two_pages_get_each_what_they_show(hub: Hub) -> None:
    farm = Farm()
    one = Page(hub, {"job": {str(farm.job)}}, farm.job)
    two = Page(hub, {"job": {str(farm.other)}}, farm.other)
    one.hear()
    two.screen.take()
    verbs.block(farm.other)
    assert one.hear() == []
    [message] = two.screen.take()
    assert {patch["id"] for patch in message["patches"] if patch["kind"] == "job"} == {str(farm.other)}


def test_a_new_job_is_announced_with_its_number_once(hub: Hub) -> None:
    farm = Farm()
    page = Page(hub, {}, farm.job)
    hub.watch(page.screen, Watch(newest={"job": farm.other}))
    page.hear()
    submission.submit(JOB, JOB)
    [message] = page.hear()
    assert message["new"] == {"job": {"count": 2, "newest": JobRow.objects.order_by("-pk")[0].pk}}
    verbs.block(farm.job)
    assert page.hear() == []


def test_numbers_of_messages_have_no_gap_and_a_page_that_falls_behind_fetches_again(hub: Hub) -> None:
    screen = Screen(actor=FARM, session="s", wake=lambda: None, close=lambda code: None)
    hub.watch(screen, Watch())
    for _ in range(3):
        screen.put([], at=0)
    assert [message["seq"] for message in screen.take()] == [1, 2, 3]
    for _ in range(65):
        screen.put([{"kind": "job"}], at=0)
    assert screen.take() == [{"seq": 68, "at": 0, "refetch": True}]


def test_what_nobody_shows_any_more_is_forgotten(hub: Hub) -> None:
    farm = Farm()
    page = Page(hub, every_key(), farm.job)
    page.hear()
    hub.leave(page.screen)
    assert not hub._watchers and not hub._shown and not hub._states and not hub.wanted(sweep=False)


async def test_the_loop_hears_tells_and_stops_when_it_is_cancelled(hub: Hub) -> None:
    told = asyncio.Event()
    screen = Screen(actor=FARM, session="s", wake=told.set, close=lambda code: None)
    loop = asyncio.create_task(hub.run())
    hub.watch(screen, Watch(rows={"farm": {"0": "stale"}}))
    await asyncio.wait_for(told.wait(), 10)
    [message] = screen.take()
    assert message["patches"][0]["kind"] == "farm"
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
