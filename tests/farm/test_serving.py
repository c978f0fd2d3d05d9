"""A process that hosts can speak to says so, again and again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from farm import serving
from qbcore.models import DutyRow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
PATIENCE = 20.0


async def noted(after: datetime) -> None:
    """Waits until it was noted after that moment."""
    rows = DutyRow.objects.filter(name="serving", ticked__gt=after)
    async with asyncio.timeout(PATIENCE):
        while not await sync_to_async(rows.exists)():
            await asyncio.sleep(0.02)


async def test_it_is_noted_at_the_start_and_then_as_often_as_hosts_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qbcore.hosts.beat_seconds", lambda: 0.05)
    begun = timezone.now() - timedelta(seconds=1)
    task = asyncio.create_task(serving.run())
    try:
        await noted(begun)
        await noted(timezone.now())
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
