"""Runs the Python code that comes in on standard input, after giving itself limits; `qb` can be imported.

It is started as `python -I launcher.py FOLDER`, where FOLDER holds qb.py. It knows nothing of the farm.
"""

from __future__ import annotations

import resource
import sys

CPU_SECONDS = 10
MEMORY = 512 * 1024 * 1024
FILE = 16 * 1024 * 1024


def limit() -> None:
    """Limits of this process that its children inherit; none can be raised again."""
    for what, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILE),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    code = sys.stdin.buffer.read().decode()
    limit()
    sys.argv = ["callback"]
    exec(compile(code, "callback", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})


if __name__ == "__main__":
    main()
