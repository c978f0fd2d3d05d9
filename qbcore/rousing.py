"""Who is woken when work waits: of the hosts that asked in vain as many as there is work for, and a few more.

What is known here may be old or missing (a host may ask another process): whoever is not woken is so in a later round,
and asks by itself in the end.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Collection, Iterator
from itertools import islice

from qbcore import hosts
from qbcore.candidates import HostView
from qbcore.waiting import waiting

MORE = 1.2
REST = 5.0
"""Seconds in which a host that was woken is left alone, unless it has asked in vain meanwhile."""
COUNTED = 30.0
IDLE_PER_SECOND, BUSY_PER_SECOND = 25, 100
LONGEST_IDLE, LONGEST_BUSY = 240.0, 60.0


class Rousing:
    """What this process knows of hosts that have room. For several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._vain: dict[int, tuple[HostView, float]] = {}
        self._woken: dict[int, float] = {}
        self._last = 0
        self._active, self._counted = 0, -math.inf

    def in_vain(self, host: HostView) -> None:
        """The host had room and there was nothing more for it."""
        with self._guard:
            self._vain[host.id] = (host, time.monotonic())

    def whom(self, here: Collection[int], *, again: bool = False) -> list[int]:
        """Which of the hosts that listen here are to ask now; none when nothing waits.

        *again*: nothing is new, the others have their turn.
        """
        wanted = waiting.wanted(len(here))
        if not wanted:
            return []
        most = math.ceil(wanted * MORE)
        now = time.monotonic()
        with self._guard:
            fresh = [host for host in self._turns(here) if self._may_wake(host, now, again=again)]
            known = [self._vain[host][0] for host in fresh if host in self._vain]
            unknown = (host for host in fresh if host not in self._vain)
        found = waiting.takers(known, most)
        found += islice(unknown, most - len(found))
        with self._guard:
            self._woken |= dict.fromkeys(found, now)
            self._last = found[-1] if found else self._last
        return found

    def _turns(self, here: Collection[int]) -> Iterator[int]:
        """In the order of their numbers, from behind the last one that was woken: everybody has a turn."""
        ordered = sorted(here)
        yield from (host for host in ordered if host > self._last)
        yield from (host for host in ordered if host <= self._last)

    def _may_wake(self, host: int, now: float, *, again: bool) -> bool:
        woken = self._woken.get(host, -math.inf)
        return now - woken > REST or (not again and host in self._vain and self._vain[host][1] > woken)

    def left(self, host: int) -> None:
        """The host does not listen here any more."""
        with self._guard:
            self._vain.pop(host, None)
            self._woken.pop(host, None)

    def patience(self, *, busy: bool) -> float:
        """Seconds after which a host asks although nobody woke it: longer on a large farm, whose hosts all do."""
        now = time.monotonic()
        if now - self._counted > COUNTED:
            self._active, self._counted = hosts.active_hosts(), now
        rate, longest = (BUSY_PER_SECOND, LONGEST_BUSY) if busy else (IDLE_PER_SECOND, LONGEST_IDLE)
        return max(hosts.beat_seconds(), min(longest, self._active / rate))


rousing = Rousing()
