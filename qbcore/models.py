"""The farm's rows: columns, constraints and indexes, no behaviour.

Hot tables (work, attempt, grant, delta) carry no database foreign keys: a key check would lock the job row from every
report. `control` cleans up after itself and `housekeeping` checks.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from qbcore.states import Status

STATUSES = [(status.value, status.word) for status in Status]


def status_field() -> models.SmallIntegerField[int, int]:
    return models.SmallIntegerField(choices=STATUSES, default=int(Status.PENDING))


def count_field() -> models.IntegerField[int, int]:
    return models.IntegerField(default=0)


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
    reserved_until = models.DateTimeField(null=True)
    wait_until = models.DateTimeField(null=True)
    updated = models.DateTimeField()
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    seconds = models.FloatField(default=0)  # all attempts together
    package = models.JSONField(null=True)
    result = models.JSONField(null=True)

    class Meta:
        db_table = "work"
        indexes = [
            models.Index("job_id", "rank", name="work_pending", condition=Q(status=Status.PENDING)),
            models.Index("wait_until", name="work_waiting", condition=Q(status=Status.WAITING)),
            models.Index("grant_id", name="work_grant", condition=Q(grant_id__isnull=False)),
            models.Index("job_id", "name", name="work_name"),
        ]


class GrantRow(models.Model):
    """One subjob placed on one host, and what it takes there until its processes are gone."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    idx = models.IntegerField()
    host_id = models.BigIntegerField()
    host_name = models.TextField()
    taken = models.JSONField(default=dict)  # {"host.processors": 1, ...}
    started = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    ending = models.CharField(max_length=12, default="", blank=True)

    class Meta:
        db_table = "placement"
        indexes = [
            models.Index("host_id", name="grant_open", condition=Q(ended__isnull=True)),
            models.Index("job_id", "idx", name="grant_job"),
        ]


class AttemptRow(models.Model):
    """One try at one frame. Stands on its own: it outlives its job, which may be removed."""

    id = models.BigIntegerField(primary_key=True)
    job_id = models.BigIntegerField()
    job_name = models.TextField()
    show = models.TextField(default="")
    user = models.TextField()
    pos = models.IntegerField()  # -1: the subjob of a job without agenda
    frame = models.TextField(default="")
    subjob = models.IntegerField()
    number = models.IntegerField(default=1)
    grant_id = models.BigIntegerField()
    host_id = models.BigIntegerField()
    host_name = models.TextField()
    started = models.DateTimeField()
    ended = models.DateTimeField(null=True)
    ending = models.CharField(max_length=12, default="", blank=True)
    reported = models.BooleanField(default=False)
    exit_code = models.IntegerField(null=True)
    signal = models.IntegerField(null=True)
    message = models.TextField(default="")
    seconds = models.FloatField(default=0)
    cpu = models.FloatField(default=0)
    max_rss = models.BigIntegerField(default=0)
    out_from = models.BigIntegerField(default=0)
    out_to = models.BigIntegerField(default=0)
    err_from = models.BigIntegerField(default=0)
    err_to = models.BigIntegerField(default=0)
    error_line = models.TextField(default="")
    error_key = models.TextField(default="")

    class Meta:
        db_table = "attempt"
        indexes = [
            models.Index("job_id", "pos", "id", name="attempt_job"),
            models.Index("grant_id", name="attempt_open", condition=Q(ended__isnull=True)),
            models.Index("ended", name="attempt_failed", condition=Q(ending="failed")),
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

    class Meta:
        db_table = "delta"
        indexes = [models.Index("job_id", name="delta_job")]


class DependencyRow(models.Model):
    """One link of a job's `dependency`: what it waits for, and whether that has come true."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    parent_id = models.BigIntegerField()
    state = models.CharField(max_length=12)
    met = models.BooleanField(default=False)

    class Meta:
        db_table = "dependency"
        indexes = [
            models.Index("parent_id", name="dependency_parent"),
            models.Index("job_id", name="dependency_job"),
        ]


class HostRow(models.Model):
    """A worker host: who it says it is, what it has, and when it was last heard of."""

    id = models.BigAutoField(primary_key=True)
    name = models.TextField(unique=True)
    token = models.CharField(max_length=64, unique=True)  # SHA-256, in hex
    session = models.CharField(max_length=64, default="", blank=True)
    seq = models.BigIntegerField(default=0)
    state = models.CharField(max_length=8, default="none")
    seen = models.DateTimeField(null=True)
    joined = models.DateTimeField()
    address = models.TextField(default="")
    macaddress = models.TextField(default="")
    os = models.TextField(default="")
    architecture = models.TextField(default="")
    version = models.TextField(default="")
    cluster = models.TextField(default="/")
    groups = models.TextField(default="")
    restrictions = models.TextField(default="")
    flags = models.IntegerField(default=0)
    jobtypes = models.JSONField(default=list)
    properties = models.JSONField(default=dict)
    totals = models.JSONField(default=dict)  # {"processors": 8, "memory": 32000, ...}
    load_cpu = models.FloatField(default=0)
    load_memory = models.FloatField(default=0)
    locked = models.BooleanField(default=False)
    banned = models.BooleanField(default=False)
    reason = models.TextField(default="")
    updated = models.DateTimeField()

    class Meta:
        db_table = "host"
        indexes = [models.Index("state", "name", name="host_state")]


class JoinTokenRow(models.Model):
    """Lets one host join, once, until it expires."""

    token = models.CharField(max_length=64, primary_key=True)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)
    host_name = models.TextField(default="")

    class Meta:
        db_table = "join_token"


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


class SubmissionRow(models.Model):
    """A call of submit that carried a key: sent twice, it answers the same jobs and submits nothing again."""

    key = models.CharField(max_length=64, primary_key=True)
    user = models.TextField()
    jobs = models.JSONField(default=list)
    at = models.DateTimeField()

    class Meta:
        db_table = "submission"


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
    undo = models.JSONField(default=list)  # [[status, retries, "ranges"], ...] of what stood there before

    class Meta:
        db_table = "run_target"
        indexes = [models.Index("run_id", "id", name="run_target_run")]


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


class DutyRow(models.Model):
    """A duty of housekeeping, and until when some process has taken it on."""

    name = models.CharField(max_length=32, primary_key=True)
    owner = models.CharField(max_length=64, default="", blank=True)
    until = models.DateTimeField(null=True)
    ticked = models.DateTimeField(null=True)

    class Meta:
        db_table = "duty"


class CounterRow(models.Model):
    """Numbers given out in order where the database has no sequence of its own (SQLite)."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "counter"


class RoleRow(models.Model):
    """What a user may do: viewer, artist, operator or admin."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="farm")
    role = models.CharField(max_length=12, default="artist")

    class Meta:
        db_table = "role"


class TokenRow(models.Model):
    """A personal token for scripts; only its SHA-256 is kept."""

    token = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    label = models.TextField(default="")
    purpose = models.CharField(max_length=8, default="api")  # api, or signin: a one-time sign-in link
    created = models.DateTimeField()
    expires = models.DateTimeField(null=True)
    used = models.DateTimeField(null=True)

    class Meta:
        db_table = "token"
