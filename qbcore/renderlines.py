"""What a line of a renderer's log says: how far the frame is, and which file was written. Pure words.

The job's own pattern comes first, where it has one; those below are the lines of programs as they print them. Patterns
of people are google-re2's, ours are plain: neither can take long on any line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import re2

from qbcore.errors import Invalid

LONGEST_LINE = 400
"""Characters of a line that are looked at."""
PATHS = "outputPaths"
"""Where a job's package names the files that each of its frames writes; in a resultpackage: those that it wrote."""
MOST_PATHS = 64
LONGEST_PATHS = 64 * 1024
LONGEST_PATTERN = 500
KEY = "progress"
"""Where a job's package and a type's job.conf have their pattern."""
_ENDS = re.compile(rb"[\r\n]+")
_BYTES = 1024 * 1024  # that re2 may take for a pattern

# What is of the frame in hand: a percentage, or `done` of `total`.
_FRAME = tuple(
    re.compile(text)
    for text in (
        r"Rendered \d+ of \d+ pixels \((?P<percent>\d{1,3})%\)",  # POV-Ray
        r"\|\s+(?P<percent>\d{1,3})% done - ",  # Arnold
        r"\bTile (?P<done>\d+)/(?P<total>\d+)",  # Blender, Cycles
        r"\bRendered (?P<done>\d+)/(?P<total>\d+) Tiles",
        r"\| Sample (?P<done>\d+)/(?P<total>\d+)",
        r"\| Rendering (?P<done>\d+) / (?P<total>\d+) samples",  # Blender, EEVEE
        r"\bBlock (?P<done>\d+)/(?P<total>\d+) .{0,40}rendered",  # Redshift
        r"Rendering image.{0,40}?: *(?P<percent>\d{1,3})(?:\.\d+)?%",  # V-Ray
        r"\bALF_PROGRESS +(?P<percent>\d{1,3})(?:\.\d+)?%?",  # Mantra, Karma, RenderMan
        r"\bR90000 +(?P<percent>\d{1,3})%",  # RenderMan
        r"\bProgress: *(?P<percent>\d{1,3})(?:\.\d+)? ?%",
        r"^\s*\[?(?P<percent>\d{1,3})(?:\.\d+)? ?%(?:\]|\||\s|$)",  # a line that begins with it
        r"\b(?P<percent>\d{1,3})(?:\.\d+)? ?% (?:complete|completed|done|rendered)\b",
    )
)
# What is of all that the process was started for.
_WHOLE = (re.compile(r"^.{0,60}\bFrame -?\d+ \((?P<done>\d+) of (?P<total>\d+)\)"),)  # Nuke
_LENGTH = re.compile(r"^\s*Duration: (\d+):(\d\d):(\d\d)")  # ffmpeg: of what it reads
_AT = re.compile(r"\btime=(\d+):(\d\d):(\d\d)")
_WRITTEN = tuple(
    re.compile(text)
    for text in (
        r"^\s*Output file\.{4,}(?P<path>.+?), \d+ bpp \w+",  # POV-Ray
        r"^Saved: '(?P<path>[^']+)'",  # Blender
        r"^Saved: (?P<path>/.+?) Time: ",
        r"\| +(?:\[\w+\] )?writing file `(?P<path>[^'`]+)'",  # Arnold
        r"\bWriting (?P<path>\S.*) took [\d.]+ seconds",  # Nuke
        r"Successfully written image file \"(?P<path>[^\"]+)\"",  # V-Ray
        r"^Output #\d+, \w+, to '(?P<path>[^']+)':",  # ffmpeg
    )
)
WRITTEN_MARKS = (b"Output ", b"Saved: ", b"riting ", b"written image")
"""One of these stands in every line that names a file."""
JUMP_BACK = 30
"""Percent by which a figure must fall for another frame of the chunk to have begun."""


