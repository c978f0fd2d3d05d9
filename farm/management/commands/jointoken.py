"""`manage.py jointoken`: a token with which one host joins the farm, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from qbcore.permissions import new_join_token


class Command(BaseCommand):
    help = "Print a join token for one host; write it to a file that only the worker can read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="", help="the only name that may join with it (default: any)")
        parser.add_argument("--hours", type=float, default=24, help="how long it may be used (default: 24)")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(new_join_token(hours=options["hours"], host=options["host"]))
