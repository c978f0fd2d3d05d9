"""What is typed on a command line as values of the API: KEY=VALUE, comma lists, JSON."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from qbcore.errors import Invalid

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]+)?")
_NESTED = ("package", "env")


def value_of(text: str) -> Any:
    """A number, `null`, `true` and `false`, or what begins like JSON as JSON; everything else is a text."""
    if _NUMBER.fullmatch(text) or text in ("null", "true", "false"):
        return json.loads(text) if not re.match("-?0[0-9]", text) else text
    if text[:1] in ("{", "["):
        return json_of(text)
    return text


def moment(text: str) -> Any:
    """A time as it is typed: unix seconds, a date, date and time; of this machine's zone where none is said."""
    if _NUMBER.fullmatch(text):
        return float(text)
    try:
        return datetime.fromisoformat(re.sub("Z$", "+00:00", text.strip()))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no time: write 2026-11-22, 2026-11-22T18:30 or unix seconds") from error


def json_of(text: str, where: str = "") -> Any:
    """The value of a JSON text. Raises Invalid naming *where* it stands."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(f"this is not JSON: {error}", field=where) from error


def mapping_of(texts: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` and JSON objects as one dictionary; `package.KEY=VALUE` goes into the package, `env.` alike."""
    found: dict[str, Any] = {}
    for text in texts:
        if text.startswith("{"):
            found.update(json_of(text))
            continue
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise Invalid(f"{text!r} is not KEY=VALUE", hint="Write name=value, or a JSON object in quotes.")
        outer, dot, inner = key.partition(".")
        if dot and outer in _NESTED:
            inside = found.setdefault(outer, {})
            if not isinstance(inside, dict):
                raise Invalid(f"{outer} must be a dictionary", field=outer, hint=f"Write {outer}.KEY=VALUE only.")
            inside[inner] = value if outer == "env" else value_of(value)
        else:
            found[key] = value_of(value)
    return found


def list_of(texts: Iterable[str]) -> list[str]:
    """Comma lists as one list."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
