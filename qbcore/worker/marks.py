"""When which stream of a grant grew: a small file of lines "milliseconds since its start, size of out, size of err".

A thread looks at the sizes five times a second while anything is held. A grant that is over sooner leaves no marks, so
short frames cost two comparisons each; one that lives long is looked at less often the older it gets, so the file stays
small. Marks are a help for reading, never waited for.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from qbcore.worker.client import BadToken, Client, Refusal
from qbcore.worker.shipper import Shipper
from qbcore.worker.spool import MARKS, Spool

log = logging.getLogger(__name__)

PERIOD = 0.2  # seconds between two looks
NEAR = 0.1  # seconds within which a second mark says nothing new
FEWER = 20_000  # a grant that is so many times older than the pause between its looks is looked at less often
SENT_EVERY = 1.0  # seconds between two pieces of one file of marks: they are small, and nobody waits for them


class MarksSpool(Spool):
    """Marks on their way. A supervisor that does not know them refuses them, which is no loss."""

    def __init__(self, folder: Path, grant: int) -> None:
        super().__init__(folder, grant, MARKS)
        self._not_before = 0.0

    def send(self, client: Client) -> bool:
        now = time.monotonic()
        if now < self._not_before and not self.closed:
            return False
        self._not_before = now + SENT_EVERY
        try:
            return super().send(client)
        except BadToken:
            raise
        except Refusal as refused:
            log.debug("marks of grant %d are not wanted: %s", self.grant, refused)
            self.forgotten = True
            return False


class Marks:
    """The marks of one grant. The main thread notes where frames begin and end, the watch looks in between.

    Times are monotonic seconds. `begin` makes the file, when there is a first mark worth one.
    """

    def __init__(self, out: Spool, err: Spool, begin: Callable[[], Spool], now: float) -> None:
        self._streams = (out, err)
        self._begin = begin
        self._began = now
        self._last = (now - NEAR, 0, 0)
        self._look_at = now + PERIOD
        self._lines: list[bytes] = []
        self._spool: Spool | None = None
        self._over = False
        self._lock = threading.Lock()

    def note(self, out: int, err: int, now: float) -> None:
        """A frame begins or has ended at these sizes."""
        with self._lock:
            if now - self._last[0] >= NEAR:
                self._add(out, err, now)

    def look(self, now: float) -> None:
        """Has anything been written since the last mark?"""
        with self._lock:
            if not self._over and now >= self._look_at:
                self._look_at = now + max(PERIOD, (now - self._began) / FEWER)
                self._look(now)

    def end(self, now: float) -> None:
        """The grant is over: its streams are not looked at any more once this returns."""
        with self._lock:
            self._over = True
            if self._spool or now - self._began >= PERIOD:
                self._look(now)
            if self._spool:
                self._spool.close()

    def _look(self, now: float) -> None:
        out, err = (stream.size() for stream in self._streams)
        if (out, err) != self._last[1:]:
            self._add(out, err, now)
        self._write()

    def _add(self, out: int, err: int, now: float) -> None:
        now = max(now, self._last[0])  # both threads read the clock before they come here
        self._last = (now, max(out, self._last[1]), max(err, self._last[2]))
        self._lines.append(b"%d %d %d\n" % (int((now - self._began) * 1000), *self._last[1:]))

    def _write(self) -> None:
        """A full disk costs marks, nothing else."""
        if self._lines:
            lines, self._lines = b"".join(self._lines), []
            with suppress(OSError):
                self._spool = self._spool or self._begin()
                os.write(self._spool.file, lines)


class Watch:
    """All marks of this host, and the thread that looks."""

    def __init__(self, folder: Path, shipper: Shipper) -> None:
        self._folder = folder
        self._shipper = shipper
        self._marks: dict[int, Marks] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def begin(self, grant: int, out: Spool, err: Spool, now: float) -> None:
        with self._changed:
            self._marks[grant] = Marks(out, err, lambda: self._spool(grant), now)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="marks", daemon=True)
                self._thread.start()

    def note(self, grant: int, out: int, err: int, now: float) -> None:
        if grant in self._marks:
            self._marks[grant].note(out, err, now)

    def end(self, grant: int, now: float) -> None:
        """Before the grant's streams are closed."""
        with self._changed:
            marks = self._marks.pop(grant, None)
        if marks:
            marks.end(now)

    def _spool(self, grant: int) -> Spool:
        spool = MarksSpool(self._folder, grant)
        self._shipper.add([spool])
        return spool

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._marks))
                marks = list(self._marks.values())
            for one in marks:
                one.look(time.monotonic())
            time.sleep(PERIOD)
