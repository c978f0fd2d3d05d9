"""Windows over ordered rows by keyset: the next begins after the last row shown, however much was inserted before."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from qbcore.errors import Invalid

T = TypeVar("T")
M = TypeVar("M", bound=Model)
LIMIT = 100
MOST = 1000


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """Some rows in order; `more` is where the next window begins, empty at the end."""

    rows: tuple[T, ...]
    more: str = ""


def cut(query: QuerySet[M], *, column: str, down: bool, after: str, limit: int) -> tuple[list[M], str]:
    """The rows after the cursor *after*, ordered by *column*, then newest first; and the cursor of the next window.

    Raises Invalid for a cursor that did not come from here.
    """
    limit = max(1, min(limit, MOST))
    by_id = column == "id"
    if after:
        query = query.filter(_beyond(column, down=down, after=after))
    order = [f"-{column}" if down else column] + ([] if by_id else ["-id"])
    rows = list(query.order_by(*order)[: limit + 1])
    more = _cursor(rows[limit - 1], column) if len(rows) > limit else ""
    return rows[:limit], more


def _beyond(column: str, *, down: bool, after: str) -> Q:
    value, last = _read(after)
    side = "lt" if down else "gt"
    if column == "id":
        return Q(**{f"id__{side}": last})
    return Q(**{f"{column}__{side}": value}) | Q(**{column: value, "id__lt": last})


def _cursor(row: Any, column: str) -> str:
    value = getattr(row, column)
    told = {"t": value.isoformat()} if isinstance(value, datetime) else {"v": value}
    text = json.dumps({**told, "id": row.id}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[Any, int]:
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        value = datetime.fromisoformat(found["t"]) if "t" in found else found["v"]
        if not isinstance(value, str | int | float | datetime):
            raise TypeError(type(value))
        return value, int(found["id"])
    except (ValueError, KeyError, TypeError, binascii.Error) as wrong:
        sentence = "this cursor was not given out by this page"
        raise Invalid(sentence, field="after", hint="Load the page again.") from wrong
