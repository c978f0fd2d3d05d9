"""The Celery application: `celery -A farm worker -Q bulk,quick`."""

from __future__ import annotations

import os

from celery import Celery
from kombu.transport.virtual import Channel

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "farm.settings")
app = Celery("farm")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["qbcore"])

# Every message has a row, and housekeeping sends again what nobody took up. When the connection is lost kombu would put
# back what was not done yet over that very connection, and the worker would end by the error (kombu 5.7).
Channel.do_restore = False
