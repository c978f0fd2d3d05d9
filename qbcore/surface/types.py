"""What the API's functions take, for those who check types: a script that runs makes nothing of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    # A job, subjob or frame: number, text, an object of the API, or several of these.
    Id = int | str | Mapping[str, Any] | Iterable[int | str | Mapping[str, Any]]
    Text = str | Sequence[str] | None
    # Unix seconds, text, datetime or date.
    Time = int | float | str | date | None
