"""What Celery carries out. Every task has a row that says what is left: one lost or sent twice does no harm."""

from __future__ import annotations

import logging
import uuid

from celery import shared_task

from qbcore import firings, runs
from qbcore.writing import AWAY

log = logging.getLogger(__name__)


@shared_task(name="qbcore.tasks.run", ignore_result=True)  # type: ignore[untyped-decorator]
def run(run_id: int) -> None:
    """Carries a bulk run out."""
    try:
        runs.execute(run_id, uuid.uuid4().hex)
    except AWAY as away:
        log.warning("run %s stands still: %s; housekeeping sends it again", run_id, away)


@shared_task(name="qbcore.tasks.deliver", ignore_result=True)  # type: ignore[untyped-decorator]
def deliver(firing_id: int) -> None:
    """Delivers what a callback sends out of the farm."""
    try:
        firings.deliver(firing_id, uuid.uuid4().hex)
    except AWAY as away:
        log.warning("firing %s waits: %s; housekeeping sends it again", firing_id, away)


def send(run_id: int) -> None:
    run.apply_async(args=[run_id], retry=False)


def send_firing(firing_id: int) -> None:
    deliver.apply_async(args=[firing_id], queue="quick", retry=False)
