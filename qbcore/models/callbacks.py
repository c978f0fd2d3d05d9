"""Callbacks: what they listen for, and when they fired."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from qbcore.models.columns import count_field


class CallbackRow(models.Model):
    """Something to do when a trigger comes true. `data` keeps every key that it was submitted with."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField(default=-1)
    pgrp = models.BigIntegerField(default=0)
    user = models.TextField()
    machine = models.BooleanField(default=False)  # submitted by the farm itself: it acts as the farm
    triggers = models.TextField()
    tree = models.JSONField(default=list)  # the condition: a number of a term, or ["and" or "or", parts...]
    language = models.CharField(max_length=16)
    code = models.TextField(default="")
    data = models.JSONField(default=dict)
    maximum = models.IntegerField(default=0)  # firings after which it is done; 0: no end
    count = count_field()
    state = models.CharField(max_length=8, default="ready")  # ready, idle, refused or done
    reason = models.TextField(default="")
    created = models.DateTimeField()

    class Meta:
        db_table = "callback"
        indexes = [models.Index("job_id", name="callback_job")]


class TermRow(models.Model):
    """One event that a callback listens for, and whether it has come; forgotten when what it watches moves on."""

    id = models.BigAutoField(primary_key=True)
    callback_id = models.BigIntegerField()
    number = models.SmallIntegerField()
    name = models.CharField(max_length=12)
    type = models.CharField(max_length=8)
    watched_id = models.BigIntegerField(null=True)  # the job, or the host; null: not there yet, or any
    label = models.TextField(default="")  # a label that no job of the process group has yet
    extra = models.TextField(default="")
    due = models.DateTimeField(null=True)  # of a time or repeat term
    met = models.BooleanField(default=False)

    class Meta:
        db_table = "term"
        indexes = [
            models.Index("watched_id", "type", name="term_watched"),
            models.Index("callback_id", name="term_callback"),
            models.Index("due", name="term_due", condition=Q(due__isnull=False)),
        ]


class FiringRow(models.Model):
    """A callback fired, once: by what, and what came of it. `delivery` is what the outside world tells twins by."""

    id = models.BigAutoField(primary_key=True)
    callback_id = models.BigIntegerField()
    job_id = models.BigIntegerField(default=-1)
    at = models.DateTimeField()
    event = models.TextField(default="")
    frame = models.TextField(default="")  # the item's name that raised the event
    subjob = models.IntegerField(default=-1)
    state = models.CharField(max_length=8, default="waiting")  # waiting done failed refused
    tries = models.IntegerField(default=0)
    due = models.DateTimeField()
    owner = models.CharField(max_length=64, default="", blank=True)
    lease = models.DateTimeField(null=True)
    delivery = models.UUIDField(unique=True)
    message = models.TextField(default="")

    class Meta:
        db_table = "firing"
        indexes = [
            models.Index("due", name="firing_open", condition=Q(state="waiting")),
            models.Index("callback_id", "id", name="firing_callback"),
            models.Index("job_id", "id", name="firing_job"),
        ]
