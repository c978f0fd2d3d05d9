"""Processes as the system shows them, and how to reach one, or a group, and never another that bears its number."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

GRACE = 2.0  # seconds between asking a group to end and killing it
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
_NOT_ALIVE = {"Z", "X"}


class Seen(NamedTuple):
    """A process in /proc; `started` in clock ticks since the machine started, `rss` in bytes."""

    pid: int
    condition: str
    parent: int
    group: int
    session: int
    started: int
    rss: int

    @property
    def alive(self) -> bool:
        """One that waits to be reaped is not."""
        return self.condition not in _NOT_ALIVE


class Leader(NamedTuple):
    """A process that leads a session, found again after a crash by its number and the time of its start."""

    pid: int
    earliest: int
    latest: int
    boot: str


def ticks() -> int:
    """Now, on the clock of `Seen.started`."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * TICKS)


def boot() -> str:
    """Differs after each start of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def content(path: str) -> bytes:
    """All of a small file of the system's, without a file object: this is done for every process."""
    file = os.open(path, os.O_RDONLY)
    try:
        return b"".join(iter(lambda: os.read(file, 65536), b""))
    finally:
        os.close(file)


def look(pid: int) -> Seen | None:
    """The process of that number, None when there is none."""
    try:
        text = content(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    condition, parent, group, session = fields[:4]
    return Seen(pid, condition.decode(), int(parent), int(group), int(session), int(fields[19]), int(fields[21]) * PAGE)


def own_peak() -> int:
    """Bytes that this process held at most since its program began; what it starts is counted from there."""
    lines = content("/proc/self/status").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"VmHWM:")), 0)


def everybody() -> Iterator[Seen]:
    with os.scandir("/proc") as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    yield from filter(None, map(look, pids))


def by_parent() -> Mapping[int, list[Seen]]:
    """All processes under the number of their parent."""
    found: dict[int, list[Seen]] = defaultdict(list)
    for seen in everybody():
        found[seen.parent].append(seen)
    return found


def with_descendants(roots: Iterable[Seen], children: Mapping[int, list[Seen]]) -> Iterator[Seen]:
    """These processes and all that descend from them, each once."""
    todo, known = list(roots), set[int]()
    while todo:
        seen = todo.pop()
        if seen.pid not in known:
            known.add(seen.pid)
            todo += children.get(seen.pid, ())
            yield seen


def signal_group(group: int, number: int) -> bool:
    """Whether the group has members, dead ones that wait to be reaped included."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # a member changed its user; the others got it
        return True
    return True


def signal_one(seen: Seen, *numbers: int) -> None:
    """Reaches exactly the process that was seen: its number may be another's by now."""
    with suppress(OSError):
        handle = os.pidfd_open(seen.pid)
        try:
            now = look(seen.pid)
            for number in numbers if now is not None and now.started == seen.started else ():
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def environment_of(pid: int) -> list[bytes]:
    """NAME=value of the environment that the process was started with; nothing when it cannot be read."""
    try:
        return content(f"/proc/{pid}/environ").split(b"\0")
    except OSError:
        return []


def outputs_of(pid: int) -> set[tuple[int, int]]:
    """The files (device, inode) to which its standard output and error go."""
    found = set()
    for number in (1, 2):
        with suppress(OSError):
            status = Path(f"/proc/{pid}/fd/{number}").stat()
            found.add((status.st_dev, status.st_ino))
    return found
