"""Values on the wire: JSON in which objects are plain objects, sets and ranges are lists and times are unix seconds.

Whole numbers of any size stay exact; NaN and infinity, which JSON has no word for, are refused on both sides.
"""

from __future__ import annotations

import json
import math
import operator
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NoReturn, SupportsIndex

from qbcore.errors import Invalid

DEEPEST = 100  # lists and objects inside each other

# Bytes that may stand for an unstorable character or for no number; most texts have none and are looked at no further.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]|NaN|Infinity|[0-9.][eE]\+?[0-9]{3}|[0-9]{200}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def dumps(value: Any) -> bytes:
    """The value as JSON in ASCII. Raises Invalid for what cannot travel: bytes, NaN, circles, other classes."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"this value cannot be sent as JSON: {error}") from error


def loads(body: bytes) -> Any:
    """The value of a JSON text. Raises Invalid saying what is wrong with the text."""
    return _read(body, parse_constant=_no_number)


def loads_storable(body: bytes) -> Any:
    """As loads, of what a database is to keep. What it does not keep (see `unsendable`) is refused with its place."""
    value = _read(body)
    _refuse_depth(value)
    if _SUSPECT.search(body):
        for place, sentence in unsendable(value):
            raise Invalid(sentence, field=place or "body", hint="Leave it out.")
    return value


def _read(body: bytes, **options: Any) -> Any:
    try:
        return json.loads(body, **options)
    except RecursionError as error:
        raise Invalid("the JSON is nested too deeply", field="body") from error
    except ValueError as error:
        raise Invalid(f"this is not JSON: {error}", field="body") from error


def unsendable(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Where a value holds what no database keeps or JSON has no word for, and what: NUL, halves of characters, NaN."""
    left: list[tuple[Any, int, Any]] = [((None, place), 0, value)]
    while left:
        path, depth, one = left.pop()
        found = [_wrong(one), *map(_wrong, one if isinstance(one, Mapping) else ())]
        if depth > DEEPEST:
            found = [f"this is nested over {DEEPEST} levels deep"]
        yield from ((_place(path), wrong) for wrong in found if wrong)
        if isinstance(one, Mapping):
            left += [((path, key), depth + 1, inner) for key, inner in one.items()]
        elif isinstance(one, (list, tuple)):
            left += [((path, at), depth + 1, inner) for at, inner in enumerate(one)]


def _place(path: Any) -> str:
    """`args[0].package.range`, out of keys that each know the one before."""
    parts: list[str] = []
    while path is not None:
        path, key = path
        parts.append(f"[{key}]" if isinstance(key, int) else f".{str(key)[:60]}" if key else "")
    return "".join(reversed(parts)).lstrip(".")


def _wrong(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"this is not JSON: {json.dumps(value)} is no number that JSON knows"
    if isinstance(value, str) and _UNSTORABLE.search(value):
        shown = value[:60].encode("unicode_escape").decode()
        return f"the text '{shown}' holds a character that cannot be stored"
    return ""


def _refuse_depth(value: Any) -> None:
    """What is read near the end of the stack is stored, and then breaks whoever reads it from further down."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inner(one) if isinstance(inner, (dict, list))]
        if not level:
            return
    raise Invalid(f"the JSON is nested over {DEEPEST} levels deep", field="body")


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, date):
        return int(datetime(value.year, value.month, value.day).timestamp())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is neither text, number, list, dictionary nor time")


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number that JSON knows")
