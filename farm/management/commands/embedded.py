"""`manage.py embedded`: the whole farm in one process, with one local worker."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from farm.embedded import main


class Command(BaseCommand):
    help = "Run the embedded farm: site, Celery, housekeeping and one worker."

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(main())
