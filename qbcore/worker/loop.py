"""The worker's main loop: one thread decides everything; children, answers, hints and signals wake it."""

from __future__ import annotations

import logging
import math
import os
import selectors
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from qbcore.remote.address import Address
from qbcore.worker.caller import Answer, Caller
from qbcore.worker.client import BadToken, Client, Contradiction, OtherVersion, Refusal
from qbcore.worker.facts import load
from qbcore.worker.grants import Attempt, Site
from qbcore.worker.greeting import Welcome
from qbcore.worker.hints import Hints
from qbcore.worker.holdings import Holdings, Said
from qbcore.worker.progress import Progress
from qbcore.worker.shipper import Shipper
from qbcore.worker.spool import recovered
from qbcore.worker.standing import Standing
from qbcore.worker.state import StateFolder

log = logging.getLogger(__name__)

LEAVE = 3.4  # seconds for ending everything and saying so
LAST_OUTPUT = 0.4  # seconds for sending output after that
_SHORTEST = 0.02  # seconds between an answer and a request that only follows a hint
_AFTER_REFUSAL = 5.0
AGAIN = -1
"""What `Worker.run` answers when the worker is to start anew."""


@dataclass
class Leaving:
    """The worker ends: with which exit code, at the latest when, and whether the supervisor is to be told."""

    code: int
    deadline: float
    tell: bool
    said: bool = False


