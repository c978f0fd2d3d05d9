"""`manage.py worker`: the program on a host. `python -m qbcore.worker` is the same without Django."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from qbcore.worker.main import add_arguments, run


class Command(BaseCommand):
    help = "Run frames of a farm on this host."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(run(Namespace(**options)))
