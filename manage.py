#!/usr/bin/env python
"""The farm's command line."""

from __future__ import annotations

import os
import signal
import sys

if sys.argv[1:2] == ["embedded"]:
    # Heard before the rest is loaded, which takes seconds, also when inherited as ignored: nothing is there to tidy up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "farm.settings")
    execute_from_command_line(sys.argv)
