"""One child of the worker: started in its own session, ended with everything that it started."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

from qbcore.commands import without_shell
from qbcore.worker.groups import GRACE, Leader, alive, signal_group, signal_session, ticks

_LOOK_AGAIN = 0.02  # seconds between two looks at a group that is ending
_NULL = os.open(os.devnull, os.O_RDONLY)


class NotStarted(Exception):  # noqa: N818
    """The program could not be started; the text says why."""


class Process:
    """A running or ended child. Its owner calls `reap` when `pidfd` is readable and `tick` when `deadline` has come.

    All times are monotonic seconds. It is `gone` when nothing of its session is alive.
    """

    def __init__(self, popen: subprocess.Popen[bytes], leader: Leader) -> None:
        self._popen = popen
        self.leader = leader
        self.pidfd = os.pidfd_open(popen.pid)
        self.started = time.monotonic()
        self.ended: float | None = None
        self.exit: int | None = None
        self.signal: int | None = None
        self.rss = 0  # bytes, the largest of the leader and those it waited for; never below what the worker had
        self.cpu = 0.0
        self.gone = False
        self._stopped_at: float | None = None
        self._paused = 0.0
        self._kill_at = math.inf
        self._look_at = math.inf

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

    def suspend(self, now: float) -> None:
        if self._stopped_at is None and not self.ending and self.ended is None:
            self._stopped_at = now
            signal_group(self.leader.pid, signal.SIGSTOP)

    def resume(self, now: float) -> None:
        if self._stopped_at is not None:
            self._paused += now - self._stopped_at
            self._stopped_at = None
            signal_group(self.leader.pid, signal.SIGCONT)

    def end(self, now: float) -> None:
        """Asks everything of the session to end, and kills what is left after the grace."""
        if not self.ending and not self.gone:
            self.resume(now)
            self._kill_at = now + GRACE
            signal_session(self.leader.pid, signal.SIGTERM, signal.SIGCONT)

    def kill(self) -> None:
        if not self.gone:
            signal_session(self.leader.pid, signal.SIGKILL)

    def reap(self, now: float) -> bool:
        """Takes the leader's end, if it has come; what it left behind in its group is ended too."""
        pid, word, usage = os.wait4(self.leader.pid, os.WNOHANG)
        if not pid:
            return False
        code = os.waitstatus_to_exitcode(word)
        self._popen.returncode = code  # what Popen would have found out by waiting itself
        self.exit, self.signal = (code, None) if code >= 0 else (None, -code)
        self.rss, self.cpu = usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime
        self.resume(now)
        self.ended = now
        os.close(self.pidfd)
        self._end_rest(now)
        return True

    def tick(self, now: float) -> None:
        if now >= self._kill_at:
            self._kill_at = now + GRACE
            self.kill()
        if now >= self._look_at:
            self._look(now)

    def _end_rest(self, now: float) -> None:
        """Strays would write into the next frame's part of the log."""
        if not self.ending and not signal_group(self.leader.pid, signal.SIGTERM):
            self._is_gone()
        elif self._look(now):
            self.end(now)

    def _look(self, now: float) -> bool:
        """Whether something of the session is alive; looks again soon if so."""
        if alive([self.leader.pid]):
            self._look_at = now + _LOOK_AGAIN
            return True
        self._is_gone()
        return False

    def _is_gone(self) -> None:
        self.gone = True
        self._kill_at = self._look_at = math.inf


def start(argv: list[str], *, env: Mapping[str, str], cwd: str, out: int, err: int, boot: str) -> Process:
    """Starts the command with its output appended to these open files. Raises NotStarted with a sentence.

    A command that needs no shell gets none; what cannot be started that way is left to the shell to complain about.
    """
    direct = without_shell(argv)
    try:
        if direct is not argv:
            with suppress(OSError):
                return _spawn(direct, env, cwd, out, err, boot)
        return _spawn(argv, env, cwd, out, err, boot)
    except OSError as error:
        raise NotStarted(_why(error, cwd)) from error
    except ValueError as error:
        raise NotStarted(f"The command or its env cannot be passed on: {error}.") from error


def _why(error: OSError, cwd: str) -> str:
    if error.filename == cwd:
        return f"cwd: {cwd}: {error.strerror} on this host. Make the folder there or change cwd."
    return f"{error.filename or 'the process'}: {error.strerror}."


def _spawn(argv: list[str], env: Mapping[str, str], cwd: str, out: int, err: int, boot: str) -> Process:
    earliest = ticks()
    popen = subprocess.Popen(argv, stdin=_NULL, stdout=out, stderr=err, env=env, cwd=cwd, start_new_session=True)
    return Process(popen, Leader(popen.pid, earliest, ticks(), boot))
