"""The live hub of a web process: hears hints, reads what changed once for all screens, tells each what it shows.

Four times a second at most; every five seconds all that is on a screen is read again, which heals lost hints
and lets ages move. The loop owns all state; reads run in threads between `wanted` and `settle`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from channels.db import database_sync_to_async

from farm import framestates
from farm.columns import version
from farm.feeds import FEEDS, Cells, parent
from farm.rendering import clock
from farm.screens import LISTS, New, Patch, Screen, Watch
from farm.sessions import still_in
from qbcore import events
from qbcore.listing import frames, hosts, jobs, records
from qbcore.writing import AWAY

log = logging.getLogger(__name__)
TICK = 0.25
SWEEP = 5.0
REST = 3  # a job whose frames took t to read rests for three times that
SIGNED_OUT = 4401
NEWER: dict[str, Callable[[int], list[int]]] = {
    "job": jobs.newer,
    "run": records.newer_runs,
    "host": hosts.newer,
}


@dataclass(slots=True)
class Wanted:
    """What is to be read: rows by kind, jobs whose frames are shown, and lists with the least id that some page has."""

    rows: dict[str, set[str]] = field(default_factory=dict)
    work: set[int] = field(default_factory=set)
    newer: dict[str, int] = field(default_factory=dict)
    sweep: bool = False

    def __bool__(self) -> bool:
        return bool(self.rows or self.work or self.newer or self.sweep)


@dataclass(slots=True)
class Found:
    """What was read; `cost` is how many seconds the frames of each job took."""

    at: float
    rows: dict[str, dict[str, Cells]] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    newer: dict[str, list[int]] = field(default_factory=dict)
    cost: dict[int, float] = field(default_factory=dict)


def read(wanted: Wanted) -> Found:
    """Reads it all, as the farm; which rows a screen may have was decided when it said what it shows."""
    now = clock()
    found = Found(at=now.timestamp())
    for kind, keys in wanted.rows.items():
        found.rows[kind] = FEEDS[kind].paint(keys, now)
    for job in wanted.work:
        start = time.monotonic()
        found.states[job] = frames.states(job)
        found.cost[job] = time.monotonic() - start
    for kind, least in wanted.newer.items():
        found.newer[kind] = NEWER[kind](least)
    return found


class Hub:
    """One per web process."""

    def __init__(self) -> None:
        self.screens: set[Screen] = set()
        self._watchers: dict[tuple[str, str], set[Screen]] = defaultdict(set)
        self._children: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._shown: dict[tuple[str, str], Cells] = {}
        self._states: dict[int, str] = {}
        self._dirty: dict[str, set[str]] = defaultdict(set)
        self._dirty_work: set[int] = set()
        self._dirty_lists: set[str] = set()
        self._rest: dict[int, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what screens show

    def watch(self, screen: Screen, watch: Watch) -> None:
        """The screen shows this from now on. Rows of which it has another version than the hub are read at once."""
        self._forget(screen)
        self.screens.add(screen)
        screen.watch, screen.waiting, screen.told_new = watch, {}, {}
        for kind, keys in watch.rows.items():
            for key, has in keys.items():
                self._add(screen, kind, key, has)
        if watch.work:
            screen.work_waiting = watch.work_version
            self._dirty_work.add(watch.work)
        self._dirty_lists.update(watch.newest)

    def _add(self, screen: Screen, kind: str, key: str, has: str) -> None:
        self._watchers[kind, key].add(screen)
        self._children[kind][parent(key)].add(key)
        shown = self._shown.get((kind, key))
        if shown is None or version(shown) != has:
            screen.waiting[kind, key] = has
            self._dirty[kind].add(key)

    def leave(self, screen: Screen) -> None:
        self._forget(screen)
        self.screens.discard(screen)

    def _forget(self, screen: Screen) -> None:
        for kind, keys in screen.watch.rows.items():
            for key in keys:
                self._remove(screen, kind, key)
        work = screen.watch.work
        screen.watch, screen.work_waiting = Watch(), None
        if work and not any(other.watch.work == work for other in self.screens):
            self._states.pop(work, None)
            self._rest.pop(work, None)

    def _remove(self, screen: Screen, kind: str, key: str) -> None:
        watchers = self._watchers[kind, key]
        watchers.discard(screen)
        if not watchers:
            del self._watchers[kind, key]
            self._shown.pop((kind, key), None)
            self._dirty[kind].discard(key)
            children = self._children[kind]
            children[parent(key)].discard(key)
            if not children[parent(key)]:
                del children[parent(key)]

    # --- what changed

    def hint(self, hint: events.Hint) -> None:
        """News: marks what it touches on some screen. Ids that are None touch everything of that kind."""
        kind, ids = hint["kind"], hint["ids"]
        if kind == "wake" and ids is None:
            return  # there is work for any host: nothing has changed yet
        for name, feed in FEEDS.items():
            if kind in feed.hints:
                self._dirty[name].update(self._touched(name, ids))
        if kind in ("job", "work"):
            shown = {screen.watch.work for screen in self.screens} - {0}
            self._dirty_work.update(shown if ids is None else shown.intersection(ids))
        if kind in LISTS and self._may_be_new(kind, ids):
            self._dirty_lists.add(kind)

    def _touched(self, kind: str, ids: Iterable[int] | None) -> set[str]:
        children = self._children[kind]
        owners = list(children) if ids is None else [number for number in ids if number in children]
        return {key for owner in owners for key in children[owner]}

    def _may_be_new(self, kind: str, ids: list[int] | None) -> bool:
        bounds = [screen.watch.newest[kind] for screen in self.screens if kind in screen.watch.newest]
        return bool(bounds) and (not ids or max(ids) > min(bounds))

    # --- read and tell

    def wanted(self, *, sweep: bool = False) -> Wanted:
        """Takes what is marked; a sweep takes all that is on a screen."""
        wanted = Wanted(sweep=sweep)
        if sweep:
            for kind, key in self._watchers:
                self._dirty[kind].add(key)
            self._dirty_work.update({screen.watch.work for screen in self.screens} - {0})
            self._dirty_lists.update(kind for screen in self.screens for kind in screen.watch.newest)
        wanted.rows = {kind: keys for kind, keys in self._dirty.items() if keys}
        self._dirty = defaultdict(set)
        now = time.monotonic()
        wanted.work = {job for job in self._dirty_work if self._rest.get(job, 0) <= now}
        self._dirty_work -= wanted.work
        for kind in self._dirty_lists:
            bounds = [screen.watch.newest[kind] for screen in self.screens if kind in screen.watch.newest]
            if bounds:
                wanted.newer[kind] = min(bounds)
        self._dirty_lists = set()
        return wanted

    def settle(self, wanted: Wanted, found: Found) -> None:
        """Compares with what the screens have and queues the differences, one message per screen."""
        patches: dict[Screen, list[Patch]] = defaultdict(list)
        for kind, keys in wanted.rows.items():
            for key in keys:
                self._settle_row(patches, kind, key, found.rows[kind].get(key))
        for job, states in found.states.items():
            self._settle_work(patches, job, states)
            self._rest[job] = time.monotonic() + REST * found.cost[job]
        for screen in list(self.screens):
            new = self._settle_lists(screen, found.newer)
            if patches[screen] or new or wanted.sweep:
                screen.put(patches[screen], at=found.at, new=new)

    def _settle_row(self, patches: dict[Screen, list[Patch]], kind: str, key: str, cells: Cells | None) -> None:
        watchers = self._watchers.get((kind, key), set())
        if cells is None:
            for screen in watchers:
                screen.waiting.pop((kind, key), None)
                patches[screen].append({"kind": kind, "id": key, "gone": True})
            self._shown.pop((kind, key), None)
            return
        old, mark = self._shown.get((kind, key)), version(cells)
        changed = {name: html for name, html in cells.items() if old is None or old.get(name) != html}
        for screen in watchers:
            has = screen.waiting.pop((kind, key), None)
            told = changed if has is None else cells if has != mark else {}
            if told:
                patches[screen].append({"kind": kind, "id": key, "v": mark, "cells": told})
        if watchers:
            self._shown[kind, key] = cells

    def _settle_work(self, patches: dict[Screen, list[Patch]], job: int, states: str) -> None:
        old, mark = self._states.get(job), framestates.version(states)
        runs = framestates.changes(old, states) if old is not None else None
        whole = {"kind": "work", "id": job, "v": mark, "all": states}
        watchers = [screen for screen in self.screens if screen.watch.work == job]
        for screen in watchers:
            has, screen.work_waiting = screen.work_waiting, None
            if has is not None:
                patches[screen] += [whole] if has != mark else []
            elif runs is None:
                patches[screen].append(whole)
            elif runs:
                patches[screen].append({"kind": "work", "id": job, "v": mark, "frames": runs})
        if watchers:
            self._states[job] = states

    def _settle_lists(self, screen: Screen, newer: Mapping[str, list[int]]) -> dict[str, New]:
        """How many more there are than the page knows of and the newest of them, where that is news."""
        told: dict[str, New] = {}
        for kind, ids in newer.items():
            bound = screen.watch.newest.get(kind)
            more = [number for number in ids if number > bound] if bound is not None else []
            if more and len(more) != screen.told_new.get(kind, 0):
                screen.told_new[kind] = len(more)
                told[kind] = {"count": len(more), "newest": max(more)}
        return told

    # --- the loop

    async def run(self) -> None:
        """Hears and tells until it is cancelled; a read that fails is repeated."""
        self._loop = asyncio.get_running_loop()
        stop = events.subscribe(self._hear)
        swept = time.monotonic()
        try:
            while True:
                await asyncio.sleep(TICK)
                sweep = bool(self.screens) and time.monotonic() - swept >= SWEEP
                if sweep:
                    swept = time.monotonic()
                await self.tick(sweep=sweep)
        finally:
            stop()

    def _hear(self, hint: events.Hint) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.hint, hint)

    async def tick(self, *, sweep: bool = False) -> None:
        wanted = self.wanted(sweep=sweep)
        if not wanted:
            return
        try:
            if sweep:
                await self._check_sessions()
            found = await database_sync_to_async(read)(wanted)
        except Exception as error:
            log.warning("the live hub could not read, it tries again: %s", error, exc_info=not isinstance(error, AWAY))
            for kind, keys in wanted.rows.items():
                self._dirty[kind].update(keys & {key for name, key in self._watchers if name == kind})
            self._dirty_work |= wanted.work
            self._dirty_lists.update(wanted.newer)
            return
        self.settle(wanted, found)

    async def _check_sessions(self) -> None:
        """Closes screens whose user is signed out by now, or may not look any more."""
        keys = {screen.session for screen in self.screens}
        valid = await database_sync_to_async(still_in)(keys)
        for screen in list(self.screens):
            if valid.get(screen.session) != screen.actor:
                screen.close(SIGNED_OUT)

    def close_session(self, session: str) -> None:
        """Closes what a session has open, from any thread; other processes notice at their next sweep."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._close, session)

    def _close(self, session: str) -> None:
        for screen in list(self.screens):
            if screen.session == session:
                screen.close(SIGNED_OUT)
