"""Says in the database, every few seconds, that hosts can speak to this process (see `housekeeping.serves`)."""

from __future__ import annotations

import asyncio
import logging

from django.db import close_old_connections

from qbcore import hosts, housekeeping

log = logging.getLogger(__name__)


async def run() -> None:
    """As often as hosts beat, for as long as this process serves."""
    while True:
        try:
            await asyncio.to_thread(_note)
        except Exception as error:
            log.warning("it is not noted that this process serves: %s", error)
        await asyncio.sleep(hosts.beat_seconds())


def _note() -> None:
    try:
        housekeeping.serves()
    finally:
        close_old_connections()
