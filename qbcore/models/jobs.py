"""Jobs and what is in them: subjobs, work, tallies not yet folded, dependencies."""

from __future__ import annotations

from enum import IntFlag

from django.db import models
from django.db.models import Q

from qbcore.models.columns import count_field, status_field
from qbcore.states import Status


class Watch(IntFlag):
    """What of a job somebody waits for or listens to: whether its folds look at what has turned."""

    NONE = 0
    WORK = 1
    SUBJOBS = 2
    JOB = 4


class JobRow(models.Model):
    """A job. Its tallies are folded out of deltas (see `folding`); everything else is what was submitted."""

    id = models.BigAutoField(primary_key=True)
    pgrp = models.BigIntegerField(default=0)
    pid = models.BigIntegerField(default=0)
    name = models.TextField(default="")
    label = models.TextField(default="")
    user = models.TextField()
    domain = models.TextField(default="")
    account = models.TextField(default="")
    kind = models.TextField(default="")
    notes = models.TextField(default="")
    mailaddress = models.TextField(default="")
    prototype = models.TextField()
    show = models.TextField(default="")
    cluster = models.TextField(default="/")
    restrictions = models.TextField(default="")
    requirements = models.TextField(default="")
    reservations = models.TextField(default="")
    hosts = models.TextField(default="")
    omithosts = models.TextField(default="")
    groups = models.TextField(default="")
    omitgroups = models.TextField(default="")
    hostorder = models.TextField(default="")
    dependency = models.TextField(default="")
    flags = models.IntegerField(default=8)
    priority = models.IntegerField(default=9999)
    localorder = models.BigIntegerField(default=0)
    cpus = models.IntegerField(default=1)
    max_cpus = models.IntegerField(default=0)
    todo = models.IntegerField(default=0)
    package = models.JSONField(default=dict)
    env = models.JSONField(default=dict)
    cwd = models.TextField(default="")
    timeout = models.IntegerField(default=-1)
    timelimit = models.IntegerField(default=-1)
    agenda_timeout = models.IntegerField(default=-1)
    agenda_timelimit = models.IntegerField(default=-1)
    retrywork = models.IntegerField(default=0)
    retrywork_delay = models.IntegerField(default=0)
    retrysubjob = models.IntegerField(default=0)
    preflights = models.JSONField(default=list)
    postflights = models.JSONField(default=list)
    filling = models.TextField(default="")  # the long range that is not all stored, and how many items are missing
    unfilled = models.IntegerField(default=0)
    watched = models.SmallIntegerField(default=0)  # whose turns somebody waits for: see Watch
    extra = models.JSONField(default=dict)  # every submitted key that has no column of its own, kept and given back

    status = status_field()
    held = models.SmallIntegerField(default=0)
    reason = models.TextField(default="")
    n_pending = count_field()
    n_running = count_field()
    n_complete = count_field()
    n_failed = count_field()
    n_killed = count_field()
    n_blocked = count_field()
    n_waiting = count_field()
    n_suspended = count_field()
    s_pending = count_field()
    s_running = count_field()
    s_complete = count_field()
    s_failed = count_field()
    s_killed = count_field()
    s_blocked = count_field()
    s_waiting = count_field()
    s_suspended = count_field()
    timed = count_field()  # complete attempts, and the seconds that they took: the job's average frame
    seconds = models.FloatField(default=0)

    timesubmit = models.DateTimeField()
    timestart = models.DateTimeField(null=True)
    timecomplete = models.DateTimeField(null=True)
    updated = models.DateTimeField()

    class Meta:
        db_table = "job"
        indexes = [
            models.Index("status", "priority", "id", name="job_status"),
            models.Index("priority", "id", name="job_priority"),
            models.Index("updated", name="job_updated"),
            models.Index("user", "id", name="job_user"),
            models.Index("pgrp", name="job_pgrp"),
            models.Index("label", name="job_label", condition=~Q(label="")),
            models.Index("id", name="job_unfilled", condition=Q(unfilled__gt=0)),
            models.Index(
                "id",
                name="job_ready",
                condition=Q(status__in=[Status.PENDING, Status.RUNNING], s_pending__gt=0),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(priority__gte=1, priority__lte=9999), name="job_priority_1_9999"),
        ]


