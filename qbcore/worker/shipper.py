"""The thread that sends output: whatever grew, each stream in order, as long as it takes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from qbcore.worker.client import BadToken, Client, NoAnswer, Refusal, pauses
from qbcore.worker.spool import Spool

log = logging.getLogger(__name__)

FOLLOW = 0.25  # seconds between two looks at the sizes of streams that may grow
SPACING = 0.05  # seconds between two rounds: output of many short frames goes together


class Shipper(threading.Thread):
    """Give it spools; it removes each once that is closed and sent. `told` is called when something was sent."""

    def __init__(self, client: Client, told: Callable[[], None]) -> None:
        super().__init__(name="shipper", daemon=True)
        self._client = client
        self._told = told
        self._spools: list[Spool] = []
        self._changed = threading.Condition()
        self._poked = False
        self._until: float | None = None

    def add(self, spools: Iterable[Spool]) -> None:
        with self._changed:
            self._spools.extend(spools)
            self._wake()

    def waiting(self) -> int:
        """Bytes that were not sent yet."""
        with self._changed:
            return sum(spool.unsent() for spool in self._spools)

    def poke(self) -> None:
        """Something may have grown or been closed."""
        with self._changed:
            self._wake()

    def finish(self, until: float) -> None:
        """Send what can be sent by then (monotonic seconds), and end."""
        with self._changed:
            self._until = until
            self._wake()

    def run(self) -> None:
        waiting = pauses()
        while not self._over():
            started = time.monotonic()
            try:
                more = self._round()
                waiting = pauses()
            except BadToken:
                return  # the next sync learns the same and stops the worker
            except NoAnswer as silence:
                log.debug("output is kept: %s", silence)
                self._sleep(next(waiting))
                continue
            if not more:
                self._sleep(SPACING - (time.monotonic() - started))
                self._wait()

    def _round(self) -> bool:
        """One piece of each stream that grew; whether there is more to send."""
        with self._changed:
            self._poked = False
            spools = list(self._spools)
        before = [(spool.sent, spool.forgotten) for spool in spools]
        more = [spool for spool in spools if self._sent_one(spool)]
        for spool in spools:
            if spool.finished:
                self._remove(spool)
        if before != [(spool.sent, spool.forgotten) for spool in spools]:
            self._told()
        return bool(more)

    def _sent_one(self, spool: Spool) -> bool:
        try:
            return spool.send(self._client)
        except BadToken:
            raise
        except Refusal as refused:
            log.warning("output of grant %d is dropped: %s", spool.grant, refused)
            spool.forgotten = True
            return False
        except OSError as error:
            log.error("output of grant %d cannot be read: %s", spool.grant, error.strerror)
            spool.forgotten = True
            return False

    def _remove(self, spool: Spool) -> None:
        with self._changed:
            self._spools.remove(spool)
        try:
            spool.remove()
        except OSError as error:  # the next worker finds that it was sent, and tries again
            log.error("cannot remove %s: %s", spool.path, error.strerror)

    def _over(self) -> bool:
        with self._changed:
            unsent = any(not spool.has_sent(spool.size()) for spool in self._spools)
            return self._until is not None and (not unsent or time.monotonic() >= self._until)

    def _wait(self) -> None:
        """Until something is said, or for one look's time while a stream is open."""
        with self._changed:
            growing = any(not spool.closed for spool in self._spools)
            self._changed.wait_for(lambda: self._poked or self._until is not None, FOLLOW if growing else None)

    def _sleep(self, seconds: float) -> None:
        """Pokes do not cut this short. At the end there is no time for long pauses."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._until is not None, max(seconds, 0)):
                return
        time.sleep(min(max(seconds, 0), SPACING))

    def _wake(self) -> None:
        self._poked = True
        self._changed.notify_all()
