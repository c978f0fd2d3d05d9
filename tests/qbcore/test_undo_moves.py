"""What bulk runs of an older release changed moves to rows of its own when the database is brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from qbcore.models import UndoRow

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE, AFTER = ("qbcore", "0003_complete_api"), ("qbcore", "0004_nothing_lost")


def migrate(target: tuple[str, str]) -> Any:
    """The models as they are once the database stands at that migration."""
    executor = MigrationExecutor(connection)
    return executor.migrate([target]).apps


@pytest.fixture
def older() -> Iterator[Any]:
    """The models of a database of the release before; the database is up to date again after the test."""
    try:
        yield migrate(BEFORE)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())


def test_what_older_runs_changed_is_kept_as_it_stood(older: Any) -> None:
    targets = older.get_model("qbcore", "RunTargetRow").objects
    targets.create(run_id=7, job_id=1, frames="0-9", total=10, undo=[[32, 2, "0-3"], [16, 0, "4-5,9"]])
    targets.create(run_id=7, job_id=2, frames="0-1", total=2)
    targets.create(run_id=8, job_id=3, frames="0-1199", total=1200, undo=[[32, n, str(n)] for n in range(1200)])
    targets.bulk_create(targets.model(run_id=9, job_id=job, frames="0", undo=[[32, 0, "0"]]) for job in range(120))
    migrate(AFTER)
    rows = UndoRow.objects.order_by("pk").values_list("run_id", "job_id", "stood", "retries", "frames")
    assert list(rows.filter(run_id=7)) == [(7, 1, 32, 2, "0-3"), (7, 1, 16, 0, "4-5,9")]
    assert list(rows.filter(run_id=8)) == [(8, 3, 32, n, str(n)) for n in range(1200)]
    assert list(rows.filter(run_id=9)) == [(9, job, 32, 0, "0") for job in range(120)]