class SubjobRow(models.Model):
    """A place for one process of a job on some host. The grant says on which host it is now."""

    pk = models.CompositePrimaryKey("job_id", "idx")
    job_id = models.BigIntegerField()
    idx = models.IntegerField()
    status = status_field()
    asked = models.CharField(max_length=12, default="", blank=True)  # what it becomes once its current item is done
    told = models.CharField(max_length=12, default="", blank=True)  # what its own program says that it shall become
    grant_id = models.BigIntegerField(null=True)
    attempt_id = models.BigIntegerField(null=True)  # of a job without agenda: the subjob is its own unit
    host_id = models.BigIntegerField(null=True)
    host_name = models.TextField(default="")
    retries = models.IntegerField(default=0)
    timestart = models.DateTimeField(null=True)
    timecomplete = models.DateTimeField(null=True)
    updated = models.DateTimeField()

    class Meta:
        db_table = "subjob"
        indexes = [
            models.Index("job_id", "idx", name="subjob_pending", condition=Q(status=Status.PENDING)),
            models.Index("host_id", name="subjob_host", condition=Q(status__in=[Status.RUNNING, Status.SUSPENDED])),
        ]


class WorkRow(models.Model):
    """One work item (frame). `pos` is its place in the agenda, `rank` its place in the order of rendering."""

    pk = models.CompositePrimaryKey("job_id", "pos")
    job_id = models.BigIntegerField()
    pos = models.IntegerField()
    rank = models.IntegerField()
    name = models.TextField()
    status = status_field()
    held = models.SmallIntegerField(default=0)
    retries = models.IntegerField(default=0)
    losses = models.SmallIntegerField(default=0)
    attempts = models.IntegerField(default=0)
    attempt_id = models.BigIntegerField(null=True)
    grant_id = models.BigIntegerField(null=True)
    subjob = models.IntegerField(default=-1)
    reserved_until = models.DateTimeField(null=True)  # or when a running one that a program asked for is out of time
    wait_until = models.DateTimeField(null=True)
    updated = models.DateTimeField()
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)  # all attempts together
    package = models.JSONField(null=True)
    result = models.JSONField(null=True)
    avoid_host = models.BigIntegerField(null=True)  # the host that this item is to leave alone, and until when
    avoid_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "work"
        indexes = [
            models.Index("job_id", "rank", name="work_pending", condition=Q(status=Status.PENDING)),
            models.Index("wait_until", name="work_waiting", condition=Q(status=Status.WAITING)),
            models.Index("grant_id", name="work_grant", condition=Q(grant_id__isnull=False)),
            models.Index("job_id", "name", name="work_name"),
        ]


class DeltaRow(models.Model):
    """What a claim, report or verb changed in a job's tallies, until it is folded into the job. Append only."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    pending = count_field()
    running = count_field()
    complete = count_field()
    failed = count_field()
    killed = count_field()
    blocked = count_field()
    waiting = count_field()
    suspended = count_field()
    timed = count_field()
    seconds = models.FloatField(default=0)
    turned = models.TextField(default="")  # which items and subjobs turned to what: see control.marks

    class Meta:
        db_table = "delta"
        indexes = [models.Index("job_id", name="delta_job")]


class DependencyRow(models.Model):
    """One link of a job's `dependency`: what it waits for, and whether that has come true."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    parent_id = models.BigIntegerField()
    state = models.CharField(max_length=12)
    kind = models.CharField(max_length=8, default="job")  # job, work or subjob
    extra = models.TextField(default="")  # the parent's item or subjob, where one is named
    met = models.BooleanField(default=False)

    class Meta:
        db_table = "dependency"
        indexes = [
            models.Index("parent_id", name="dependency_parent"),
            models.Index("job_id", name="dependency_job"),
        ]


class WaitRow(models.Model):
    """An item that waits for items of another job, by position; it is looked at again when its *witness* has turned.

    A witness is one of the places that is not in the wanted state. WHOLE: it waits for the whole parent instead; NONE:
    all places are in the state now, and another link of the same item is not met.
    """

    WHOLE = -1
    NONE = -2

    id = models.BigAutoField(primary_key=True)
    dependency_id = models.BigIntegerField()
    job_id = models.BigIntegerField()
    pos = models.IntegerField()  # -1: the job itself
    parent_id = models.BigIntegerField()
    places = models.TextField(default="")  # the parent's positions, as ranges; empty: the whole parent
    witness = models.IntegerField()

    class Meta:
        db_table = "wait"
        indexes = [
            models.Index("parent_id", "witness", name="wait_witness"),
            models.Index("job_id", "pos", name="wait_job"),
        ]


class SubmissionRow(models.Model):
    """A call of submit that carried a key: sent twice, it answers the same jobs and submits nothing again."""

    key = models.CharField(max_length=64, primary_key=True)
    user = models.TextField()
    jobs = models.JSONField(default=list)
    digest = models.CharField(max_length=64, default="", blank=True)  # of what was submitted
    at = models.DateTimeField()

    class Meta:
        db_table = "submission"


class ArchiveRow(models.Model):
    """A job archived as XML on the farm's own disk."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    job_name = models.TextField()
    user = models.TextField()
    by = models.TextField()
    path = models.TextField()
    size = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        db_table = "archive"
        indexes = [models.Index("job_id", name="archive_job")]
