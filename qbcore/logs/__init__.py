"""Log files: one per grant and stream, written at the offset where the worker says its bytes belong.

The same bytes may come any number of times. An attempt's log is a byte range of its grant's file; a subjob's log is the
files of its grants one after the other. When a grant has been over for a while its files are packed; all reading goes
through `files.opened`, which finds a log in whichever form it is.
"""

from qbcore.logs.arriving import LARGEST_CHUNK, append
from qbcore.logs.places import GONE, KINDS, PACKED, STREAMS, Gone, folder, packed_path, path, place, root
from qbcore.logs.storing import forget, pack, quiet_for, remove, sweep
from qbcore.logs.telling import (
    REMOVED,
    Window,
    attempt_log,
    attempt_window,
    log,
    read,
    stderr,
    stdout,
    subjob_window,
    tail,
)
from qbcore.logs.weaving import Segment

__all__ = [
    "GONE",
    "KINDS",
    "LARGEST_CHUNK",
    "PACKED",
    "REMOVED",
    "STREAMS",
    "Gone",
    "Segment",
    "Window",
    "append",
    "attempt_log",
    "attempt_window",
    "folder",
    "forget",
    "log",
    "pack",
    "packed_path",
    "path",
    "place",
    "quiet_for",
    "read",
    "remove",
    "root",
    "stderr",
    "stdout",
    "subjob_window",
    "sweep",
    "tail",
]
