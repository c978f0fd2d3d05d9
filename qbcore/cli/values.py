"""What is typed on a command line as values of the API: KEY=VALUE, comma lists, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
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
            found.setdefault(outer, {})[inner] = value if outer == "env" else value_of(value)
        else:
            found[key] = value_of(value)
    return found


def list_of(texts: Iterable[str]) -> list[str]:
    """Comma lists as one list."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
