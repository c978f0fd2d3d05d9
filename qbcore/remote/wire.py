"""Values on the wire: JSON in which objects are plain objects, sets and ranges are lists and times are unix seconds.

Whole numbers of any size stay exact; NaN and infinity, which JSON has no word for, are refused on both sides.
"""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NoReturn, SupportsIndex

from qbcore.errors import Invalid

DEEPEST = 100  # lists and objects inside each other

# Bytes that may stand for an unstorable character; most texts have none of them and are looked at no further.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def dumps(value: Any) -> bytes:
    """The value as JSON in ASCII. Raises Invalid for what cannot travel: bytes, NaN, circles, other classes."""
    try:
        return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"this value cannot be sent as JSON: {error}") from error


def loads(body: bytes) -> Any:
    """The value of a JSON text. Raises Invalid saying what is wrong with the text."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except RecursionError as error:
        raise Invalid("the JSON is nested too deeply") from error
    except ValueError as error:
        raise Invalid(f"this is not JSON: {error}") from error


def loads_storable(body: bytes) -> Any:
    """As loads, of what a database is to keep: refuses NUL, halves of characters and over DEEPEST levels too."""
    value = loads(body)
    _refuse_depth(value)
    if _SUSPECT.search(body):
        _refuse_unstorable(value)
    return value


def _refuse_depth(value: Any) -> None:
    """What is read near the end of the stack is stored, and then breaks whoever reads it from further down."""
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inner(one) if isinstance(inner, (dict, list))]
        if not level:
            return
    raise Invalid(f"the JSON is nested over {DEEPEST} levels deep")


def _refuse_unstorable(value: Any) -> None:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str) and _UNSTORABLE.search(one):
            shown = one[:60].encode("unicode_escape").decode()
            raise Invalid(f"the text '{shown}' holds a character that cannot be stored", hint="Leave it out.")
        left += [*_inner(one), *(one if isinstance(one, dict) else ())]


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
