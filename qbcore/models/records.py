"""What was done: history, bulk runs, and the duties of housekeeping."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class HistoryRow(models.Model):
    """What people did, and what the farm did by itself that they should know. Never one row per frame."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    machine = models.BooleanField(default=False)
    verb = models.CharField(max_length=32)
    job_id = models.BigIntegerField(default=-1)
    subjob = models.IntegerField(default=-1)
    frames = models.TextField(default="")
    host_name = models.TextField(default="")
    effect = models.TextField(default="")
    why = models.TextField(default="")
    run_id = models.BigIntegerField(null=True)

    class Meta:
        db_table = "history"
        indexes = [models.Index("job_id", "id", name="history_job"), models.Index("at", name="history_at")]


class RunRow(models.Model):
    """A bulk run: what was asked of which frozen targets, how far it is, and who carries it out right now."""

    id = models.BigAutoField(primary_key=True)
    verb = models.CharField(max_length=32)
    params = models.JSONField(default=dict)
    title = models.TextField(default="")
    user = models.TextField()
    role = models.CharField(max_length=12)
    why = models.TextField(default="")
    source = models.TextField(default="")
    state = models.CharField(max_length=12, default="waiting")  # waiting running done cancelled failed
    total = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    changed = models.IntegerField(default=0)
    unchanged = models.IntegerField(default=0)
    refused = models.IntegerField(default=0)
    errors = models.IntegerField(default=0)
    cancel = models.BooleanField(default=False)
    message = models.TextField(default="")
    created = models.DateTimeField()
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    owner = models.CharField(max_length=64, default="", blank=True)
    lease = models.DateTimeField(null=True)

    class Meta:
        db_table = "run"
        indexes = [models.Index("lease", name="run_open", condition=Q(finished__isnull=True))]


class RunTargetRow(models.Model):
    """One job of a bulk run: which of its frames (as ranges of positions), how far, and what came of it."""

    id = models.BigAutoField(primary_key=True)
    run_id = models.BigIntegerField()
    job_id = models.BigIntegerField()
    job_name = models.TextField(default="")
    frames = models.TextField(default="")  # positions as ranges; empty: the job itself
    total = models.IntegerField(default=0)
    after = models.IntegerField(default=-1)
    outcome = models.CharField(max_length=12, default="todo")  # todo done unchanged refused error cancelled
    changed = models.IntegerField(default=0)
    message = models.TextField(default="")

    class Meta:
        db_table = "run_target"
        indexes = [models.Index("run_id", "id", name="run_target_run")]


class UndoRow(models.Model):
    """What a slice of a bulk run changed, as it stood before: frames of a job that had the same status and retries."""

    id = models.BigAutoField(primary_key=True)
    run_id = models.BigIntegerField()
    job_id = models.BigIntegerField()
    stood = models.SmallIntegerField()  # the status
    retries = models.IntegerField()
    frames = models.TextField()  # positions as ranges

    class Meta:
        db_table = "run_undo"
        indexes = [models.Index("run_id", "job_id", "id", name="run_undo_run")]


class DutyRow(models.Model):
    """A duty of housekeeping, and until when some process has taken it on."""

    name = models.CharField(max_length=32, primary_key=True)
    owner = models.CharField(max_length=64, default="", blank=True)
    until = models.DateTimeField(null=True)
    ticked = models.DateTimeField(null=True)

    class Meta:
        db_table = "duty"


class TotalRow(models.Model):
    """A part of a number that must never fall though the rows that it counts go. The parts of a name add up."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=32)
    value = models.BigIntegerField(default=0)
    at = models.DateTimeField(null=True)  # until when it was counted

    class Meta:
        db_table = "total"
        indexes = [models.Index("name", name="total_name")]
