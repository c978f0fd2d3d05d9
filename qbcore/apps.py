"""Registers the farm with Django: how runs reach Celery, that `import qb` acts in this process, when tokens end."""

from __future__ import annotations

from django.apps import AppConfig


class QbcoreConfig(AppConfig):
    name = "qbcore"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from qbcore import callbacks, firings, qb, runs, tasks, tokens
        from qbcore.remote.transport import set_transport

        runs.set_queue(tasks.send)
        firings.set_queue(tasks.send_firing)
        callbacks.set_carrier(lambda firing: firings.carrier.add(firing))
        set_transport(qb)
        tokens.watch_users()
