"""The browser's websocket. It says what is on screen and gets what changes there; it can do nothing else.

Browser to farm: {"watch": {"job": {id: version}, "head": …, "work": {"id", "v"}, "newest": {"job": id}}}. Farm to
browser: {"seq", "at", "patches": [{"kind", "id", "v", "cells"} | {"kind", "id", "gone"} | {"kind": "work", "id", "v",
"frames" | "all"}], "new": {kind: {"count", "newest"}}}, or {"refetch": true} when it fell behind.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from farm import screens
from farm.feeds import OF_JOBS, parent
from farm.hub import SIGNED_OUT, Hub
from farm.screens import Screen, Watch
from farm.sessions import still_in
from qbcore.acting import Actor, acting_as
from qbcore.errors import Invalid
from qbcore.listing import jobs

BAD_MESSAGE = 4400
hub = Hub()


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc] # channels has no types
    """One browser page. Origin was checked before; the session is checked here and again at every sweep."""

    screen: Screen | None = None
    _sender: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        key = self.scope["session"].session_key or ""
        actor = (await database_sync_to_async(still_in)([key])).get(key)
        if actor is None:
            await self.close(SIGNED_OUT)
            return
        self._more = asyncio.Event()
        self.screen = Screen(actor=actor, session=key, wake=self._more.set, close=self._end)
        hub.watch(self.screen, Watch())
        self._sender = asyncio.create_task(self._send_all(self.screen))

    def _end(self, code: int) -> None:
        """Asked by the hub, in the same loop."""
        self._closing = asyncio.create_task(self.close(code))

    async def _send_all(self, screen: Screen) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            for message in screen.take():
                await self.send_json(message)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        if self.screen is None:
            return
        try:
            watch = screens.read(content["watch"])
        except (Invalid, KeyError, TypeError):
            await self.close(BAD_MESSAGE)
            return
        watch = await database_sync_to_async(visible)(self.screen.actor, watch)
        hub.watch(self.screen, watch)
        self.screen.put([], at=time.time())  # the page sees at once that somebody is there

    async def disconnect(self, code: int) -> None:
        if self.screen is not None:
            hub.leave(self.screen)
        if self._sender is not None:
            self._sender.cancel()
            with suppress(asyncio.CancelledError):
                await self._sender


def visible(actor: Actor, watch: Watch) -> Watch:
    """The watch without rows of jobs that *actor* may not see."""
    asked = {parent(key) for kind in OF_JOBS & set(watch.rows) for key in watch.rows[kind]} | {watch.work}
    with acting_as(actor):
        seen = jobs.visible(asked)
    rows = {
        kind: {key: has for key, has in keys.items() if kind not in OF_JOBS or parent(key) in seen}
        for kind, keys in watch.rows.items()
    }
    return Watch(rows, watch.work if watch.work in seen else 0, watch.work_version, watch.newest)
