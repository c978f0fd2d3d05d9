"""Every benchmark, as one table: `make bench` on PostgreSQL, `make bench EMBEDDED=1` on SQLite.

`python bench/run.py [name ...]` runs those only. docs/performance.md keeps a table with its date and commit.
"""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.farm import HEAD, ROOT, emptied, start

BENCHES = {
    "ranges": "ranges",
    "plan": "plan_pick",
    "submit": "submit",
    "reads": "reads",
    "bulk": "bulk",
    "rest": "rest",
    "hosts": "hosts",
    "claims": "claims",
    "frames": "frames",
}
"""What can be asked for, in the order of the table, and the module whose `figures()` it is."""


def commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "no commit"


def main() -> None:
    names = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        raise SystemExit(f"there is no benchmark {unknown[0]!r}: give some of {', '.join(BENCHES)}")
    vendor = start()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}, {vendor}\n")
    print(HEAD)
    for name in names:
        emptied()
        began = time.monotonic()
        for figure in import_module(f"bench.{BENCHES[name]}").figures():
            print(figure, flush=True)
        print(f"  ({name}: {time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
