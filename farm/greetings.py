"""Hellos take turns, so that a farm whose hosts all start at once goes on answering whoever works already.

A few are answered at a time, in threads of their own, and as many wait here as will have their turn within seconds.
Whoever comes beside them is told when to come again: each a little later than the one before it, as fast as hellos
have been answered until now.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qbcore.errors import QubeError

AT_ONCE = 2
PATIENCE = 3.0
"""Seconds after which the last of those that wait here should have had its turn: a worker hangs up after ten."""
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds after which somebody who was sent away comes again."""
USUAL = 0.01
SHARE = 0.1
"""How much the last one counts in the mean of what hellos take."""


class Crowded(QubeError):  # noqa: N818 -- reads as what happened
    """Many hosts begin at once: ask again a little later."""

    code = "crowded"
    status = 429

    def __init__(self, after: float) -> None:
        super().__init__(f"many hosts begin at once: ask again in {after:.0f} s")
        self.after = after


class Greetings:
    """The hellos of this process. Used in its event loop only."""

    def __init__(self, at_once: int = AT_ONCE, patience: float = PATIENCE) -> None:
        self._threads = ThreadPoolExecutor(max_workers=at_once, thread_name_prefix="hello")
        self._at_once, self._patience = at_once, patience
        self._inside = 0
        self._mean = USUAL
        self._turn = -math.inf

    async def take(self, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What *answer* gives, which runs in a thread when its turn has come. Raises Crowded."""
        if self._inside >= self._at_once and self._wait() >= self._patience:
            raise Crowded(self._after(time.monotonic()))
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._timed, answer)
        finally:
            self._inside -= 1

    def _timed(self, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        began = time.monotonic()
        try:
            return answer()
        finally:
            self._mean += SHARE * (time.monotonic() - began - self._mean)

    def _wait(self) -> float:
        """Seconds until all who are inside have had their turn."""
        return self._inside * self._mean / self._at_once

    def _after(self, now: float) -> float:
        """Seconds until the turn of one more: those who are sent away come back one after the other."""
        self._turn = max(self._turn, now + self._wait()) + self._mean / self._at_once
        return min(LONGEST, max(SHORTEST, self._turn - now))


greetings = Greetings()
