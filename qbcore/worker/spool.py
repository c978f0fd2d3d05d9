"""Output on its way: one file per grant and stream, written by the children themselves, sent on in order."""

from __future__ import annotations

import os
from pathlib import Path

from qbcore.worker.client import Client, Forgotten, TooLarge

STREAMS = ("out", "err")
MARKS = "marks"  # when which of them grew: see marks.py
PIECE = 1024 * 1024  # bytes sent at once
_SMALLEST_PIECE = 1024


class Spool:
    """A file that grows. The worker's threads share it: one sends, the other closes and asks what was sent.

    `sent` is how much the supervisor has (bytes), -1 when that must be asked first.
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

    def give_to(self, user: int) -> None:
        """Programs that open /dev/stdout anew need to own the file; its folder is closed to them all the same."""
        os.fchown(self.file, user, -1)

    def size(self) -> int:
        """Bytes written so far; the byte at which the next frame's output begins."""
        return os.fstat(self.file).st_size

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
        piece = os.pread(self.file, self._piece, self.sent)
        client.put(where, piece)
        self.sent += len(piece)


def recovered(folder: Path) -> list[Spool]:
    """What an earlier worker could not send."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.stem.isdigit() and path.suffix[1:] in (*STREAMS, MARKS):
            found.append(Spool(folder, int(path.stem), path.suffix[1:], recovered=True))
    return found
