"""Things to do soon, outside of the transaction that found them due: a thread of this process does each once a tick.

A process may die with errands undone, so each is also found by housekeeping: this only makes it quick.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connection, transaction

log = logging.getLogger(__name__)
TICK = 0.2


class Errands:
    """Does *do* for each number that it was told of, together what came within a tick."""

    def __init__(self, name: str, do: Callable[[int], object], *, tick: float = TICK) -> None:
        self._name = name
        self._do = do
        self._tick = tick
        self._numbers: set[int] = set()
        self._guard = threading.Lock()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None

    def soon(self, number: int) -> None:
        """Asks for it once this transaction is committed."""
        transaction.on_commit(lambda: self.add(number), robust=True)

    def add(self, number: int) -> None:
        with self._guard:
            self._numbers.add(number)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._due.set()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            with self._guard:
                numbers, self._numbers = self._numbers, set()
            for number in sorted(numbers):
                self._try(number)
            connection.close()
            threading.Event().wait(self._tick)

    def _try(self, number: int) -> None:
        try:
            self._do(number)
        except Exception as error:  # its row stays, and housekeeping finds it
            log.warning("%s: %s was not done now: %s", self._name, number, error)
