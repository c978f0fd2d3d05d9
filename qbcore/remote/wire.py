"""Values on the wire: JSON in which objects are plain objects, sets and ranges are lists and times are unix seconds.

Whole numbers of any size stay exact; NaN and infinity, which JSON has no word for, are refused on both sides.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NoReturn, SupportsIndex

from qbcore.errors import Invalid


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
