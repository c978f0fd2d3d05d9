"""`manage.py housekeeping`: what the farm does by itself. Any number of these may run."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from qbcore.housekeeping import run


class Command(BaseCommand):
    help = "Run the farm's housekeeping until SIGTERM or SIGINT; several processes share the duties."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        run(stop)
