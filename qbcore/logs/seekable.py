"""Packed logs: zstd in frames of one mebibyte and an index at the end, so that a range unpacks only its own frames.

The index is the seek table of zstd's seekable format, so that `zstd -dc FILE` unpacks a whole log without the farm:
a skippable frame (magic 0x184D2A5E, its length) with two 32-bit sizes for each frame, packed and plain, then the number
of frames (32 bits), a byte of flags (0: no checksums here, each frame has its own) and the magic 0x8F92EAB1. Numbers
are little endian.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

FRAME = 1024 * 1024
LEVEL = 3
_SKIPPABLE, _SEEKABLE = 0x184D2A5E, 0x8F92EAB1
_HEAD, _ENTRY, _FOOT = struct.Struct("<II"), struct.Struct("<II"), struct.Struct("<IBI")


class Damaged(OSError):  # noqa: N818 -- reads as what happened
    """A packed log is not what was written: its disk is at fault."""


class Bytes(Protocol):
    """Something with bytes in it that can be read at any place."""

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


class Packed:
    """A packed log, open. Keeps the frame that was read last, because readers go on where they stopped."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        sizes = list(_index(handle))
        self._from = [0, *accumulate(packed for packed, _ in sizes)]
        self._plain = [0, *accumulate(plain for _, plain in sizes)]
        self._last: tuple[int, bytes] = (-1, b"")

    @property
    def size(self) -> int:
        """Bytes of the log as it was written."""
        return self._plain[-1]

    def read(self, offset: int, length: int) -> bytes:
        """At most *length* bytes from *offset* on; fewer only at the end."""
        end, taken = min(offset + length, self.size), []
        while offset < end:
            number = bisect_right(self._plain, offset) - 1
            begin = self._plain[number]
            piece = self._frame(number)[offset - begin : end - begin]
            taken.append(piece)
            offset += len(piece)
        return b"".join(taken)

    def _frame(self, number: int) -> bytes:
        if self._last[0] != number:
            packed = os.pread(self._handle, self._from[number + 1] - self._from[number], self._from[number])
            size = self._plain[number + 1] - self._plain[number]
            try:
                self._last = (number, ZstdDecompressor().decompress(packed, max_output_size=size))
            except ZstdError as error:
                raise Damaged(f"frame {number} of a packed log cannot be unpacked: {error}") from error
            if len(self._last[1]) != size:
                raise Damaged(f"frame {number} of a packed log has {len(self._last[1])} bytes instead of {size}")
        return self._last[1]


def _index(handle: int) -> Iterator[tuple[int, int]]:
    """The packed and the plain size of each frame."""
    end = os.fstat(handle).st_size - _FOOT.size
    foot = os.pread(handle, _FOOT.size, end) if end >= 0 else b""
    if len(foot) < _FOOT.size or foot[5:] != struct.pack("<I", _SEEKABLE):
        raise Damaged("a packed log has no index at its end")
    count = _FOOT.unpack(foot)[0]
    table = os.pread(handle, count * _ENTRY.size, end - count * _ENTRY.size)
    if len(table) != count * _ENTRY.size:
        raise Damaged("the index of a packed log is cut")
    yield from _ENTRY.iter_unpack(table)


def write(target: Path, source: Bytes) -> None:
    """Packs all of *source* into a new file, which is on the disk when this returns. Holds one frame in memory."""
    compressor = ZstdCompressor(level=LEVEL, write_checksum=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        entries = []
        for offset in range(0, source.size, FRAME):
            plain = source.read(offset, FRAME)
            packed = compressor.compress(plain)
            entries.append(_ENTRY.pack(len(packed), len(plain)))
            file.write(packed)
        table = b"".join(entries)
        file.write(_HEAD.pack(_SKIPPABLE, len(table) + _FOOT.size) + table)
        file.write(_FOOT.pack(len(entries), 0, _SEEKABLE))
        file.flush()
        os.fsync(file.fileno())
