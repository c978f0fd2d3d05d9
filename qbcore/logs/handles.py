"""Open files of logs, which others may replace at any moment."""

from __future__ import annotations

import os
from pathlib import Path


class Handle:
    """An open file that `closing` closes. Raises FileNotFoundError like open."""

    def __init__(self, file: Path, flags: int) -> None:
        self.number = os.open(file, flags, 0o600)

    def close(self) -> None:
        os.close(self.number)


def is_still_there(file: Path, handle: int) -> bool:
    """Whether the open file is the one that has this name now."""
    try:
        return os.path.samestat(file.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def write_all(handle: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written
