"""The program of the job type pyfunc: each work item holds a pickled call, its result goes back pickled.

The same process does one item after the other, so what a function has loaded stays loaded for the next call.
"""

from __future__ import annotations

import base64
import pickle
import sys
import time
import traceback
from typing import Any

import qb

PAUSE = 1.0  # seconds until it asks again while all items wait for a retry


def packed(value: Any) -> str:
    return base64.b64encode(pickle.dumps(value)).decode("ascii")


def unpacked(text: str) -> Any:
    return pickle.loads(base64.b64decode(text))


def do(work: qb.Work) -> None:
    """Calls what the item holds and notes what came of it in the item."""
    try:
        function, args, kwargs = unpacked(work["package"]["call"])
        work["resultpackage"] = {"value": packed(function(*args, **kwargs))}
        work["status"] = "complete"
    except Exception as error:
        traceback.print_exc()
        work["resultpackage"] = {"error": packed_error(error)}
        work["status"] = "failed"


def packed_error(error: Exception) -> str:
    """The exception; one that cannot be pickled as a RuntimeError with its text."""
    try:
        unpacked(packed(error))
    except Exception:
        return packed(RuntimeError(f"{type(error).__name__}: {error}"))
    return packed(error)


def main() -> str:
    """Works until there is nothing left; the status in which the subjob ends."""
    while True:
        work = qb.requestwork()
        if work["status"] == "running":
            sys.stderr.write(f"item {work['name']}\n")
            do(work)
            qb.reportwork(work)
        elif work["status"] == "waiting":
            time.sleep(PAUSE)
        else:
            return str(work["status"])


if __name__ == "__main__":
    qb.reportjob(main())
