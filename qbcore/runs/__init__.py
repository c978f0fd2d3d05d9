"""Bulk runs: a verb on many jobs or frames, as a record that survives whoever carries it out.

Targets are frozen at the start. Each slice is one transaction that acts and moves the run's cursor, so a run that is
taken up again after a kill goes on exactly where it was, and no item is done twice. It acts as its starter.
"""

from qbcore.runs.carry import cancel, enqueue, execute, set_queue, start, state, waiting
from qbcore.runs.preview import Line, Preview, Selection, is_work, preview

__all__ = [
    "Line", "Preview", "Selection", "cancel", "enqueue", "execute", "is_work", "preview", "set_queue", "start", "state",
    "waiting",
]  # fmt: skip
