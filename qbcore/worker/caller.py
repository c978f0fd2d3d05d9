"""The thread that speaks to the supervisor: one request at a time, repeated until it is answered."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from qbcore.worker.client import LONGEST_PAUSE, SHORTEST_PAUSE, Client, NoAnswer, Refusal, pauses

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What came back, or the refusal; `sent` is when the request that was answered went out (monotonic)."""

    body: dict[str, Any]
    sent: float
    refusal: Refusal | None = None


class Caller(threading.Thread):
    """`ask` once, then wait for `told`, which is called in this thread with the answer.

    It pauses for at most two beats (a third of the lease): a supervisor that comes back gives every host one lease.
    """

    def __init__(self, client: Client, beat: float, told: Callable[[Answer], None]) -> None:
        super().__init__(name="caller", daemon=True)
        self._client = client
        self._longest_pause = min(LONGEST_PAUSE, 2 * beat)
        self._told = told
        self._requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._hurry = threading.Event()

    def ask(self, request: dict[str, Any]) -> None:
        self._requests.put(orjson.dumps(request))

    def hurry(self) -> None:
        """The worker is leaving: long pauses are over."""
        self._hurry.set()

    def run(self) -> None:
        while True:
            self._told(self._answer(self._requests.get()))

    def _answer(self, request: bytes) -> Answer:
        silent_since = time.monotonic()
        waiting = pauses(self._longest_pause)
        while True:
            sent = time.monotonic()
            try:
                answer = Answer(self._client.post("sync", request), sent)
            except Refusal as refusal:
                return Answer({}, sent, refusal)
            except NoAnswer as silence:
                pause = next(waiting)
                log.log(logging.WARNING if pause < SHORTEST_PAUSE * 1.5 else logging.DEBUG, "%s", _quiet(silence))
                self._pause(pause)
                continue
            if sent > silent_since + SHORTEST_PAUSE:
                log.warning("the supervisor answers again after %.1f s", time.monotonic() - silent_since)
            return answer

    def _pause(self, seconds: float) -> None:
        if self._hurry.wait(seconds):
            time.sleep(min(seconds, SHORTEST_PAUSE))


def _quiet(silence: NoAnswer) -> str:
    return f"the supervisor does not answer ({silence}); frames go on, reports and output are kept"
