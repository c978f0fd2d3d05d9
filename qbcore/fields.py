"""One field of what a script hands in, read strictly: the number, the text or the status that it says, or a refusal.

Pure words. Numbers may arrive as text; what a program would guess at (true as 1, 1.5 as 1) is refused instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from qbcore import constants
from qbcore.errors import Invalid
from qbcore.remote.wire import unsendable

LONGEST_TEXT = 65536
LARGEST = 2**31 - 1
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""No database stores these in a text."""
DOUBTFUL = re.compile(r"\\u0000|\\ud[89a-f]")
"""What JSON may hold of it, and what may be a whole character outside the first plane."""
SHALLOW = 30
_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,19}\s*", re.ASCII)
_STATUSES = frozenset(constants.STATUS_NUMBERS.values())
_BLOCKED = ("blocked", constants.STATUS_NUMBERS["blocked"])


def whole(value: Any, field: str, *, least: int = -LARGEST - 1) -> int:
    """A whole number from *least* on."""
    is_number = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not (is_number or (isinstance(value, str) and _NUMBER.fullmatch(value))):
        wanted = f" from {least} on" if least > -LARGEST - 1 else ""
        raise Invalid(f"{shown(value)} is not a whole number", field=field, hint=f"Give one{wanted}, such as 2.")
    found = int(value)
    if found > LARGEST:
        raise Invalid(f"{shown(value)} is too large", field=field, hint=f"Give at most {LARGEST}.")
    if found < least:
        raise Invalid(f"{shown(value)} is too small", field=field, hint=f"Give at least {least}.")
    return found


def plain(value: Any, field: str) -> str:
    """A text that a database stores; numbers are written out, lists joined with commas."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(one, bool) or not isinstance(one, (str, int, float)) for one in parts):
        raise Invalid(f"{field} must be a text, not {_kind(value)}", field=field)
    found = ",".join(str(one) for one in parts)
    if len(found) > LONGEST_TEXT or UNSTORABLE.search(found):
        raise Invalid(
            f"{field} must be a text of at most {LONGEST_TEXT:,} characters that a database stores", field=field
        )
    return found


def blocked(value: Any, field: str) -> bool:
    """Whether a submitted status holds back. Any other status starts anew as pending: jobs out of jobinfo have one."""
    if value in (None, ""):
        return False
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    known = constants.STATUS_NUMBERS if isinstance(value, str) else _STATUSES
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in known:
        raise Invalid(f"{shown(value)} is no status", field=field, hint="Give pending or blocked, or leave it out.")
    return value in _BLOCKED


def storable(value: Any, field: str) -> None:
    """Refuses, by its place, what a database does not store as JSON: NUL, halves of characters, NaN, endless depth."""
    for place, sentence in unsendable(value, field):
        raise Invalid(sentence, field=place, hint="Leave it out.")


def stored(value: Mapping[str, Any], field: str) -> str:
    """The JSON of a dictionary that a database stores; refuses as `storable` does, which is only asked in doubt: an
    agenda may have a hundred thousand of them.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = ""
    if not text or DOUBTFUL.search(text) or text.count("[") + text.count("{") > SHALLOW:
        storable(value, field)
        text = json.dumps(value)
    return text


def shown(value: Any) -> str:
    """What was given, short enough for a sentence."""
    if isinstance(value, int) and abs(value) > 10**30:
        return "this number"
    text = repr(value) if isinstance(value, (str, int, float)) or value is None else _kind(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a dictionary"
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"
