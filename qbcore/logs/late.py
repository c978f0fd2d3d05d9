"""Pieces of a log that came after it was packed: a file of records beside it, read over it, packed with it next time.

A record is the offset (64 bits), the length and the CRC-32 of the bytes (32 bits each, little endian), then the bytes.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from qbcore.logs.handles import Handle, is_still_there, write_all
from qbcore.logs.seekable import Bytes

_HEAD = struct.Struct("<QII")


@dataclass(frozen=True, slots=True)
class _Piece:
    offset: int
    length: int
    check: int
    place: int
    """Where in the file of records its bytes begin."""


class Overlaid:
    """A packed log with the pieces that came later on top, each in the order of its coming."""

    def __init__(self, under: Bytes, handle: int) -> None:
        self._under = under
        self._handle = handle
        self._pieces = [piece for piece in _pieces(handle) if self._is_whole(piece)]
        self.size = max([under.size, *(piece.offset + piece.length for piece in self._pieces)])

    def read(self, offset: int, length: int) -> bytes:
        """At most *length* bytes from *offset* on; what nobody has sent reads as zeros, as in a file with holes."""
        end = max(offset, min(offset + length, self.size))
        found = bytearray(end - offset)
        under = self._under.read(offset, end - offset)
        found[: len(under)] = under
        for piece in self._pieces:
            begin, until = max(piece.offset, offset), min(piece.offset + piece.length, end)
            if begin < until:
                data = os.pread(self._handle, until - begin, piece.place + begin - piece.offset)
                found[begin - offset : until - offset] = data
        return bytes(found)

    def _is_whole(self, piece: _Piece) -> bool:
        """Whether its bytes are what was sent: after a loss of power they may not be."""
        return zlib.crc32(os.pread(self._handle, piece.length, piece.place)) == piece.check


def add(file: Path, offset: int, data: bytes) -> bool:
    """Writes one piece behind the others; False when the file was taken away meanwhile: look again where to write."""
    with closing(Handle(file, os.O_RDWR | os.O_CREAT)) as handle:
        fcntl.flock(handle.number, fcntl.LOCK_EX)
        if not is_still_there(file, handle.number):
            return False
        last = max((piece.place + piece.length for piece in _pieces(handle.number)), default=0)
        os.ftruncate(handle.number, last)  # whoever died in the middle of a record left a part of it
        write_all(handle.number, _HEAD.pack(offset, len(data), zlib.crc32(data)) + data, last)
        return True


def _pieces(handle: int) -> Iterator[_Piece]:
    """All records that are there to their end."""
    place, size = 0, os.fstat(handle).st_size
    while place + _HEAD.size <= size:
        offset, length, check = _HEAD.unpack(os.pread(handle, _HEAD.size, place))
        place += _HEAD.size
        if place + length > size:
            return
        yield _Piece(offset, length, check, place)
        place += length
