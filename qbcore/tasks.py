"""What Celery carries out. Every task has a row that says what is left: one lost or sent twice does no harm."""

from __future__ import annotations

import uuid

from celery import shared_task

from qbcore import runs


@shared_task(name="qbcore.tasks.run", ignore_result=True)  # type: ignore[untyped-decorator]
def run(run_id: int) -> None:
    """Carries a bulk run out."""
    runs.execute(run_id, uuid.uuid4().hex)


def send(run_id: int) -> None:
    run.apply_async(args=[run_id], retry=False)
