"""Firings are carried out: codes of the language qube by this process, the rest through Celery's queue `quick`."""

from qbcore.firings.carrying import carrier, carry_due, deliver, forget, set_queue

__all__ = ["carrier", "carry_due", "deliver", "forget", "set_queue"]
