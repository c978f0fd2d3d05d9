"""`manage.py demo`: a handful of jobs for the farm that runs, submitted as any script would."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from farm.demo.jobs import Demo, demos
from qbcore import surface as qb
from qbcore.errors import QubeError, Unauthorized, Unreachable
from qbcore.remote.transport import set_transport


class Command(BaseCommand):
    help = "Submit a handful of jobs that draw pictures to the running farm; some of them fail for a reason."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        set_transport()  # over HTTP: this process has the farm's code, but another one is the farm
        folder = settings.FARM_DATA / "demo"
        try:
            for one in demos(folder):
                self._submit(one)
        except (Unreachable, Unauthorized) as silence:
            sys.exit(f"There is no farm to give jobs to: {silence}\nStart one with `make run` in another shell.")
        except QubeError as refusal:
            sys.exit(f"The farm refused the demo: {refusal}")
        print(f"\nWatch them at {qb.getsupervisor()}/jobs; their pictures appear in {folder}")

    def _submit(self, demo: Demo) -> None:
        for job in qb.submit(demo.jobs):
            print(f"{job['id']:>6}  {job['name']}")
        print(f"        {demo.what}")
