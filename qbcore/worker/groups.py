"""Process groups as the system shows them: who is alive in a session, how to reach all of them, what is left over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

GRACE = 2.0  # seconds between asking a group to end and killing it
_PAUSE = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")
_NOT_ALIVE = {"Z", "X"}


class Seen(NamedTuple):
    """A process in /proc; `started` in clock ticks since the machine started."""

    pid: int
    condition: str
    group: int
    session: int
    started: int


class Leader(NamedTuple):
    """A process that leads a session, found again after a crash by its number and the time of its start."""

    pid: int
    earliest: int
    latest: int
    boot: str


def ticks() -> int:
    """Now, on the clock of `Seen.started`."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * _TICKS)


def boot() -> str:
    """Differs after each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def look(pid: int) -> Seen | None:
    """The process of that number, None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return Seen(pid, fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def everybody() -> Iterator[Seen]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (seen := look(int(path.name))):
            yield seen


def alive(sessions: Iterable[int]) -> list[Seen]:
    """The living processes of these sessions. One that waits to be reaped is not alive."""
    wanted = set(sessions)
    return [seen for seen in everybody() if seen.session in wanted and seen.condition not in _NOT_ALIVE]


def signal_group(group: int, number: int) -> bool:
    """Whether the group has members, dead ones that wait to be reaped included."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # a member changed its user; the others got it
        return True
    return True


def signal_session(session: int, *numbers: int) -> None:
    """Reaches the leader's group at once and then those of its session that made groups of their own."""
    for number in numbers:
        signal_group(session, number)
    for group in {seen.group for seen in alive([session])} - {session}:
        for number in numbers:
            signal_group(group, number)


def end_leftovers(leaders: Sequence[Leader]) -> int:
    """Ends what an earlier worker left running, within about two graces; how many sessions there were."""
    sessions = [leader.pid for leader in leaders if _is_left(leader)]
    found = {seen.session for seen in alive(sessions)}
    for session in found:
        signal_session(session, signal.SIGTERM, signal.SIGCONT)
    if not _gone(found, GRACE):
        for session in found:
            signal_session(session, signal.SIGKILL)
        _gone(found, GRACE)
    return len(found)


def _is_left(leader: Leader) -> bool:
    """The leader itself, or its session without it: a number is not given out again while a session bears it."""
    seen = look(leader.pid)
    if leader.boot != boot():
        return False
    return seen is None or leader.earliest <= seen.started <= leader.latest


def _gone(sessions: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(sessions):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
