"""manage.py restored: the last step of putting a backup back, before the farm's processes start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from qbcore.restoring import skip_numbers


class Command(BaseCommand):
    help = "After a backup was put back: lets no id be given out that was given out since the backup was made."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Ids of jobs, grants and attempts go on {skip_numbers():,} further. Start the farm.")
