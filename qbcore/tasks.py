"""What Celery carries out. Every task has a row that says what is left: one lost or sent twice does no harm."""

from __future__ import annotations

import uuid

from celery import shared_task

from qbcore import firings, runs


@shared_task(name="qbcore.tasks.run", ignore_result=True)  # type: ignore[untyped-decorator]
def run(run_id: int) -> None:
    """Carries a bulk run out."""
    runs.execute(run_id, uuid.uuid4().hex)


@shared_task(name="qbcore.tasks.deliver", ignore_result=True)  # type: ignore[untyped-decorator]
def deliver(firing_id: int) -> None:
    """Delivers what a callback sends out of the farm."""
    firings.deliver(firing_id, uuid.uuid4().hex)


def send(run_id: int) -> None:
    run.apply_async(args=[run_id], retry=False)


def send_firing(firing_id: int) -> None:
    deliver.apply_async(args=[firing_id], queue="quick", retry=False)
