"""What a command prints: a table for people, one JSON document for programs, or nothing."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from qbcore.cli.columns import Column, columns_of, picked

_RESET = "\033[0m"
_COLOURS = {
    "complete": "32", "failed": "31", "killed": "35", "running": "34", "blocked": "35", "suspended": "33",
    "active": "32", "down": "31", "panic": "31", "waiting": "36",
}  # fmt: skip


@dataclass
class Printer:
    """Where results and remarks go. `names` are the fields that were asked for, none: those of the kind."""

    out: TextIO
    err: TextIO
    as_json: bool = False
    quiet: bool = False
    names: list[str] = field(default_factory=list)

    def show(self, result: Any) -> None:
        """A result of the API in the way that was asked for."""
        if self.as_json:
            self.line(self._json(result))
        elif not self.quiet:
            self._plain(result)

    def raw(self, text: str) -> None:
        """A piece of a log, as it is."""
        self.out.write(text)
        self.out.flush()

    def line(self, text: str) -> None:
        self.out.write(f"{text}\n")

    def remark(self, sentence: str) -> None:
        """What a person should know, beside the result."""
        if not self.quiet:
            self.complain(sentence)

    def complain(self, sentence: str) -> None:
        self.out.flush()
        self.err.write(f"{sentence}\n")

    def _json(self, result: Any) -> str:
        if self.names and isinstance(result, list):
            result = [picked(row, self.names) if isinstance(row, Mapping) else row for row in result]
        elif self.names and isinstance(result, Mapping):
            result = picked(result, self.names)
        wide = (getattr(self.out, "encoding", None) or "").lower().startswith("utf")
        return json.dumps(result, ensure_ascii=not wide, indent=2 if self.out.isatty() else None, default=str)

    def _plain(self, result: Any) -> None:
        if isinstance(result, Mapping):
            self._pairs(picked(result, self.names) if self.names else result)
        elif isinstance(result, (list, tuple)) and any(isinstance(row, Mapping) for row in result):
            self._table(result)
        elif isinstance(result, (list, tuple)):
            for one in result:
                self.line(clean(one))
        else:
            self.line(("yes" if result else "no") if isinstance(result, bool) else clean(result))

    def _pairs(self, facts: Mapping[str, Any], before: str = "") -> None:
        for key, value in facts.items():
            if isinstance(value, Mapping) and value and not before:
                self._pairs(value, f"{key}.")
            else:
                self.line(f"{clean(before + str(key))}: {clean(value)}")

    def _table(self, rows: Sequence[Any]) -> None:
        columns = columns_of(rows[0], self.names)
        shown = [[clean(column.text(row)) for column in columns] for row in rows]
        titles = [column.title for column in columns]
        widths = [max(width(cells[at]) for cells in (titles, *shown)) for at in range(len(columns))]
        self.line(_joined(titles, widths, columns))
        for cells in shown:
            self.line(_joined(cells, widths, columns, colour=self._colour))
        for row in rows:
            self._parts(row)

    def _parts(self, row: Any) -> None:
        """The agenda, subjobs and callbacks of a job, which are there when they were asked for."""
        for part in ("agenda", "subjobs", "callbacks"):
            inner = row.get(part) if not self.names and isinstance(row, Mapping) else None
            if isinstance(inner, list) and inner:
                self.line(f"\n{part} of {clean(row.get('name') or row.get('id', ''))}")
                Printer(self.out, self.err)._table(inner)

    def _colour(self, column: Column, text: str, padded: str) -> str:
        known = _COLOURS.get(text) if column.coloured else None
        dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return f"\033[{known}m{padded}{_RESET}" if known and self.out.isatty() and not dumb else padded


def _joined(cells: Sequence[str], widths: Sequence[int], columns: Sequence[Column], colour: Any = None) -> str:
    parts = []
    for at, column in enumerate(columns):
        cell = cells[at]
        pad = " " * (widths[at] - width(cell))
        padded = pad + cell if column.right else cell + pad
        parts.append(colour(column, cell, padded) if colour else padded)
    return "  ".join(parts).rstrip()


def clean(value: Any) -> str:
    """A value as one line: no control characters, so that no name of a job can act on a terminal."""
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else str(value)
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def width(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
