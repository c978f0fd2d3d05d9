"""Callbacks: they are stored with the events that they listen for, hear what folds and doors say, and fire.

A firing is a row, inserted in the transaction in which the event happened; `firings` carries it out.
"""

from qbcore.callbacks.hearing import Event, Fold, News, hear, mail_status, set_carrier
from qbcore.callbacks.hosting import hear_hosts
from qbcore.callbacks.storing import bind, modified, removed, store, submitcallback, submitted
from qbcore.callbacks.timeouts import raise_timeouts
from qbcore.callbacks.timers import ring

__all__ = [
    "Event",
    "Fold",
    "News",
    "bind",
    "hear",
    "hear_hosts",
    "mail_status",
    "modified",
    "raise_timeouts",
    "removed",
    "ring",
    "set_carrier",
    "store",
    "submitcallback",
    "submitted",
]
