"""News: after a commit, hints of the form "kind, ids". A hint never carries data; whoever gets it reads again.

Losing a hint delays news and loses nothing: hubs sweep. Hints of one process are merged for 50 ms by one publisher
thread with its own loop (one send per commit through `async_to_sync` reaches 74 a second, this 3,388). Subscribers of
this process are called directly; other processes hear through the channel layer, when it is Redis.
"""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)
GROUP = "farm"
MERGE = 0.05
MANY = 500
PROCESS = uuid.uuid4().hex
Hint = dict[str, Any]
Listener = Callable[[Hint], None]

_listeners: list[Listener] = []
_at_once: list[tuple[str, Listener]] = []


def publish(kind: str, ids: Iterable[int]) -> None:
    """Announces, once this transaction is committed, that rows of *kind* (job, work, host, run, wake) changed.

    For "work", "progress" and "thumbnail" the ids are those of the jobs whose frames changed. "wake" names hosts that
    must ask now, because what they do has changed; without any id it says that work waits, for as many as are needed.
    """
    told = tuple(ids)
    transaction.on_commit(lambda: _committed(kind, told), robust=True)


def _committed(kind: str, ids: tuple[int, ...]) -> None:
    for wanted, listener in _at_once:
        if wanted == kind:
            listener({"kind": kind, "ids": ids})
    publisher().put(kind, ids)


def at_once(kind: str, listener: Listener) -> None:
    """Calls *listener* in the committing thread itself, before anybody else hears: for caches of this process."""
    _at_once.append((kind, listener))
    subscribe(lambda hint: listener(hint) if hint["kind"] == kind else None)


def subscribe(listener: Listener) -> Callable[[], None]:
    """Calls *listener* from some thread with {"kind", "ids"} for all news; answers how to stop it.

    "ids" is None when there were too many to name: everything of that kind may have changed.
    """
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def deliver(hint: Hint) -> None:
    """Hands a hint to the listeners of this process; one that fails does not silence the others."""
    for listener in tuple(_listeners):
        try:
            listener(hint)
        except Exception:
            log.exception("a listener failed on %s", hint["kind"])


class Publisher:
    """One thread per process: collects for 50 ms, then delivers here and sends to the other processes."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, tuple[int, ...]]] = queue.SimpleQueue()
        self.pid = os.getpid()
        threading.Thread(target=self._run, name="publisher", daemon=True).start()

    def put(self, kind: str, ids: tuple[int, ...]) -> None:
        self._queue.put((kind, ids))

    def _run(self) -> None:
        """One loop for the life of the thread, run for a send at a time: the layer keeps its connection in it."""
        layer = get_channel_layer()
        others = None if layer is None or isinstance(layer, InMemoryChannelLayer) else layer
        loop = asyncio.new_event_loop()
        while True:
            hints = self._collect()
            for hint in hints:
                deliver(hint)
            if others is not None:
                loop.run_until_complete(self._send(others, hints))

    async def _send(self, layer: Any, hints: list[Hint]) -> None:
        """All in one message: each costs every other process as much as this one."""
        try:
            await asyncio.wait_for(layer.group_send(GROUP, {"type": "news", "from": PROCESS, "hints": hints}), 1)
        except Exception as error:
            log.warning("%d hints were not sent to the other processes: %s", len(hints), error)

    def _collect(self) -> list[Hint]:
        """Waits for the first hint, then MERGE seconds for more; one hint per kind."""
        found: dict[str, set[int]] = defaultdict(set)
        everything: set[str] = set()
        news = [self._queue.get()]
        time.sleep(MERGE)
        with suppress(queue.Empty):
            while True:
                news.append(self._queue.get_nowait())
        for kind, ids in news:
            found[kind].update(ids)
            if not ids:
                everything.add(kind)
        return [hint for kind, ids in found.items() for hint in _hints(kind, ids, everything=kind in everything)]


def _hints(kind: str, ids: set[int], *, everything: bool) -> list[Hint]:
    """Hosts that are named are each meant: they stay named, beside a call for anybody."""
    if kind == "wake":
        named: list[Hint] = [{"kind": kind, "ids": sorted(ids)}] if ids else []
        return [*named, {"kind": kind, "ids": None}] if everything else named
    return [{"kind": kind, "ids": None if everything or len(ids) > MANY else sorted(ids)}]


_publisher: Publisher | None = None
_starting = threading.Lock()


def publisher() -> Publisher:
    """This process's publisher; a forked child (Celery's pool) starts its own."""
    global _publisher
    if _publisher is None or _publisher.pid != os.getpid():
        with _starting:
            if _publisher is None or _publisher.pid != os.getpid():
                _publisher = Publisher()
    return _publisher


async def listen() -> None:
    """Delivers what other processes announce, for as long as this process lives; a web process runs it in its loop."""
    layer = get_channel_layer()
    if layer is None or isinstance(layer, InMemoryChannelLayer):
        return
    while True:
        try:
            await _receive(layer)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning("no hints from other processes, trying again: %s", error)
            await asyncio.sleep(1)


async def _receive(layer: Any) -> None:
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)
    try:
        while True:
            message = await layer.receive(channel)
            if message.get("from") != PROCESS:
                for hint in message["hints"]:
                    deliver(hint)
    finally:
        await layer.group_discard(GROUP, channel)
