"""Output on its way: one file per grant and stream, written by the children themselves, sent on in order."""

from __future__ import annotations

import os
import threading
from ctypes import CDLL, c_longlong
from pathlib import Path

from qbcore.worker.client import Client, Forgotten, TooLarge

STREAMS = ("out", "err")
MARKS = "marks"  # when which of them grew: see marks.py
PIECE = 1024 * 1024  # bytes sent at once
_SMALLEST_PIECE = 1024
_KEEP = 16 * 1024 * 1024  # bytes behind what was sent that stay on the disk
_HEAD = 256 * 1024  # bytes of the beginning of a frame's output that stay too: names of files are looked for there
_PUNCH_HOLE = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_LIBC = CDLL(None)


class Spool:
    """A file that grows. The worker's threads share it: one sends, the other closes and asks what was sent.

    `sent` is how much the supervisor has (bytes), -1 when that must be asked first. What a frame empties
    (> /dev/stdout) goes on behind what was sent before, so that its part of the log never runs backwards.
    """

    def __init__(self, folder: Path, grant: int, stream: str, *, recovered: bool = False) -> None:
        self.grant = grant
        self.stream = stream
        self.path = folder / f"{grant}.{stream}"
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.sent = -1 if recovered else 0
        self.closed = recovered
        self.forgotten = False
        self._piece = PIECE
        self._freed = 0
        self._begun = 0
        self._shift = 0
        self._seen = 0
        self._looking = threading.Lock()

    def give_to(self, user: int) -> None:
        """Programs that open /dev/stdout anew need to own the file; its folder is closed to them all the same."""
        os.fchown(self.file, user, -1)

    def size(self) -> int:
        """Bytes written so far; the byte at which the next frame's output begins."""
        with self._looking:
            here = os.fstat(self.file).st_size
            if here < self._seen:
                self._shift = max(self.sent, 0)
            self._seen = here
            return self._shift + here

    def begin(self) -> int:
        """The byte at which the output of a frame begins that is started now."""
        size = self.size()
        self._begun = size - self._shift
        return size

    def read(self, start: int, end: int) -> bytes:
        """What was written from one byte to another, as far as it is still here."""
        first = max(start - self._shift, 0)
        return os.pread(self.file, max(end - self._shift - first, 0), first)

    def unsent(self) -> int:
        """Bytes that wait, as far as is known."""
        return 0 if self.forgotten else max(self.size() - max(self.sent, 0), 0)

    def has_sent(self, size: int) -> bool:
        """Whether the supervisor has the first `size` bytes, or does not want them."""
        return self.forgotten or self.sent >= size

    @property
    def finished(self) -> bool:
        return self.closed and self.has_sent(self.size())

    def close(self) -> None:
        """Nothing will be written any more; the file goes away once it is sent."""
        self.closed = True

    def remove(self) -> None:
        os.close(self.file)
        self.path.unlink(missing_ok=True)

    def send(self, client: Client) -> bool:
        """Sends at most one piece; whether there is more. Raises NoAnswer, or a Refusal that stops the worker."""
        if self.forgotten or (self.sent >= 0 and self.sent >= self.size()):
            return False
        try:
            self._send(client)
        except Forgotten:
            self.forgotten = True
        except TooLarge:
            self._piece //= 2
            self.forgotten = self._piece < _SMALLEST_PIECE
        return not self.has_sent(self.size())

    def _send(self, client: Client) -> None:
        where = f"log/{self.grant}/{self.stream}?offset={max(self.sent, 0)}"
        if self.sent < 0:
            self.sent = min(int(client.put(where, b"").get("size", 0)), self.size())
            return
        piece = os.pread(self.file, self._piece, self.sent - self._shift)
        client.put(where, piece)
        self.sent += len(piece)
        self._free()

    def _free(self) -> None:
        """Gives the disk back what was sent long ago; a file system that cannot keeps it until the grant is over."""
        until = self.sent - self._shift - _KEEP
        if until - self._freed >= _KEEP:
            begun = self._begun
            self._punch(self._freed, min(begun, until))
            self._punch(max(self._freed, begun + _HEAD), until)
            self._freed = until

    def _punch(self, start: int, end: int) -> None:
        if start < end:
            _LIBC.fallocate(self.file, _PUNCH_HOLE, c_longlong(start), c_longlong(end - start))


def pair(folder: Path, grant: int) -> tuple[Spool, Spool]:
    """Both streams of a new grant. Raises OSError, and then there is neither."""
    out = Spool(folder, grant, "out")
    try:
        return out, Spool(folder, grant, "err")
    except OSError:
        out.remove()
        raise


def recovered(folder: Path) -> list[Spool]:
    """What an earlier worker could not send."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.stem.isdigit() and path.suffix[1:] in (*STREAMS, MARKS):
            found.append(Spool(folder, int(path.stem), path.suffix[1:], recovered=True))
    return found
