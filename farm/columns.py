"""What a table is made of. Header, cell, sort link, width and live patch follow from a column's one row of code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from zlib import crc32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """`cell` gives safe HTML for a row at a time of day in the farm's zone; `sort` is what the listing sorts by."""

    name: str
    title: str
    cell: Callable[[T, datetime], str]
    sort: str = ""
    css: str = ""
    phone: bool = False


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """Columns, and how a row is named on the page (`kind:key`), linked and ticked; or the live parts of a header."""

    kind: str
    columns: tuple[Column[T], ...]
    key: Callable[[T], str]
    link: Callable[[T], str] | None = None
    box: bool = False

    def cells(self, row: T, now: datetime) -> dict[str, str]:
        """All that the page shows of a row. Paint, reload and live patch use this one function."""
        return {column.name: str(column.cell(row, now)) for column in self.columns}


AnyTable = Table[Any]


def version(cells: dict[str, str]) -> str:
    """A short mark of what a row shows: the page tells the hub what it has, and gets only what differs."""
    return f"{crc32(chr(0).join(cells.values()).encode()):08x}"
