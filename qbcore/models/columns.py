"""Kinds of columns that several rows share."""

from __future__ import annotations

from django.db import models

from qbcore.states import Status

STATUSES = [(status.value, status.word) for status in Status]


def status_field() -> models.SmallIntegerField[int, int]:
    return models.SmallIntegerField(choices=STATUSES, default=int(Status.PENDING))


def count_field() -> models.IntegerField[int, int]:
    return models.IntegerField(default=0)
