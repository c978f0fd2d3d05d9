"""A few records by number that outlive a kill -9: every change is one appended line."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

log = logging.getLogger(__name__)

_SLACK = 256 * 1024  # bytes of outdated lines that are carried along before the file is written anew


class Journal:
    """Records by number in a file of mode 0600. `records` is what stands in it, in the order of putting.

    It survives the death of the process, not of the machine: nothing is synced to the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records: dict[int, Any] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            self._replay(line)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = 0
        self.dirty = False
        self._rewrite()

    def put(self, number: int, record: Any) -> None:
        self.records[number] = record
        self._append(orjson.dumps([number, record]) + b"\n")

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget these; unknown numbers are skipped."""
        lines = [b"[%d]\n" % number for number in numbers if self.records.pop(number, None) is not None]
        if lines:
            self._append(b"".join(lines))
        if self._size > _SLACK:
            self._rewrite()

    def mend(self) -> None:
        """Writes all of it, if something could not be written before."""
        if self.dirty and self._rewrite():
            log.warning("%s is written again", self._path)

    def close(self) -> None:
        os.close(self._file)

    def _replay(self, line: bytes) -> None:
        """A line that was cut short by the end of its writer says nothing."""
        try:
            number, *record = orjson.loads(line)
        except (ValueError, TypeError):
            return
        if record:
            self.records[number] = record[0]
        else:
            self.records.pop(number, None)

    def _append(self, lines: bytes) -> None:
        """A full disk costs the safety net for a while, not the frames that are running."""
        if self.dirty:  # `mend` writes it: behind half a line this one would be lost
            return
        try:
            written = os.write(self._file, lines)
        except OSError as error:
            self._failed(error.strerror)
            return
        self._size += written
        if written < len(lines):
            self._failed("it took only a part")

    def _failed(self, why: str | None) -> None:
        if not self.dirty:
            log.error("cannot write %s: %s; a crash now would lose what it keeps", self._path, why)
        self.dirty = True

    def _rewrite(self) -> bool:
        """Only what still stands; whether that went well. Written beside and renamed: no moment has half of it."""
        beside = self._path.with_suffix(".new")
        lines = b"".join(orjson.dumps([number, record]) + b"\n" for number, record in self.records.items())
        try:
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError as error:
            self._failed(error.strerror)
            return False
        try:
            if os.write(file, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            beside.replace(self._path)
        except OSError as error:
            os.close(file)
            self._failed(error.strerror)
            return False
        os.close(self._file)
        self._file = file
        self._size = len(lines) if len(lines) > _SLACK else 0
        self.dirty = False
        return True