def pattern(text: Any, field: str) -> Any:
    """The compiled pattern of a job or a type. Raises Invalid unless it names `percent`, or `done` and `total`."""
    if not isinstance(text, str) or len(text) > LONGEST_PATTERN:
        raise Invalid(f"a pattern is a text of at most {LONGEST_PATTERN} characters", field=field)
    options = re2.Options()
    options.log_errors, options.max_mem = False, _BYTES
    try:
        found = re2.compile(text, options)
    except re2.error as wrong:
        why = wrong.args[0] if wrong.args else ""
        told = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise Invalid(f"{told} in a regular expression", field=field) from wrong
    if not ("percent" in found.groupindex or {"done", "total"} <= found.groupindex.keys()):
        hint = r"Such as 'done (?P<percent>\d+)' or 'tile (?P<done>\d+)/(?P<total>\d+)'."
        raise Invalid("the pattern has no group 'percent', nor 'done' and 'total'", field=field, hint=hint)
    return found


def check_package(package: Mapping[str, Any]) -> None:
    """Refuses what a job says of its progress and its files and no worker could use."""
    if package.get(KEY):
        pattern(package[KEY], f"package.{KEY}")
    given = package.get(PATHS)
    listed = isinstance(given, (list, tuple)) and all(isinstance(one, str) for one in given)
    if not (given is None or isinstance(given, str) or listed):
        raise Invalid("the files must be a list of paths", field=f"package.{PATHS}", hint="Or a text with commas.")
    if len(given or ()) > (LONGEST_PATHS if isinstance(given, str) else MOST_PATHS):
        raise Invalid(f"name at most {MOST_PATHS} files", field=f"package.{PATHS}", hint="Use QB_FRAME_NUMBER in one.")


def lines(data: bytes) -> list[str]:
    """Lines end with a line feed or a carriage return; of each the beginning."""
    return [one[:LONGEST_LINE].decode("utf-8", "replace") for one in _ENDS.split(data) if one]


def written(data: bytes) -> Iterator[str]:
    """The files that the lines say were written, in order, as the program wrote their names."""
    if not any(mark in data for mark in WRITTEN_MARKS):
        return
    for line in lines(data):
        match = next((match for one in _WRITTEN if (match := one.search(line))), None)
        if match:
            yield match["path"]


class Meter:
    """How far one attempt is, in percent; None while nothing was said. It never goes back.

    `frames`: how many the process renders one after the other; `own`: the job's pattern, which is of all of them.
    """

    def __init__(self, frames: int = 1, own: Any = None) -> None:
        self.percent: int | None = None
        self._frames = max(1, frames)
        self._own = own
        self._ended = 0
        self._last = 0
        self._length = 0

    def read(self, data: bytes) -> None:
        """Takes whole lines in."""
        for line in lines(data):
            found = self._of(line)
            if found is not None:
                self.percent = max(self.percent or 0, min(100, found))

    def _of(self, line: str) -> int | None:
        if self._own is not None:
            return _share(self._own.search(line))
        for one in _WHOLE:
            if (found := _share(one.search(line))) is not None:
                return found
        for one in _FRAME:
            if (found := _share(one.search(line))) is not None:
                return self._within(found)
        return self._played(line)

    def _within(self, percent: int) -> int:
        """Of all frames of the chunk, when the one in hand is that far."""
        if self._frames > 1 and percent < self._last - JUMP_BACK:
            self._ended = min(self._ended + 1, self._frames - 1)
        self._last = percent
        return (self._ended * 100 + min(100, percent)) // self._frames

    def _played(self, line: str) -> int | None:
        """ffmpeg says how long its input is, then where it stands."""
        if match := _LENGTH.search(line):
            self._length = max(self._length, _seconds(match))
        elif self._length and (match := _AT.search(line)):
            return 100 * _seconds(match) // self._length
        return None


def _share(match: Any) -> int | None:
    """Percent out of a match; None when its numbers are no share of anything."""
    if not match:
        return None
    named = match.groupdict()
    try:
        if named.get("percent") is not None:
            return max(0, int(float(named["percent"])))
        done, total = float(named["done"]), float(named["total"])
        return int(100 * done / total) if 0 <= done <= total > 1 else None
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def _seconds(match: Any) -> int:
    hours, minutes, seconds = (int(text) for text in match.groups())
    return hours * 3600 + minutes * 60 + seconds
