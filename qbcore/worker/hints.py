"""The websocket's thread: hints to ask now come in, signs of life go out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from qbcore.remote.address import Address
from qbcore.worker.client import pauses

log = logging.getLogger(__name__)


class Hints(threading.Thread):
    """Calls `told` for every hint and after each connecting, since hints may have been missed before it."""

    def __init__(
        self,
        address: Address,
        token: str,
        session: str,
        beat: float,
        told: Callable[[], None],
        load: Callable[[], dict[str, float]],
    ) -> None:
        super().__init__(name="hints", daemon=True)
        self._url = f"ws{address.url.removeprefix('http')}/ws/worker"
        self._headers = {"Authorization": f"Bearer {token}", "X-QB-Session": session}
        self._beat = beat
        self._told = told
        self._load = load
        self._stopped = threading.Event()
        self._socket: ClientConnection | None = None
        self.up = False

    def stop(self) -> None:
        self._stopped.set()

    def tell(self, message: dict[str, Any]) -> bool:
        """Sends it from the caller's thread; False when there is no connection now."""
        socket = self._socket
        if socket is None or not self.up:
            return False
        try:
            socket.send(orjson.dumps(message).decode())
        except (OSError, EOFError, WebSocketException):
            return False
        return True

    def run(self) -> None:
        waiting = pauses()
        while not self._stopped.is_set():
            started = time.monotonic()
            with suppress(OSError, TimeoutError, WebSocketException, EOFError):
                self._listen()
            self.up = False
            if time.monotonic() - started > self._beat:
                waiting = pauses()
            self._stopped.wait(next(waiting))

    def _listen(self) -> None:
        with connect(
            self._url, additional_headers=self._headers, open_timeout=5, close_timeout=1, proxy=None
        ) as socket:
            self._socket, self.up = socket, True
            self._told()
            self._follow(socket)

    def _follow(self, socket: ClientConnection) -> None:
        """Whatever the supervisor says is a hint."""
        next_beat = time.monotonic()
        while not self._stopped.is_set():
            if time.monotonic() >= next_beat:
                socket.send(orjson.dumps({"beat": 1, "load": self._load()}).decode())
                next_beat = time.monotonic() + self._beat
            with suppress(TimeoutError):
                socket.recv(timeout=max(next_beat - time.monotonic(), 0))
                self._told()
