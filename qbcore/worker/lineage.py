"""Which processes belong to which frame, also those that left its group, its session or their parents.

The worker adopts every descendant that lost its parent (a child subreaper), so all of them stay in the tree below
it. Whose an adopted one is, is told by its session, by what was seen of it before, by the mark in its environment,
by the file that it writes to; and if by none of these, it is the last of the frames' that ran when it was found.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from qbcore.worker.groups import (
    Seen,
    boot,
    by_parent,
    content,
    environment_of,
    everybody,
    look,
    outputs_of,
    signal_group,
    signal_one,
    with_descendants,
)

log = logging.getLogger(__name__)

MARK = "QB_MARK"
_PR_SET_CHILD_SUBREAPER = 36
_NOBODYS = -1


def mark_of(folder: Path) -> str:
    """What all processes of the workers that use this folder bear, and those of no other worker's."""
    status = folder.stat()
    told = f"{status.st_dev}:{status.st_ino}:{boot()}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass
class Family:
    """A frame's: what all of it bears in its environment, the two files it writes to, seconds of its reaped strays."""

    mark: bytes
    files: tuple[int, int]
    cpu: float = 0.0


class Lineage:
    """All that descends from this process, by the leader (the process that was started for the frame)."""

    def __init__(self, mark: str = "") -> None:
        self._mark = mark
        self._prefix = f"{MARK}={mark}.".encode()
        self._adopting = False
        self._me = os.getpid()
        self._session = os.getsid(0)
        self._families: dict[int, Family] = {}
        self._adopted: dict[int, int] = {}
        self._unclear: dict[int, set[int]] = {}
        self._before: dict[tuple[int, int], int] = {}

    def adopt(self) -> None:
        """From now on whatever loses its parent becomes this process's child."""
        self._adopting = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
        if not self._adopting:
            log.warning("this system does not give strays back: processes that leave their session are not found")

    def variable(self, attempt: int) -> dict[str, str]:
        """What the environment of an attempt's processes has, that they are told from others by."""
        return {MARK: f"{self._mark}.{attempt}"}

    def begin(self, leader: int, mark: str, files: tuple[int, int]) -> None:
        """The frame's first process runs with `mark` in its environment and writes to these open files."""
        self._families[leader] = Family(f"{MARK}={mark}".encode(), files)

    def finish(self, leader: int) -> float:
        """The frame is over; seconds of processor time of those of its processes that this one had to reap."""
        self._adopt_known()
        family = self._families.pop(leader)
        for pid, candidates in list(self._unclear.items()):
            candidates.discard(leader)
            if not candidates:
                self._adopted[pid] = _NOBODYS
        return family.cpu

    def tidy(self) -> None:
        """Reaps those of nobody's children that have ended."""
        self._adopt_known()

    def has_left(self, leader: int) -> bool:
        """Whether something of a frame may be alive whose leader was reaped. Costs next to nothing if not."""
        self._adopt_known()
        return signal_group(leader, 0) or any(self._is_of(pid, leader) for pid in (*self._adopted, *self._unclear))

    def look(self) -> dict[int, list[Seen]]:
        """The living processes of each frame, by its leader: one look at all of the system's."""
        self._adopt_known()
        children = by_parent()
        families: dict[int, list[Seen]] = {}
        before: dict[tuple[int, int], int] = {}
        for leader in self._families:
            found = list(with_descendants(self._roots(leader, children), children))
            before.update({(seen.pid, seen.started): leader for seen in found})
            families[leader] = [seen for seen in found if seen.alive]
        self._before = before
        return families

    def members(self, leader: int) -> list[Seen]:
        return self.look().get(leader, [])

    def signal(self, leader: int, *numbers: int, reaped: bool) -> None:
        """Reaches all of the frame. A group can be signalled at once while the leader or a member of it is there."""
        if not reaped:
            for number in numbers:
                signal_group(leader, number)
        groups = {seen.group for seen in self.members(leader)} - ({leader} if not reaped else set())
        for group in groups:
            for number in numbers:
                signal_group(group, number)

    def _roots(self, leader: int, children: Mapping[int, list[Seen]]) -> Iterator[Seen]:
        yield from (seen for seen in chain.from_iterable(children.values()) if seen.session == leader)
        yield from (seen for seen in children.get(self._me, ()) if self._is_of(seen.pid, leader))

    def _is_of(self, pid: int, leader: int) -> bool:
        return self._adopted.get(pid) == leader or self._unclear.get(pid) == {leader}

    def _adopt_known(self) -> None:
        """Brings what is known of the adopted up to date and reaps those that have ended."""
        here = set(self._children()) - self._families.keys()
        for known in (self._adopted, self._unclear):
            for pid in known.keys() - here:
                del known[pid]
        for pid in here:
            seen = look(pid)
            if seen is None or seen.session == self._session:  # a child that the worker started for itself
                continue
            if pid not in self._adopted and pid not in self._unclear:
                self._place(seen)
            if not seen.alive:
                self._reap(pid)
            elif self._adopted.get(pid) == _NOBODYS:
                signal_one(seen, signal.SIGKILL)

    def _place(self, seen: Seen) -> None:
        owner = self._owner(seen)
        if owner is None and self._families:
            self._unclear[seen.pid] = set(self._families)
        else:
            self._adopted[seen.pid] = _NOBODYS if owner is None else owner

    def _owner(self, seen: Seen) -> int | None:
        if seen.session in self._families:
            return seen.session
        if (seen.pid, seen.started) in self._before:
            return self._before[seen.pid, seen.started]
        marks = [word for word in environment_of(seen.pid) if word.startswith(self._prefix)]
        if marks:
            return next((leader for leader, family in self._families.items() if family.mark in marks), _NOBODYS)
        outputs = outputs_of(seen.pid)
        writing = [leader for leader, family in self._families.items() if outputs & _identities(family.files)]
        return writing[0] if writing else None

    def _children(self) -> Iterable[int]:
        """Adopted ones are the main thread's; a child stays among them until it is reaped, so none is missed."""
        if not self._adopting:
            return ()
        try:
            return [int(word) for word in content(f"/proc/{self._me}/task/{self._me}/children").split()]
        except OSError:  # a kernel without this list
            return [seen.pid for seen in everybody() if seen.parent == self._me]

    def _reap(self, pid: int) -> None:
        """Whose time it was is known by now, or nobody's business."""
        gone, _, usage = os.wait4(pid, os.WNOHANG)
        owner = self._adopted.pop(gone, None)
        candidates = self._unclear.pop(gone, set())
        owner = min(candidates) if owner is None and len(candidates) == 1 else owner
        if owner in self._families:
            self._families[owner].cpu += usage.ru_utime + usage.ru_stime


def _identities(files: Iterable[int]) -> set[tuple[int, int]]:
    return {(status.st_dev, status.st_ino) for status in map(os.fstat, files)}
