"""A piece of a log as lines of plain text, each marked as an error, a warning or neither. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from qbcore.logs import Segment

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029]")
ERROR = re.compile(r"\b(?:error|fatal|traceback|exception|segmentation fault|cannot|failed)\b", re.IGNORECASE)
WARNING = re.compile(r"\b(?:warning|warn)\b", re.IGNORECASE)
LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes from *begin* to *end* of a log, cut where a line ends if it can be."""

    data: bytes
    begin: int
    end: int


def cut(data: bytes, *, begin: int, size: int, last: bool) -> Piece:
    """Leaves an unfinished line for the next piece, unless it is the log's end or the line fills the piece."""
    if last or b"\n" not in data:
        whole = data if last else _whole_letters(data)
        return Piece(whole, begin, min(size, begin + len(whole)))
    whole = data[: data.rindex(b"\n") + 1]
    return Piece(whole, begin, begin + len(whole))


def _whole_letters(data: bytes) -> bytes:
    """Without the beginning of a UTF-8 letter at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data if back >= needed else data[:-back]
        if byte & 0x80 == 0:
            break
    return data


def read(data: bytes) -> list[list[str]]:
    """[mark, text] per line, mark "e", "w" or "". Colours are dropped, control characters are shown as escapes."""
    lines = data.decode("utf-8", "replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [[mark(text), text] for text in map(clean, lines)]


def told(segments: Iterable[Segment], length: int) -> list[list[str | float | None]]:
    """[mark, text, stream, seconds since the attempt began or None] per line of the first *length* bytes."""
    lines: list[list[str | float | None]] = []
    for segment in segments:
        lines += [[mark, text, segment.stream, segment.at] for mark, text in read(segment.data[:length])]
        length -= min(length, len(segment.data))
    return lines


def clean(line: str) -> str:
    """One line as text: of a line that was written over with carriage returns, what was left standing."""
    line = ESCAPES.sub("", line.rstrip("\r"))
    line = line.rsplit("\r", 1)[-1]
    line = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} … {len(line) - LONGEST:,} more characters"


def mark(text: str) -> str:
    if ERROR.search(text):
        return "e"
    return "w" if WARNING.search(text) else ""
