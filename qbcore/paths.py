"""Paths of one system as another system writes them, by the site's table of prefixes. Pure words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from qbcore.errors import Invalid

SYSTEMS = ("linux", "windows", "darwin")
Table = tuple[Mapping[str, str], ...]
"""One row per place: its prefix on each system, such as {"linux": "/mnt/show", "windows": "S:\\\\"}."""

_DRIVE = re.compile(r"[A-Za-z]:")
# A quoted text, or a word as far as no shell would end it and no option's name stands before it.
_WORD = re.compile(r"'[^']*'|\"[^\"]*\"|[^\s'\"=,;|&<>()`]+")


def parse_paths(text: str) -> Table:
    """The table out of JSON: a list of objects, each with a prefix for two systems or more. Raises Invalid."""
    if not text.strip():
        return ()
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise Invalid(f"this is not JSON: {error}", field="FARM_PATHS") from error
    if not isinstance(rows, list):
        raise Invalid("the table of paths must be a list", field="FARM_PATHS", hint='Write [{"linux": …, …}].')
    return tuple(_row(number, row) for number, row in enumerate(rows))


def _row(number: int, row: Any) -> Mapping[str, str]:
    field = f"FARM_PATHS[{number}]"
    if not isinstance(row, dict) or len(row) < 2 or not set(row) <= set(SYSTEMS):
        raise Invalid(f"a row names a prefix for two or three of {', '.join(SYSTEMS)}", field=field)
    for system, prefix in row.items():
        if not isinstance(prefix, str) or not is_absolute(prefix) or "\0" in prefix:
            raise Invalid(f"{prefix!r} is no absolute path", field=f"{field}.{system}", hint="Write /mnt/x or X:\\.")
    return row


def is_absolute(path: str) -> bool:
    return path.startswith(("/", "\\\\")) or bool(_DRIVE.match(path))


def prefixes_for(table: Table, system: str) -> dict[str, str]:
    """For hosts of that system: each known prefix, and what it is there. Its own prefixes stay as they are."""
    found: dict[str, str] = {}
    for row in table:
        own = row.get(system.lower())
        for prefix in [own, *row.values()] if own else ():
            found.setdefault(str(prefix), str(own))
    return found


def convert_path(path: str, prefixes: Mapping[str, str]) -> str:
    """The path with its longest known prefix replaced; a prefix ends where a folder's name ends.

    Slashes and backslashes are equal, letters of paths with a drive have no case.
    """
    for known in sorted(prefixes, key=len, reverse=True):
        rest = _rest(path, known)
        if rest is not None:
            target = prefixes[known]
            return target.rstrip("/\\") + _slashed(rest, like=target, unlike=known)
    return path


def convert_words(text: str, prefixes: Mapping[str, str]) -> str:
    """A command with every path in it converted that is a word of its own, the value of an option, or quoted."""
    return _WORD.sub(lambda word: _converted_word(word[0], prefixes), text) if prefixes else text


def _converted_word(word: str, prefixes: Mapping[str, str]) -> str:
    """A quoted text is one path (which may hold spaces) when it begins with a known prefix, else a text with words."""
    if word[0] not in "'\"":
        return convert_path(word, prefixes)
    inside = word[1:-1]
    converted = convert_path(inside, prefixes)
    return word[0] + (converted if converted != inside else _WORD.sub(_inside(prefixes), inside)) + word[0]


def _inside(prefixes: Mapping[str, str]) -> Any:
    return lambda word: _converted_word(word[0], prefixes)


def _rest(path: str, prefix: str) -> str | None:
    """What follows the prefix in the path, None when the path does not lie under it."""
    prefix = prefix.rstrip("/\\")
    head, rest = path[: len(prefix)], path[len(prefix) :]
    if not prefix or _comparable(head) != _comparable(prefix) or (rest and rest[0] not in "/\\"):
        return None
    return rest


def _comparable(path: str) -> str:
    flat = path.replace("\\", "/")
    return flat.lower() if _DRIVE.match(flat) else flat


def _slashed(rest: str, *, like: str, unlike: str) -> str:
    if _is_windows(like):
        return rest.replace("/", "\\")
    return rest.replace("\\", "/") if _is_windows(unlike) else rest


def _is_windows(path: str) -> bool:
    return "\\" in path or path.startswith("//") or bool(_DRIVE.match(path))
