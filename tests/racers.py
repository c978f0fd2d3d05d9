"""Processes of their own that do the same thing to one database at the same moment."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

CALL_SECONDS = 120.0


class Racer:
    """One process with one host. It does what it is sent: (name of a method of Runner, arguments)."""

    def __init__(self, number: int, database: str, start: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(number, database, theirs, start), daemon=True)
        self.process.start()
        self._calls = 0
        theirs.close()

    def send(self, name: str, *args: Any) -> None:
        self._calls += 1
        self._pipe.send((self._calls, name, args))

    def answer(self) -> Any:
        """What the last call gave; an error of the other process is raised here with its trace.

        Answers that a failed test has not waited for are passed over.
        """
        call, good, found = 0, False, ""
        while call != self._calls:
            if not self._pipe.poll(CALL_SECONDS):
                raise TimeoutError(f"process {self.process.pid} did not answer for {CALL_SECONDS:g} s")
            call, good, found = self._pipe.recv()
        if not good:
            raise AssertionError(found)
        return found

    def close(self) -> None:
        self._pipe.send(None)
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()


@contextmanager
def racers(count: int, database: str) -> Iterator[list[Racer]]:
    """So many processes on that database (its URL); all are gone afterwards."""
    start = multiprocessing.get_context("spawn").Barrier(count)
    found = [Racer(number, database, start) for number in range(count)]
    try:
        yield found
    finally:
        for racer in found:
            racer.close()


def at_once(found: Sequence[Racer], name: str, *args: Any) -> list[Any]:
    """Lets all of them do the same at the same moment; their answers in order."""
    for racer in found:
        racer.send(name, *args)
    return [racer.answer() for racer in found]


def _run(number: int, database: str, pipe: Connection, start: Any) -> None:
    """The other process: sets Django up on the database, then serves its pipe."""
    os.environ["DATABASE_URL"] = database
    os.environ["DJANGO_SETTINGS_MODULE"] = "farm.settings"
    import django

    django.setup()
    from tests.runner import Runner

    runner = Runner(number, start)
    while (call := pipe.recv()) is not None:
        number_of_call, name, args = call
        act: Callable[..., Any] = getattr(runner, name)
        try:
            pipe.send((number_of_call, True, act(*args)))
        except Exception:
            pipe.send((number_of_call, False, traceback.format_exc()))
