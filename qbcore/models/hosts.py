"""Hosts, what is placed on them, and every try at a frame."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


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
    told = models.JSONField(default=dict)  # resources and properties as the worker says them
    set_properties = models.JSONField(default=dict)  # what operators set; it wins over what the worker says
    set_resources = models.JSONField(default=dict)
    lock_slots = models.IntegerField(default=0)  # so many of its processors are given to nobody
    calendar = models.TextField(default="")  # when in the week it is locked: "mon-fri 09:00-18:00, sat 10:00-12:00"
    drain = models.CharField(max_length=8, default="", blank=True)  # takes nothing; empty, it does: stay, restart, stop
    protocol = models.SmallIntegerField(default=1)  # that its worker speaks
    facts = models.JSONField(default=dict)  # what else its worker tells of it: kernel, processor, graphics cards
    updated = models.DateTimeField()

    class Meta:
        db_table = "host"
        indexes = [models.Index("state", "name", name="host_state")]


class SampleRow(models.Model):
    """How busy a host was in a minute, or in ten of them when that is long ago: the mean of what its worker said."""

    pk = models.CompositePrimaryKey("host_id", "at")
    host_id = models.BigIntegerField()
    at = models.DateTimeField()  # the minute's beginning
    cpu = models.FloatField(default=0)  # 0 to 1
    memory = models.FloatField(default=0)  # MB
    slots = models.IntegerField(default=0)  # processors taken by grants
    count = models.IntegerField(default=1)  # how many readings the means are of
    minutes = models.SmallIntegerField(default=1)  # how long it is

    class Meta:
        db_table = "sample"
        indexes = [
            models.Index("at", name="sample_at"),
            models.Index("at", name="sample_fine", condition=Q(minutes=1)),
        ]


class JoinTokenRow(models.Model):
    """Lets one host join, once, until it expires."""

    token = models.CharField(max_length=64, primary_key=True)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True)
    host_name = models.TextField(default="")

    class Meta:
        db_table = "join_token"


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
    overdue = models.BooleanField(default=False)  # its timeout was announced
    logs = models.CharField(max_length=8, default="", blank=True)  # its files: as they came, packed, or gone

    class Meta:
        db_table = "placement"
        indexes = [
            models.Index("ended", name="grant_unpacked", condition=Q(logs="", ended__isnull=False)),
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
    overdue = models.BooleanField(default=False)  # its timeout was announced
    progress = models.SmallIntegerField(null=True)  # percent, as its output says
    wrote = models.JSONField(null=True)  # of a program: which files its last items named, [[their attempt, paths], ...]

    class Meta:
        db_table = "attempt"
        indexes = [
            models.Index("job_id", "pos", "id", name="attempt_job"),
            models.Index("grant_id", name="attempt_open", condition=Q(ended__isnull=True)),
            models.Index("ended", name="attempt_failed", condition=Q(ending="failed")),
        ]


class ThumbnailRow(models.Model):
    """A small picture of a file that an attempt wrote, made by the worker that ran it."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    pos = models.IntegerField()
    attempt_id = models.BigIntegerField()
    number = models.SmallIntegerField(default=0)  # which of the attempt's files
    path = models.TextField()  # of the file, as the job named it
    width = models.IntegerField(default=0)  # of the file's picture, in pixels
    height = models.IntegerField(default=0)
    data = models.BinaryField()  # JPEG or PNG, at most 64 kB
    at = models.DateTimeField()

    class Meta:
        db_table = "thumbnail"
        constraints = [models.UniqueConstraint("attempt_id", "number", name="thumbnail_once")]
        indexes = [
            models.Index("job_id", "pos", name="thumbnail_job"),
            models.Index("job_id", "id", name="thumbnail_newest"),
        ]


class ResourceRow(models.Model):
    """Something that the whole farm shares: a licence or a global resource, and how much of it is taken."""

    name = models.CharField(max_length=200, primary_key=True)  # 'license.maya', 'global.tape'
    total = models.BigIntegerField(default=0)
    used = models.BigIntegerField(default=0)
    updated = models.DateTimeField()

    class Meta:
        db_table = "resource"


class ExclusionRow(models.Model):
    """A host that a job, or one subjob of it, is not given: after a migration for a while, after failures for good."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    idx = models.IntegerField(default=-1)  # -1: the whole job
    host_id = models.BigIntegerField()
    cause = models.CharField(max_length=12)  # migrate or wrangle
    at = models.DateTimeField()
    until = models.DateTimeField(null=True)

    class Meta:
        db_table = "exclusion"
        constraints = [models.UniqueConstraint("job_id", "idx", "host_id", name="exclusion_once")]
        indexes = [models.Index("host_id", name="exclusion_host")]


class TrackRow(models.Model):
    """How one host does with a job whose hosts are watched over: failures in a row, and whether it ever succeeded."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    host_id = models.BigIntegerField()
    failed = models.IntegerField(default=0)
    succeeded = models.BooleanField(default=False)

    class Meta:
        db_table = "track"
        constraints = [models.UniqueConstraint("job_id", "host_id", name="track_once")]


class CounterRow(models.Model):
    """Numbers given out in order where the database has no sequence of its own (SQLite)."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.BigIntegerField(default=0)

    class Meta:
        db_table = "counter"
