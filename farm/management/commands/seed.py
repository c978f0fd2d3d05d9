"""`manage.py seed`: an invented studio's hosts and jobs, for pictures, benchmarks and trying the pages at size."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from farm.seed import hosts, jobs, pictures
from qbcore.seeding.farms import Farm, Seeder, is_empty
from qbcore.seeding.hosts import HostPlan
from qbcore.seeding.jobs import JobPlan
from qbcore.writing import clock

LONG = 1_000_000


class Command(BaseCommand):
    help = "Fill an empty farm with invented hosts and jobs. Nothing of it runs; no worker must be joined."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--preset", choices=["pictures"], help="the farm that docs/screens shows")
        parser.add_argument("--jobs", type=int, default=1000, help="so many jobs of --frames frames (1000)")
        parser.add_argument("--hosts", type=int, default=100, help="so many hosts (100)")
        parser.add_argument("--frames", type=int, default=10, help="frames of each job (10)")
        parser.add_argument("--long", type=int, default=0, help=f"one job more, of so many frames ({LONG:,})")
        parser.add_argument("--seed", type=int, default=1, help="the same number makes the same farm (1)")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, least in (("jobs", 0), ("hosts", 1), ("frames", 1), ("long", 0)):
            if options[name] < least:
                sys.exit(f"--{name}: give a number from {least}.")
        if not is_empty():
            sys.exit(
                "This farm has hosts or jobs: seeding is for an empty one. Name another with FARM_DATA or DATABASE_URL."
            )
        dice, began = random.Random(options["seed"]), time.monotonic()
        farm = self._seed(dice, options)
        print(
            f"{farm.hosts:,} hosts, {farm.jobs:,} jobs, {farm.frames:,} frames, {farm.attempts:,} attempts "
            f"in {time.monotonic() - began:.1f} s"
        )

    def _seed(self, dice: random.Random, options: dict[str, Any]) -> Farm:
        now = clock()
        if options["preset"] == "pictures":
            return Seeder(now, dice).write(hosts.pictured(dice), pictures.jobs(dice, now))
        studio: list[HostPlan] = hosts.many(options["hosts"], dice)
        slots = sum(host.slots for host in studio)
        plain = jobs.many(options["jobs"], dice, now, frames=(options["frames"],), running=slots // 5)
        long = [jobs.long(options["long"], now, dice)] if options["long"] else []
        return Seeder(now, dice).write(studio, _numbered(chain(plain, long)))


def _numbered(plans: Iterable[JobPlan]) -> Iterator[JobPlan]:
    for number, plan in enumerate(plans, start=1):
        plan.id = number
        yield plan
