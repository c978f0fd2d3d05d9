"""Frame ranges: '1-10x2,15,-3--1' to numbers and back, and agendas made of frames, chunks and partitions.

A range is `n`, `a-b` (descending when b is smaller) or `a-bxS`; commas join several. A malformed one raises
BadRange with its position. Names and arguments are the API's, hence the spelling and the name `range`.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from qbcore.errors import BadRange, Invalid
from qbcore.objects import Work

MOST_FRAMES = 10_000_000
_LARGEST = 10**18  # a frame number has at most 18 digits

_T = TypeVar("_T")
_Span = builtins.range

# The step between two numbers of 18 digits may need 19.
_SPAN = re.compile(r"(-?[0-9]{1,18})(?:-(-?[0-9]{1,18})(?:x([0-9]{1,19}))?)?")
_FITTING = re.compile(r"(?:-?[0-9]+(?:-(?:-?[0-9]+(?:x[0-9]*)?|-)?)?|-)?")
_TOO_LONG = re.compile(r"[0-9]{19}")
_TWO_NUMBERS = re.compile(r"-?[0-9]+--?[0-9]")
_LETTER = re.compile(r"[^\W\d]")
_TOO_LONG_NUMBER = "a frame number has at most 18 digits"
_HINT = "Write frames as 5, 1-10 or 1-10x2, joined by commas."


def rangesplit(range: str | int, *extraRanges: str | int, **kwargs: Any) -> list[int]:
    """The frame numbers of the ranges, in order.

    Keywords: binarySort=False, removeDuplicates=True. Raises BadRange; over 10 million frames are refused.
    """
    options = _options(kwargs, "binarySort", "removeDuplicates")
    spans = _spans((range, *extraRanges))
    frames = list(chain.from_iterable(spans))
    if len(spans) > 1 and options.get("removeDuplicates", True):
        frames = list(dict.fromkeys(frames))
    return _sorted_if_asked(frames, options)


def rangejoin(frames: Iterable[int]) -> str:
    """The shortest plain range text that gives these frames back in this order: [1, 3, 5] is '1-5x2'."""
    numbers = [_whole(frame, "frames") for frame in _several(frames)]
    if any(abs(number) >= _LARGEST for number in numbers):
        raise Invalid(_TOO_LONG_NUMBER, field="frames")
    return _join(numbers)


def rangechunk(chunksize: int, range: str | int, *extraRanges: str | int, **kwargs: Any) -> list[str]:
    """The frames cut into range texts of `chunksize` frames each (the last may be shorter).

    Keyword binarySort=True puts the chunks, each still of neighbouring frames, in binary order.
    """
    options = _options(kwargs, "binarySort")
    size = _count(chunksize, "chunksize")
    frames = rangesplit(range, *extraRanges)
    cuts = [*_Span(0, len(frames), size), len(frames)]
    return _sorted_if_asked(_cut(frames, cuts), options)


def rangepartition(numPartitions: int, range: str | int, *extraRanges: str | int, **kwargs: Any) -> list[str]:
    """The frames cut into that many range texts of neighbouring frames, whose sizes differ by at most one.

    There are never more partitions than frames. Keyword binarySort=True puts the partitions in binary order.
    """
    options = _options(kwargs, "binarySort")
    frames = rangesplit(range, *extraRanges)
    parts = min(_count(numPartitions, "numPartitions"), len(frames))
    cuts = [-(-len(frames) * part // parts) for part in _Span(parts + 1)] if parts else []
    return _sorted_if_asked(_cut(frames, cuts), options)


def rangeorder(mode: str, range: str | int) -> list[int]:
    """The frames of a range in an order: ascend, descend, reverse (of the range's own order), binary, rawbinary.

    binary sorts the frames before it halves them, rawbinary halves them in the range's own order.
    """
    order = _ORDERS.get(mode)
    if order is None:
        raise Invalid(f"there is no order '{mode}'", field="mode", hint=f"Write one of: {', '.join(_ORDERS)}.")
    return order(rangesplit(range))


def binarySort(frames: Iterable[_T]) -> list[_T]:
    """First, last, then the medians of what lies between, coarse to fine: 1..5 becomes 1, 5, 3, 2, 4."""
    line = list(_several(frames))
    order = [line[0], line[-1]] if len(line) > 1 else line[:]
    gaps = [(0, len(line) - 1)]
    while gaps:
        halves: list[tuple[int, int]] = []
        for low, high in gaps:
            if high - low > 1:
                middle = (low + high) // 2
                order.append(line[middle])
                halves += ((low, middle), (middle, high))
        gaps = halves
    return order


def genframes(range: str | int, *extraRanges: str | int, **kwargs: Any) -> list[Work]:
    """An agenda of single frames, pending, each named by its number. Words in the list become items as they are.

    Keywords: binarySort=False, removeDuplicates=True. Raises BadRange.
    """
    options = _options(kwargs, "binarySort", "removeDuplicates")
    parts = _parse((range, *extraRanges), allow_words=True)
    names = list(chain.from_iterable([part] if isinstance(part, str) else map(str, part) for part in parts))
    if options.get("removeDuplicates", True):
        names = list(dict.fromkeys(names))
    return _agenda(_sorted_if_asked(names, options))


def genchunks(chunksize: int, range: str | int, *extraRanges: str | int, **kwargs: Any) -> list[Work]:
    """An agenda of chunks as `rangechunk` cuts them, pending, each named by its range."""
    return _agenda(rangechunk(chunksize, range, *extraRanges, **kwargs))


def genpartitions(numPartitions: int, range: str | int, *extraRanges: str | int, **kwargs: Any) -> list[Work]:
    """An agenda of partitions as `rangepartition` cuts them, pending, each named by its range."""
    return _agenda(rangepartition(numPartitions, range, *extraRanges, **kwargs))


def frameset(name: str) -> Sequence[int]:
    """The frames that an item's name covers, in order; empty for a word.

    One range comes back as a `range`, however long; a comma list as a list without duplicates.
    """
    single = _SPAN.fullmatch(name.strip())
    try:
        return _span(single) if single else rangesplit(name)
    except BadRange:
        return ()


_ORDERS: dict[str, Callable[[list[int]], list[int]]] = {
    "binary": lambda frames: binarySort(sorted(frames)),
    "reverse": lambda frames: frames[::-1],
    "rawbinary": binarySort,
    "ascend": sorted,
    "descend": lambda frames: sorted(frames, reverse=True),
}


def _parse(texts: Iterable[str | int], *, allow_words: bool = False) -> list[_Span | str]:
    parts: list[_Span | str] = []
    frames = 0
    for text in map(_text, texts):
        for position, item in _items(text):
            found = _SPAN.fullmatch(item)
            part = _span(found) if found else item
            if isinstance(part, str) and not (allow_words and _is_word(item)):
                raise _malformed(text, position, item)
            frames += len(part) if found else 1
            if frames > MOST_FRAMES:
                raise BadRange(
                    f"this would be over {MOST_FRAMES:,} frames", text=text, position=position,
                    hint="Submit it as several jobs.",
                )  # fmt: skip
            parts.append(part)
    return parts


def _spans(texts: Iterable[str | int]) -> list[_Span]:
    return [part for part in _parse(texts) if not isinstance(part, str)]


def _items(text: str) -> Iterator[tuple[int, str]]:
    """Each item between the commas with its position in the text; nothing for a text without any."""
    if not text.strip():
        return
    position = 0
    for piece in text.split(","):
        yield position + len(piece) - len(piece.lstrip()), piece.strip()
        position += len(piece) + 1


def _span(found: re.Match[str]) -> _Span:
    first, last, step = found.groups()
    start, stop, stride = int(first), int(last or first), int(step or 1)
    if not stride:
        raise BadRange(
            "the step must be 1 or more",
            text=found.string,
            position=found.start(3),
            hint="Write 1-10x2 for every second.",
        )
    return _Span(start, stop + 1, stride) if stop >= start else _Span(start, stop - 1, -stride)


def _is_word(item: str) -> bool:
    """A name such as 'left' or '1080p', told from a mistyped range such as '10x', '1-10y2' or '1.5'."""
    if _TWO_NUMBERS.match(item):
        return False
    letters = _LETTER.findall(item)
    return item[:1] in letters or any(letter not in "xX" for letter in letters)


def _malformed(text: str, position: int, item: str) -> BadRange:
    too_long = _TOO_LONG.search(item)
    fits = _FITTING.match(item)
    end = too_long.start() if too_long else fits.end() if fits else 0
    if too_long:
        message = _TOO_LONG_NUMBER
    elif not item:
        message = "a frame is missing here"
    elif end == len(item):
        message = "the range ends too early"
    else:
        message = f"'{item[end : end + 1]}' does not belong in a frame range"
    return BadRange(message, text=text, position=position + end, hint=_HINT)


def _text(given: str | int) -> str:
    if isinstance(given, bool) or not isinstance(given, (str, int)):
        raise Invalid(f"a {type(given).__name__} is no frame range", field="range", hint=_HINT)
    if isinstance(given, int) and abs(given) >= _LARGEST:
        raise BadRange(_TOO_LONG_NUMBER, hint=_HINT)
    return str(given)


def _several(frames: Iterable[_T]) -> Iterable[_T]:
    if not isinstance(frames, Iterable):
        raise Invalid(f"{frames!r:.60} is no list of frames", field="frames", hint="Give a list, such as [1, 2, 5].")
    return frames


def _whole(number: Any, field: str) -> int:
    """A number that may have arrived as text."""
    try:
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or isinstance(number, bool) or (isinstance(number, float) and number != whole):
        raise Invalid(f"{number!r:.60} is no whole number", field=field)
    return whole


def _count(number: Any, field: str) -> int:
    whole = _whole(number, field)
    if whole < 1:
        raise Invalid("the number is too small", field=field, hint="Write 1 or more.")
    return whole


def _options(kwargs: dict[str, Any], *known: str) -> dict[str, Any]:
    for name in kwargs:
        if name not in known:
            raise TypeError(f"unexpected keyword argument '{name}'; known: {', '.join(known)}")
    return kwargs


def _sorted_if_asked(items: list[_T], options: dict[str, Any]) -> list[_T]:
    return binarySort(items) if options.get("binarySort") else items


def _agenda(names: Iterable[str]) -> list[Work]:
    return [_pending(name) for name in names]


def _pending(name: str) -> Work:
    # Without Work's own __init__, which has nothing to mend here and triples the time of a long agenda.
    item = Work.__new__(Work)
    item["name"] = name
    item["status"] = "pending"
    return item


def _cut(frames: list[int], cuts: list[int]) -> list[str]:
    return list(map(lambda low, high: _join(frames[low:high]), cuts[:-1], cuts[1:]))


def _join(numbers: list[int]) -> str:
    if _is_run(numbers):
        return _run_text(numbers)
    return ",".join(_run_text(run) for run in _runs(numbers))


def _is_run(numbers: list[int]) -> bool:
    """Whether the numbers are evenly spaced; one number is, and so are any two that differ."""
    if len(numbers) < 2:
        return bool(numbers)
    step = numbers[1] - numbers[0]
    # The last number is compared first: spans of far-apart numbers must not be written out.
    return step != 0 and numbers[-1] - numbers[0] == step * (len(numbers) - 1) and numbers == [*_even(numbers, step)]


def _even(numbers: list[int], step: int) -> _Span:
    return _Span(numbers[0], numbers[0] + step * len(numbers), step)


def _runs(numbers: list[int]) -> Iterator[list[int]]:
    """The numbers cut into evenly spaced stretches; two numbers apart by more than one stay two."""
    start = 0
    while start < len(numbers):
        end = _run_end(numbers, start)
        yield numbers[start:end]
        start = end


def _run_end(numbers: list[int], start: int) -> int:
    if start + 1 == len(numbers):
        return start + 1
    step = numbers[start + 1] - numbers[start]
    end = start + 2
    while end < len(numbers) and numbers[end] - numbers[end - 1] == step:
        end += 1
    return end if step in (1, -1) or (step and end - start > 2) else start + 1


def _run_text(run: list[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    step = abs(run[1] - run[0])
    return f"{run[0]}-{run[-1]}" + (f"x{step}" if step > 1 else "")
