"""Many items of one job as a filter that the database reads quickly, however they lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Count, Max, Min, Q, QuerySet

from qbcore import spans
from qbcore.models import WorkRow
from qbcore.writing import listed

FEW = 100
"""Runs of neighbours that are asked for as ranges; more of them are given as one list."""


def among(runs: spans.Spans) -> Q:
    """The items at these positions: as ranges while they are few, else as one value (thousands of parameters would
    cost more than the change that they are for).
    """
    if len(runs) <= FEW:
        return reduce(or_, (Q(pos__gte=first, pos__lte=last) for first, last in runs), Q(pos__in=[]))
    return listed("pos", list(spans.positions(runs)))


def islands(rows: QuerySet[WorkRow], *by: str) -> dict[tuple[int, ...], spans.Spans]:
    """Where items of one job stand, as runs of neighbours by the columns *by*, put together by the database."""
    ends = {"n": Count("pos"), "first": Min("pos"), "last": Max("pos")}
    counted = rows.order_by().values(*by).annotate(**ends) if by else [rows.aggregate(**ends)]
    lines = [line for line in counted if line["n"]]
    if all(line["last"] - line["first"] + 1 == line["n"] for line in lines):  # nothing lies between: most are so
        return {tuple(line[name] for name in by): [(line["first"], line["last"])] for line in lines}
    return _islands(rows, by)


def _islands(rows: QuerySet[WorkRow], by: Sequence[str]) -> dict[tuple[int, ...], spans.Spans]:
    sql, params = rows.order_by().values_list("pos", *by).query.sql_with_params()
    named = "".join(f"{name}, " for name in by)
    within = f"PARTITION BY {', '.join(by)} " if by else ""
    found: dict[tuple[int, ...], spans.Spans] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {named}min(pos), max(pos) FROM (SELECT {named}pos, pos - row_number() OVER ({within}ORDER BY pos) "
            f"AS run FROM ({sql}) AS found) AS numbered GROUP BY {named}run ORDER BY min(pos)",
            params,
        )
        for *stood, first, last in cursor.fetchall():
            found[tuple(stood)].append((int(first), int(last)))
    return found
