"""One child of the worker: started in its own session, ended with everything that it started."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from resource import struct_rusage
from typing import Any

from qbcore.commands import DEFAULT_SHELL, without_shell
from qbcore.worker.accounts import Account
from qbcore.worker.groups import GRACE, Leader, own_peak, ticks
from qbcore.worker.lineage import MARK, Lineage

LOST = 10.0  # seconds after the first KILL when what does not die is no longer waited for: it will not run again
_LOOK_AGAIN = 0.02  # seconds before the second look at a frame that is ending; each further one waits longer
_LONGEST_LOOK = 0.5
_NULL = os.open(os.devnull, os.O_RDONLY)


class NotStarted(Exception):  # noqa: N818
    """The program could not be started; the text says why."""


class Process:
    """A running or ended child. Its owner calls `reap` when `pidfd` is readable and `tick` when `deadline` has come.

    All times are monotonic seconds. It is `gone` when nothing that descends from it is alive; `immortal` then are
    the processes that could not be killed in time (one that waits for a disk dies when the disk answers).
    """

    def __init__(self, popen: subprocess.Popen[bytes], leader: Leader, lineage: Lineage) -> None:
        self._popen = popen
        self._lineage = lineage
        self.leader = leader
        self.pidfd = os.pidfd_open(popen.pid)
        self.started = time.monotonic()
        self.ended: float | None = None
        self.exit: int | None = None
        self.signal: int | None = None
        self.rss = 0  # bytes at the same time of all its processes, as often as somebody looked
        self.cpu = 0.0
        self.gone = False
        self.immortal: list[int] = []
        self._stopped_at: float | None = None
        self._paused = 0.0
        self._kill_at = math.inf
        self._look_at = math.inf
        self._pause = _LOOK_AGAIN
        self._give_up_at = math.inf

    def elapsed(self, now: float) -> float:
        """Seconds that it ran, without those in which it was suspended."""
        stopped = 0.0 if self._stopped_at is None else now - self._stopped_at
        return (now if self.ended is None else self.ended) - self.started - self._paused - stopped

    @property
    def ending(self) -> bool:
        return self._kill_at < math.inf

    @property
    def deadline(self) -> float:
        return min(self._kill_at, self._look_at)

    def saw(self, rss: int) -> None:
        """So many bytes are in use by all its processes together now."""
        self.rss = max(self.rss, rss)

    def suspend(self, now: float) -> None:
        if self._stopped_at is None and not self.ending and self.ended is None:
            self._stopped_at = now
            self._signal(signal.SIGSTOP)

    def resume(self, now: float) -> None:
        if self._stopped_at is not None:
            self._paused += now - self._stopped_at
            self._stopped_at = None
            self._signal(signal.SIGCONT)

    def end(self, now: float) -> None:
        """Asks everything that descends from it to end, and kills what is left after the grace."""
        if not self.ending and not self.gone:
            self.resume(now)
            self._kill_at = now + GRACE
            self._signal(signal.SIGTERM, signal.SIGCONT)

    def kill(self) -> None:
        if not self.gone:
            self._signal(signal.SIGKILL)

    def reap(self, now: float) -> bool:
        """Takes the leader's end, if it has come; what it left behind is ended too."""
        if self.gone:  # it was given up, and has ended after all
            os.close(self.pidfd)
            self._lineage.tidy()
            return False
        pid, word, usage = os.wait4(self.leader.pid, os.WNOHANG)
        if not pid:
            return False
        code = os.waitstatus_to_exitcode(word)
        self._popen.returncode = code  # what Popen would have found out by waiting itself
        self.exit, self.signal = (code, None) if code >= 0 else (None, -code)
        self._count(usage)
        self.resume(now)
        self.ended = now
        os.close(self.pidfd)
        self._end_rest(now)
        return True

    def tick(self, now: float) -> None:
        if now >= self._kill_at:
            self._give_up_at = min(self._give_up_at, now + LOST)
            self._kill_at = now + GRACE
            self.kill()
        if now >= self._give_up_at and self.ended is None:
            self._give_up(now)
        if now >= self._look_at:
            self._look(now)

    def _signal(self, *numbers: int) -> None:
        self._lineage.signal(self.leader.pid, *numbers, reaped=self.ended is not None)

    def _count(self, usage: struct_rusage) -> None:
        """The system's own figure begins with what the worker had, because it counts from before the program."""
        largest = usage.ru_maxrss * 1024
        if not self.rss or largest > own_peak():
            self.rss = max(self.rss, largest)
        self.cpu = usage.ru_utime + usage.ru_stime

    def _end_rest(self, now: float) -> None:
        """Strays would write into the next frame's part of the log."""
        if not self._lineage.has_left(self.leader.pid):
            self._is_gone([])
        else:
            self._look(now)
            self.end(now)

    def _look(self, now: float) -> None:
        """Looks again soon if something is alive."""
        left = [seen.pid for seen in self._lineage.members(self.leader.pid)]
        if not left or now >= self._give_up_at:
            self._is_gone(left)
            return
        if self._give_up_at < math.inf:  # what was started since the KILL
            self.kill()
        self._look_at = now + self._pause
        self._pause = min(self._pause * 1.5, _LONGEST_LOOK)

    def _give_up(self, now: float) -> None:
        """The leader itself does not die. Its `pidfd` stays open: somebody may wait for it."""
        self.ended = now
        self._popen.returncode = -signal.SIGKILL  # or Popen would wait for it at some time
        self._is_gone([seen.pid for seen in self._lineage.members(self.leader.pid)])

    def _is_gone(self, left: list[int]) -> None:
        self.gone = True
        self.immortal = left
        self._kill_at = self._look_at = math.inf
        self.cpu += self._lineage.finish(self.leader.pid)


