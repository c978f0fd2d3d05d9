"""Many rows of one table at once: COPY on PostgreSQL, one prepared INSERT on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models

from qbcore.writing import on_postgres

BATCH = 20_000


class Loader:
    """Rows for *model*, given as dictionaries of its columns; what is left out has the column's default.

    A primary key that the database gives out is left to it unless *numbered*.
    """

    def __init__(self, model: type[models.Model], *, numbered: bool = False) -> None:
        self.model = model
        fields = list(model._meta.concrete_fields)
        self._fields = [field for field in fields if numbered or not isinstance(field, models.AutoField)]
        ready = [_ready(field) for field in self._fields]
        self._place = {field.attname: (at, ready[at]) for at, field in enumerate(self._fields)}
        self._blank = [_blank(field, ready[at]) for at, field in enumerate(self._fields)]
        self._rows: list[list[Any]] = []
        self.count = 0

    def add(self, columns: Mapping[str, Any]) -> None:
        row = self._blank.copy()
        for name, value in columns.items():
            at, ready = self._place[name]
            row[at] = ready(value) if ready else value
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= BATCH:
            self.flush()

    def flush(self) -> None:
        if not self._rows:
            return
        quote = connection.ops.quote_name
        names = ", ".join(quote(str(field.column)) for field in self._fields)
        table = quote(self.model._meta.db_table)
        with connection.cursor() as cursor:
            if on_postgres():
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    for row in self._rows:
                        copy.write_row(row)
            else:
                marks = ", ".join(["%s"] * len(self._fields))
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", self._rows)
        self._rows = []


def number_on(*tables: type[models.Model]) -> None:
    """The database goes on giving out numbers after the highest that was loaded."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(tables)):
            cursor.execute(statement)


def _blank(field: models.Field[Any, Any], ready: Callable[[Any], Any] | None) -> Any:
    return ready(field.get_default()) if ready else field.get_default()


def _ready(field: models.Field[Any, Any]) -> Callable[[Any], Any] | None:
    """What makes of a column's value what the driver takes; None when it takes it as it is."""
    if isinstance(field, models.JSONField):
        return lambda value: None if value is None and field.null else json.dumps(value)
    if isinstance(field, models.DateTimeField) and not on_postgres():
        return _naive
    return None


def _naive(value: datetime | None) -> str | None:
    """As Django stores a moment (UTC, as all of them are here) in SQLite."""
    return None if value is None else value.replace(tzinfo=None).isoformat(" ")
