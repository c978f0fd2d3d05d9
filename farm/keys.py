"""All keys as the help shows them: those of `static/js/keys.js`, then those of the actions."""

from __future__ import annotations

from dataclasses import dataclass

from farm import actions


@dataclass(frozen=True, slots=True)
class Key:
    caps: tuple[str, ...]
    text: str


MOVES = (
    Key(("J", "K"), "next row, row before"),
    Key(("X", "Space"), "select the row"),
    Key(("Shift X",), "select up to the row"),
    Key(("Ctrl A",), "select all rows in view"),
    Key(("Enter",), "open the row"),
    Key(("Esc",), "close, then clear the selection"),
    Key(("/",), "filter"),
    Key(("U",), "show waiting rows"),
    Key(("V",), "frames as grid or table"),
    Key(("[", "]"), "attempt before, next attempt"),
    Key(("E",), "first error of the log"),
    Key(("F",), "follow the log"),
    Key(("G J",), "Jobs"),
    Key(("G W",), "Workers"),
    Key(("G A",), "Actions"),
    Key(("?",), "these keys"),
)


def _of_actions() -> tuple[Key, ...]:
    return tuple(Key((action.shown_key,), action.label.rstrip("…")) for action in actions.of("job") if action.key)


KEYS: tuple[Key, ...] = (*MOVES, *_of_actions())