@dataclass(frozen=True)
class Place:
    """Where and as whom a process runs: its environment and folder, the open files that its output is appended to.

    `account`: None for the worker's own.
    """

    env: Mapping[str, str]
    cwd: str
    out: int
    err: int
    account: Account | None = None

    def spawn(self, argv: list[str], cwd: str) -> subprocess.Popen[bytes]:
        """Its own session, no input. Without another account the system need not copy this process (vfork)."""
        who: dict[str, Any] = {}
        if self.account:
            who = {"user": self.account.user, "group": self.account.group, "extra_groups": self.account.groups}
        return subprocess.Popen(
            argv, stdin=_NULL, stdout=self.out, stderr=self.err, env=self.env, cwd=cwd, start_new_session=True, **who
        )


def start(argv: list[str], place: Place, *, boot: str, lineage: Lineage) -> Process:
    """Starts the command with its output appended to the open files. Raises NotStarted with a sentence.

    A command that needs no shell gets none; what cannot be started that way is left to the shell to complain about.
    """
    direct = without_shell(argv)
    earliest = ticks()
    try:
        popen = _direct(direct, place) if direct is not argv else None
        popen = popen or _spawn(argv, place)
    except OSError as error:
        raise NotStarted(_why(error, place.cwd)) from error
    except ValueError as error:
        raise NotStarted(f"The command or its env cannot be passed on: {error}.") from error
    lineage.begin(popen.pid, place.env.get(MARK, ""), (place.out, place.err))
    return Process(popen, Leader(popen.pid, earliest, ticks(), boot), lineage)


def _why(error: OSError, cwd: str) -> str:
    if error.filename == cwd:
        return f"cwd: {cwd}: {error.strerror} on this host. Make the folder there or change cwd."
    return f"{error.filename or 'the process'}: {error.strerror}."


def _direct(argv: list[str], place: Place) -> subprocess.Popen[bytes] | None:
    try:
        return _spawn(argv, place)
    except OSError:
        return None


def _spawn(argv: list[str], place: Place) -> subprocess.Popen[bytes]:
    try:
        return place.spawn(argv, place.cwd)
    except PermissionError as error:
        if place.account is None or error.filename != place.cwd:
            raise
    return place.spawn(entering(place.cwd, argv), "/")


def entering(cwd: str, argv: list[str]) -> list[str]:
    """The command begun in that folder by the account itself: root may not enter it on a file server that squashes."""
    return [DEFAULT_SHELL, "-c", 'cd -- "$0" && exec "$@"', cwd, *argv]
