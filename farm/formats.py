"""How numbers, times and frames are written on a page. Pure text: told the time, never asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

MINUTE, HOUR, DAY = 60, 3600, 86400
MISSING = "–"


def count(number: int) -> str:
    """A count with separators: 1,204. Ids are never written so."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """'1 job', '1,204 jobs'."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def span(seconds: float | None) -> str:
    """A rough length of time in its two largest units: 4m, 3h 12m, 1d 2h; under a minute in seconds."""
    if seconds is None:
        return MISSING
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE:02d}m"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def clock(seconds: float | None) -> str:
    """A frame's time to the second: 0:07, 6:51, 1:02:03; under ten seconds with a tenth: 0:07.4."""
    if seconds is None:
        return MISSING
    if 0 < seconds < 10:
        return f"0:{seconds:04.1f}"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, HOUR)
    minutes, left = divmod(rest, MINUTE)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago."""
    return span((now - since).total_seconds()) if since else MISSING


def moment(at: datetime | None, now: datetime) -> str:
    """A time of day, with the date when it is not today's. Both times in the same zone."""
    if at is None:
        return MISSING
    if at.date() == now.date():
        return f"{at:%H:%M:%S}"
    return f"{at:%d %b %H:%M}" if at.year == now.year else f"{at:%d %b %Y}"


def size(amount: int | None) -> str:
    """Bytes in binary units: 512 B, 1.5 KB, 61.3 GB."""
    if not amount:
        return MISSING
    value = float(amount)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"


def percent(part: int, whole: int) -> str:
    """Rounded down, so that 100% means all of it; 0% of nothing."""
    return f"{part * 100 // whole if whole else 0}%"


def ranges(numbers: Iterable[int]) -> str:
    """Whole numbers as ranges in order: '1-5,8,10-12'. The other way round: `positions`."""
    parts: list[str] = []
    for first, last in _runs(sorted(set(numbers))):
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts)


def _runs(ordered: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in ordered:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def middle_cut(text: str, room: int = 48) -> str:
    """A long name without its middle, so that its start and its version stay readable."""
    if len(text) <= room:
        return text
    tail = room // 3
    return f"{text[: room - tail - 1]}…{text[-tail:]}"


def listed(names: Sequence[str], shown: int = 1) -> str:
    """The first names and how many more: 'a and 2 more'."""
    first = ", ".join(names[:shown])
    left = len(names) - shown
    return f"{first} and {count(left)} more" if left > 0 else first
