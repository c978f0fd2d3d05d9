"""The host's configuration file: properties, resources, cluster and groups, in TOML.

cluster = "/show/comp"
groups = ["lighting", "gpu"]
[properties]
rack = 7
[resources]
scratch = 500
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from qbcore.worker.state import Stopped

NAME = re.compile(r"[A-Za-z][\w.-]{0,99}")
_LEAST, _MOST = 0, 1e12


def read(path: Path) -> dict[str, Any]:
    """What the file says, as facts: only the keys that it has. Raises Stopped, naming file, line, key and cure."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Stopped(f"--config: {path} cannot be read: {why}.") from error
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Stopped(f"--config: {path} is no TOML: {error}.") from error
    return {key: _checked(path, text, key, value) for key, value in said.items()}


def _checked(path: Path, text: str, key: str, value: Any) -> Any:
    check = _KEYS.get(key)
    if check is None:
        _fail(path, text, key, "is no setting of a host", f"Give {', '.join(_KEYS)}")
    try:
        return check(value)
    except _Unfit as unfit:
        _fail(path, text, unfit.key or key, unfit.problem, unfit.cure)


class _Unfit(Exception):  # noqa: N818 -- reads as what is wrong
    def __init__(self, problem: str, cure: str, key: str = "") -> None:
        super().__init__(problem)
        self.key, self.problem, self.cure = key, problem, cure


def _fail(path: Path, text: str, key: str, problem: str, cure: str) -> NoReturn:
    raise Stopped(f"--config: {path}, line {_line(text, key)}: '{key}' {problem}. {cure}.")


def _line(text: str, key: str) -> int:
    """Where the key stands: as a key or the name of a table; the first line when it is written in another way."""
    wanted = re.compile(rf"""^\s*\[*\s*["']?{re.escape(key)}["']?\s*[\]=.]""")
    return next((number for number, line in enumerate(text.splitlines(), start=1) if wanted.match(line)), 1)


def _cluster(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise _Unfit("is no cluster", "Write a path, such as cluster = '/show/comp'")
    return value


def _groups(value: Any) -> str:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(one, str) and one.strip() for one in names):
        raise _Unfit("is no list of names", "Write groups = ['lighting', 'gpu']")
    if any("," in one for one in names):
        raise _Unfit("has a name with a comma", "Write each name as a text of its own")
    return ",".join(one.strip() for one in names)


def _table(value: Any, fits: Callable[[Any], bool], wanted: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Unfit("is no table", "Write it as [name] with a line per key below")
    for key, one in value.items():
        if not NAME.fullmatch(key):
            raise _Unfit("is no name", "Use letters, digits, '.', '-' and '_'", key)
        if not fits(one):
            raise _Unfit(f"is {one!r:.60}", f"Give {wanted}", key)
    return dict(value)


def _resources(table: dict[str, Any]) -> dict[str, Any]:
    measured = next((key for key in table if key in ("processors", "memory", "swap")), None)
    if measured:
        raise _Unfit("is measured", "Leave it out; --slots says how many subjobs fit here", measured)
    return table


def _is_amount(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _LEAST <= value < _MOST


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 200)


_KEYS: dict[str, Callable[[Any], Any]] = {
    "cluster": _cluster,
    "groups": _groups,
    "properties": lambda value: _table(value, _is_plain, "a text of at most 200 characters, a number, true or false"),
    "resources": lambda value: _resources(_table(value, _is_amount, "a number from 0")),
}