class Wake:
    """Lets other threads and signals end the loop's waiting."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)

    def __call__(self) -> None:
        with suppress(BlockingIOError):  # full: it is awake
            os.write(self.writer, b"!")

    def clear(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.reader, 4096)


class Worker:
    """Runs until it is asked to leave, or the supervisor does not want it any more."""

    def __init__(
        self,
        folder: StateFolder,
        address: Address,
        token: str,
        welcome: Welcome,
        site: Site,
        standing: Standing | None = None,
    ) -> None:
        now = time.monotonic()
        self._wake = Wake()
        self._beat = welcome.beat
        self._session = welcome.session
        self._answers: deque[Answer] = deque()
        self._caller = Caller(Client(address, token), welcome.beat, self._told)
        self._hints = Hints(address, token, welcome.session, welcome.beat, self._hinted, self._load_now)
        self._shipper = Shipper(Client(address, token), self._wake)
        self._shipper.add(recovered(folder.spool))
        self._holdings = Holdings(folder, site, welcome.slots, self._shipper, now)
        self._progress = Progress(self._hints.tell)
        self._site = site
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake.reader, selectors.EVENT_READ, self._wake.clear)
        self._signal = ""
        self._leaving: Leaving | None = None
        self._draining = False
        self._seq = 0
        self._said: Said | None = None
        self._hint = True
        self._asked_at = self._not_before = now
        self._next_at = now
        self._load = (-math.inf, {"cpu": 0.0, "memory": 0.0})
        self._standing = standing
        self._look_again = False
        self._facts: dict[str, Any] | None = None
        self._stated: dict[str, Any] | None = None

    def run(self) -> int:
        """0 after handing everything back, 1 when the supervisor does not want this worker, AGAIN to start anew."""
        self._listen_to_signals()
        self._site.outputs.told = self._wake
        for thread in (self._caller, self._hints, self._shipper):
            thread.start()
        now = time.monotonic()
        while not self._over(now):
            wait = self._deadline(now) - now
            for key, _ in self._selector.select(None if wait == math.inf else max(wait, 0)):
                key.data()
            now = time.monotonic()
            self._turn(now)
        return self._close(now)

    def _leave(self, why: str, *, code: int = 0, tell: bool = True) -> None:
        """End what runs, hand everything back, stop."""
        now = time.monotonic()
        if self._leaving is None:
            log.log(logging.ERROR if code > 0 else logging.INFO, "stopping: %s", why)
            self._leaving = Leaving(code, now + LEAVE, tell)
            self._holdings.end(now)
            self._caller.hurry()
        elif not tell:
            self._leaving.tell = False

    def _turn(self, now: float) -> None:
        if self._signal:
            self._leave(f"asked to by {self._signal}")
        if self._look_again and self._standing:
            self._look_again = False
            self._facts = self._standing.read_again() or self._facts
            self._hint = True
        while self._answers:
            self._take(self._answers.popleft(), now)
        self._holdings.tick(now)
        while startable := self._holdings.startable(now):
            for grant in startable:
                self._follow(self._holdings.start(grant, now))
        self._progress.look(self._holdings.grants.values(), now)
        if self._ask_at(now) <= now:
            self._ask(now)

    def _follow(self, attempt: Attempt | None) -> None:
        if attempt:
            ended = partial(self._ended, attempt)
            self._selector.register(attempt.process.pidfd, selectors.EVENT_READ, ended)

    def _ended(self, attempt: Attempt) -> None:
        self._selector.unregister(attempt.process.pidfd)
        attempt.process.reap(time.monotonic())

    def _deadline(self, now: float) -> float:
        leaving = self._leaving.deadline if self._leaving else math.inf
        look = self._progress.deadline(self._holdings.running())
        return min(self._holdings.deadline(now), self._ask_at(now), leaving, look)

    def _ask_at(self, now: float) -> float:
        """When the next request goes out, infinity while one is under way."""
        if self._said is not None:
            return math.inf
        if self._leaving:
            ready = self._leaving.tell and not self._leaving.said and not self._holdings.running()
            return now if ready else math.inf
        at = min(self._next_at, self._holdings.due(now))
        if self._hint:
            at = min(at, self._asked_at + _SHORTEST)
        if not self._hints.up:
            at = min(at, self._asked_at + self._beat)
        return max(at, self._not_before)

    def _ask(self, now: float) -> None:
        last = self._leaving is not None
        body, self._said = self._holdings.request(now, everything=last)
        self._seq += 1
        self._hint = False
        self._asked_at = now
        self._stated = self._facts
        facts = {"facts": self._stated} if self._stated else {}
        leaving = {"leaving": True} if self._leaving and self._leaving.code != AGAIN else {}
        body |= {**facts, **leaving, "load": self._current_load(now), **self._progress.untold()}
        self._caller.ask({"session": self._session, "seq": self._seq, **body})
        if self._leaving:
            self._leaving.said = True

    def _take(self, answer: Answer, now: float) -> None:
        said, self._said = self._said, None
        assert said is not None
        if answer.refusal:
            self._refused(answer.refusal, now)
            return
        self._holdings.answered(answer.body, said, answer.sent, now)
        self._next_at = now + max(float(answer.body.get("next", self._beat)), _SHORTEST)
        if self._facts is self._stated:
            self._facts = None
        if asked := answer.body.get("asked"):
            self._leave(f"the farm asks for {asked}", code=AGAIN if asked == "restart" else 0)
        if answer.body.get("over") and not answer.body.get("filled"):
            self._hint = True  # a slot is free that was not when this was asked

    def _refused(self, refusal: Refusal, now: float) -> None:
        self._hint = True
        if isinstance(refusal, BadToken) or (isinstance(refusal, Contradiction) and refusal.code == "session"):
            self._leave(f"the supervisor does not want this worker any more: {refusal}", code=1, tell=False)
        elif isinstance(refusal, OtherVersion):
            log.error("another version of the worker is needed: %s. What runs goes on, nothing new starts.", refusal)
            self._draining = True
            self._holdings.drain(now)
            self._not_before = math.inf
        elif refusal.code != "seq":
            log.error("the supervisor refused a request: %s", refusal)
            if refusal.http == 400 and self._stated:
                log.error("the facts of this host are not told until they change again")
                self._facts = None
            elif refusal.http == 400 and (given_up := self._holdings.reports.forget()):
                log.error("reports of the attempts %s are given up, or nothing could be said any more", given_up)
            else:
                self._not_before = now + _AFTER_REFUSAL

    def _over(self, now: float) -> bool:
        if self._leaving is None:
            return self._draining and not self._holdings.running()
        if now >= self._leaving.deadline:
            return True
        told = not self._leaving.tell or (self._leaving.said and self._said is None)
        return told and not self._holdings.running()

    def _close(self, now: float) -> int:
        self._holdings.kill()
        self._holdings.close()
        self._shipper.finish(now + LAST_OUTPUT)
        self._shipper.join(LAST_OUTPUT)
        self._hints.stop()
        code = self._leaving.code if self._leaving else 1
        return 0 if self._signal and code == AGAIN else code

    def _told(self, answer: Answer) -> None:
        """In the caller's thread."""
        self._answers.append(answer)
        self._wake()

    def _hinted(self) -> None:
        """In the websocket's thread."""
        self._hint = True
        self._wake()

    def _load_now(self) -> dict[str, float]:
        """In the websocket's thread."""
        return self._current_load(time.monotonic())

    def _current_load(self, now: float) -> dict[str, float]:
        """At most once a second: with a thousand frames a second there are many requests."""
        if now - self._load[0] > 1:
            self._load = (now, load())
        return self._load[1]

    def _listen_to_signals(self) -> None:
        signal.set_wakeup_fd(self._wake.writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        if self._standing and self._standing.rereads:
            signal.signal(signal.SIGHUP, self._hung_up)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        """Only noted here: a handler runs in the middle of anything. The wake-up pipe ends the loop's waiting."""
        self._signal = signal.Signals(number).name

    def _hung_up(self, number: int, frame: FrameType | None) -> None:
        self._look_again = True
