"""A log file as it is right now, in whichever form: the one reader of all logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qbcore.logs.handles import Handle
from qbcore.logs.late import Overlaid
from qbcore.logs.places import late_path, packed_path
from qbcore.logs.seekable import Bytes, Packed

_LOOKS = 5
"""How often a file is looked for that is just being replaced: each look misses one replacement at most."""


class Empty:
    """A log of which nothing is here."""

    size = 0

    def read(self, offset: int, length: int) -> bytes:
        return b""


class Plain:
    """A file as it came; it may grow while it is read, `size` stays what it was."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.size = os.fstat(handle).st_size

    def read(self, offset: int, length: int) -> bytes:
        end, taken = min(offset + length, self.size), []
        while offset < end and (piece := os.pread(self._handle, end - offset, offset)):
            taken.append(piece)
            offset += len(piece)
        return b"".join(taken)


@contextmanager
def opened(file: Path) -> Iterator[Bytes]:
    """The log of that (plain) path. It stays readable when it is packed or removed meanwhile."""
    handles: list[Handle] = []
    try:
        yield _found(file, handles)
    finally:
        for handle in handles:
            handle.close()


def _found(file: Path, handles: list[Handle]) -> Bytes:
    """The plain file where there is one: beside it, a packed one is one whose packer died before it took it away."""
    for _ in range(_LOOKS):
        if _open(file, handles):
            return Plain(handles[-1].number)
        is_late = _open(late_path(file), handles)  # before the packed one, which may have its pieces by then
        if _open(packed_path(file), handles):
            packed = Packed(handles[-1].number)
            return Overlaid(packed, handles[-2].number) if is_late else packed
    return Empty()


def _open(file: Path, handles: list[Handle]) -> bool:
    with suppress(FileNotFoundError):
        handles.append(Handle(file, os.O_RDONLY))
        return True
    return False


def size_of(file: Path) -> int:
    """How long the log of that (plain) path is; 0 when nothing is here."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        with opened(file) as log:
            return log.size
