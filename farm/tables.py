"""The tables and headers of the pages: one row of code per column."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import localtime

from farm import bars, cells, formats
from farm.columns import Column, Table
from qbcore.listing.frames import AttemptLine, FrameLine, SubjobLine
from qbcore.listing.hosts import HostLine
from qbcore.listing.jobs import JobLine
from qbcore.listing.records import HistoryLine, RunLine, TargetLine
from qbcore.states import Status

RIGHT = "right"
LATE = 30  # seconds


def job_address(job: int) -> str:
    return reverse("job", args=[job])


def run_time(job: JobLine, now: datetime) -> str:
    """From its first frame until its end, or until now."""
    return formats.span(((job.finished or now) - job.started).total_seconds()) if job.started else formats.MISSING


def job_status(job: JobLine, *, large: bool = False) -> str:
    mark = cells.failing(job.units[Status.FAILED]) if job.failing else ""
    return format_html("{}{}", cells.pill(job.status.word, large=large), mark)


def host_name(name: str, host: int | None) -> str:
    return cells.link(name, reverse("worker", args=[host])) if name and host else cells.text(name)


def job_name(name: str, job: int) -> str:
    return cells.link(name, job_address(job))


JOBS: Table[JobLine] = Table(
    kind="job",
    key=lambda job: str(job.id),
    link=lambda job: job_address(job.id),
    box=True,
    columns=(
        Column("id", "ID", lambda job, _: cells.text(job.id), sort="id"),
        Column("name", "Name", lambda job, _: cells.link(job.name, job_address(job.id), sub=job.show), sort="name",
               css="text", phone=True),
        Column("user", "User", lambda job, _: cells.text(job.user), sort="user", css="text"),
        Column("status", "Status", lambda job, _: job_status(job), sort="status", phone=True),
        Column("frames", "Frames", lambda job, _: cells.job_progress(job.units), sort="failed", css="bars",
               phone=True),
        Column("priority", "Prio", lambda job, _: cells.text(job.priority), sort="priority", css=RIGHT),
        Column("cluster", "Cluster", lambda job, _: cells.text(job.cluster), sort="cluster", css="text"),
        Column("age", "Age", lambda job, now: cells.text(formats.age(job.submitted, now)), sort="submitted", css=RIGHT),
        Column("run", "Run time", lambda job, now: cells.text(run_time(job, now)), css=RIGHT),
        Column("average", "Avg frame", lambda job, _: cells.text(formats.clock(job.average)), css=RIGHT),
        Column("hosts", "Hosts", lambda job, _: cells.text(job.placed or None), css=RIGHT),
    ),
)  # fmt: skip


def frame_time(frame: FrameLine, now: datetime) -> str:
    """How long the last attempt took, or has been running."""
    if frame.last is None:
        return formats.MISSING
    running = frame.last.ended is None
    return formats.clock((now - frame.last.started).total_seconds() if running else frame.last.seconds)


def how_far(attempt: AttemptLine | None) -> int | None:
    """Percent of an attempt that runs, where its output says so."""
    return attempt.progress if attempt and attempt.ended is None else None


def frame_end(frame: FrameLine) -> str:
    """The error line if there is one, else what the farm says about how it ended."""
    if frame.last is None:
        return cells.DASH
    if frame.last.error_line:
        return format_html('<span class="mono bad">{}</span>', frame.last.error_line)
    lost = frame.last.ending if frame.last.ending not in ("", "complete", "failed") else ""
    return cells.text(frame.last.message or lost)


def attempt_number(frame: FrameLine) -> str:
    return cells.text(frame.last.number if frame.last else None)


def exit_text(frame: FrameLine) -> str:
    if frame.last is None or frame.last.ended is None:
        return cells.DASH
    return cells.text(f"signal {frame.last.signal}" if frame.last.signal else frame.last.exit_code)


WORK: Table[FrameLine] = Table(
    kind="frame",
    key=lambda frame: f"{frame.job}.{frame.pos}",
    columns=(
        Column("frame", "Frame", lambda frame, _: cells.strong(frame.name), phone=True),
        Column("status", "Status", lambda frame, _: cells.pill(frame.status.word), phone=True),
        Column("attempts", "Attempt", lambda frame, _: attempt_number(frame), css=RIGHT),
        Column("host", "Host", lambda frame, _: host_name(*_where(frame)), css="text"),
        Column("percent", "Progress", lambda frame, _: cells.percent(how_far(frame.last)), css="bars"),
        Column("elapsed", "Elapsed", lambda frame, now: cells.text(frame_time(frame, now)), css=RIGHT, phone=True),
        Column("memory", "Peak memory", lambda frame, _: cells.text(formats.size(_memory(frame))), css=RIGHT),
        Column("exit", "Exit", lambda frame, _: exit_text(frame), css=RIGHT),
        Column("end", "What it said", lambda frame, _: frame_end(frame), css="text"),
    ),
)


def _where(frame: FrameLine) -> tuple[str, int | None]:
    return (frame.last.host_name, frame.last.host) if frame.last else ("", None)


def _memory(frame: FrameLine) -> int | None:
    return frame.last.max_rss if frame.last else None


def subjob_status(subjob: SubjobLine) -> str:
    """A subjob that was asked to end its frame first says so until it has."""
    return cells.pill(subjob.status.word, label=f"{subjob.asked} after this frame" if subjob.asked else "")


def subjob_time(subjob: SubjobLine, now: datetime) -> str:
    return formats.clock((now - subjob.now.started).total_seconds()) if subjob.now else formats.MISSING


SUBJOBS: Table[SubjobLine] = Table(
    kind="subjob",
    key=lambda subjob: f"{subjob.job}.{subjob.idx}",
    columns=(
        Column("subjob", "Subjob", lambda subjob, _: cells.text(f"{subjob.job}.{subjob.idx}"), phone=True),
        Column("host", "Host", lambda subjob, _: host_name(subjob.host_name, subjob.host), css="text", phone=True),
        Column("status", "Status", lambda subjob, _: subjob_status(subjob), phone=True),
        Column("frame", "Frame", lambda subjob, _: cells.text(subjob.now.frame if subjob.now else ""), css=RIGHT),
        Column("percent", "Progress", lambda subjob, _: cells.percent(how_far(subjob.now)), css="bars"),
        Column("elapsed", "Elapsed", lambda subjob, now: cells.text(subjob_time(subjob, now)), css=RIGHT),
        Column("retries", "Retries", lambda subjob, _: cells.text(subjob.retries or None), css=RIGHT),
    ),
)


def slots(host: HostLine) -> str:
    if host.state == "down":
        return cells.DASH
    locked = f" · {host.lock_slots} locked" if host.lock_slots else ""
    return cells.load(host.used, host.slots, f"{host.used} / {host.slots}{locked}")


def memory(host: HostLine) -> str:
    """What the host uses in all, not only what jobs asked for. The worker tells megabytes."""
    if host.state == "down" or not host.memory:
        return cells.DASH
    return cells.load(host.memory_used, host.memory, formats.size(int(host.memory_used * 2**20)), look="memory")


def running_frames(host: HostLine) -> str:
    """The first running frame with a link to its job, and how many more."""
    if not host.running:
        return cells.DASH
    first = host.running[0]
    link = format_html('<a class="link" href="{}">{}</a>', job_address(first.job), first.job_name)
    left = len(host.running) - 1
    more = format_html('<span class="sub">and {} more</span>', left) if left else ""
    return format_html("{} {}{}", link, first.frame, more)


def last_seen(host: HostLine, now: datetime) -> str:
    """A host that speaks is seen now; its last word matters once it is late."""
    late = host.seen is not None and (now - host.seen).total_seconds() > LATE
    return f"{formats.age(host.seen, now)} ago" if late else "now" if host.seen else ""


HOSTS: Table[HostLine] = Table(
    kind="host",
    key=lambda host: str(host.id),
    link=lambda host: reverse("worker", args=[host.id]),
    box=True,
    columns=(
        Column("host", "Host", lambda host, _: cells.link(host.name, reverse("worker", args=[host.id])), css="text",
               phone=True),
        Column("state", "State", lambda host, _: cells.pill(host.state), phone=True),
        Column("slots", "Slots", lambda host, _: slots(host), css="bars", phone=True),
        Column("cpu", "CPU", lambda host, _: cells.text(f"{host.cpu:.0%}" if host.state != "down" else ""), css=RIGHT),
        Column("memory", "Memory", lambda host, _: memory(host), css="bars"),
        Column("running", "Running", lambda host, _: running_frames(host), css="text"),
        Column("groups", "Groups", lambda host, _: cells.text(host.groups), css="text"),
        Column("seen", "Last seen", lambda host, now: cells.text(last_seen(host, now)), css=RIGHT),
        Column("reason", "Reason", lambda host, _: cells.text(host.reason), css="text"),
    ),
)  # fmt: skip


def _local(at: datetime | None) -> datetime | None:
    return localtime(at) if at else None


def actor_name(line: HistoryLine) -> str:
    """The farm's own doings are set back a little."""
    return format_html('<span class="hint">{}</span>', line.actor) if line.machine else cells.strong(line.actor)


def what_with(line: HistoryLine) -> str:
    subjob = f"subjob {line.subjob}" if line.subjob >= 0 else ""
    return cells.text(", ".join(filter(None, (subjob, line.frames, line.host_name))))


def attempt_time(line: AttemptLine, now: datetime) -> str:
    return formats.clock((now - line.started).total_seconds() if line.ended is None else line.seconds)


def attempt_end(line: AttemptLine) -> str:
    look = {"complete": "complete", "failed": "failed", "": "running"}.get(line.ending, "killed")
    return cells.pill(look, line.ending)


ATTEMPTS: Table[AttemptLine] = Table(
    kind="attempt",
    key=lambda line: str(line.id),
    columns=(
        Column("job", "Job", lambda line, _: cells.text(line.job)),
        Column("name", "Name", lambda line, _: job_name(line.job_name, line.job), css="text", phone=True),
        Column("frame", "Frame", lambda line, _: cells.text(line.frame), phone=True),
        Column("status", "Ended", lambda line, _: attempt_end(line), phone=True),
        Column("when", "Started", lambda line, now: cells.text(formats.moment(_local(line.started), now))),
        Column("elapsed", "Elapsed", lambda line, now: cells.text(attempt_time(line, now)), css=RIGHT),
        Column("end", "What it said", lambda line, _: cells.text(line.error_line or line.message), css="text"),
    ),
)

HISTORY: Table[HistoryLine] = Table(
    kind="history",
    key=lambda line: str(line.id),
    columns=(
        Column("when", "When", lambda line, now: cells.text(formats.moment(_local(line.at), now)), phone=True),
        Column("who", "Who", lambda line, _: actor_name(line), css="text", phone=True),
        Column("verb", "Action", lambda line, _: cells.text(line.verb), css="text", phone=True),
        Column("what", "On", lambda line, _: what_with(line), css="text"),
        Column("effect", "Effect", lambda line, _: cells.text(line.effect), css="text"),
        Column("why", "Reason", lambda line, _: cells.text(line.why), css="text"),
    ),
)

RUN_LOOKS = {"waiting": "pending", "running": "running", "done": "complete", "cancelled": "killed", "failed": "failed"}
RUN_WORDS = {"running": "in progress"}
OUTCOME_LOOKS = {
    "done": "complete", "unchanged": "pending", "refused": "blocked", "error": "failed", "todo": "todo",
    "cancelled": "killed",
}  # fmt: skip
OUTCOME_WORDS = {"unchanged": "no change", "todo": "to do"}


def run_parts(run: RunLine) -> list[tuple[str, int]]:
    """A run's outcomes in the looks of statuses; what is left to do is the empty track."""
    return [("complete", run.changed), ("pending", run.unchanged), ("blocked", run.refused), ("failed", run.errors)]


def run_bar(run: RunLine, *, width: int = cells.BAR_WIDTH, large: bool = False) -> str:
    label = f"{formats.count(run.done)} of {formats.count(run.total)} done"
    filled = bars.filled(run.done, run.total, width)
    return cells.segments(run_parts(run), label=label, width=width, large=large, filled=filled)


def run_state(run: RunLine, *, large: bool = False) -> str:
    word = "stopping" if run.cancel and run.live else RUN_WORDS.get(run.state, run.state)
    return cells.pill(run.state, word, large=large, look=RUN_LOOKS.get(run.state, "pending"))


def run_took(run: RunLine, now: datetime) -> str:
    return formats.clock(((run.finished or now) - run.started).total_seconds()) if run.started else formats.MISSING


def run_link(run: RunLine) -> str:
    return cells.link(run.title, reverse("run", args=[run.id]))


RUNS: Table[RunLine] = Table(
    kind="run",
    key=lambda run: str(run.id),
    link=lambda run: reverse("run", args=[run.id]),
    columns=(
        Column("when", "When", lambda run, now: cells.text(formats.moment(_local(run.created), now)), phone=True),
        Column("title", "Action", lambda run, _: run_link(run), css="text", phone=True),
        Column("run-state", "State", lambda run, _: run_state(run), phone=True),
        Column("progress", "Progress", lambda run, _: format_html(
            '<div class="barcell">{}<span class="figures">{} / {}</span></div>',
            run_bar(run), formats.count(run.done), formats.count(run.total)), css="bars"),
        Column("elapsed", "Took", lambda run, now: cells.text(run_took(run, now)), css=RIGHT),
        Column("who", "Who", lambda run, _: cells.text(run.user), css="text"),
        Column("why", "Reason", lambda run, _: cells.text(run.why), css="text"),
    ),
)  # fmt: skip

TARGETS: Table[TargetLine] = Table(
    kind="target",
    key=lambda target: f"{target.run}.{target.id}",
    link=lambda target: job_address(target.job),
    columns=(
        Column("job", "Job", lambda target, _: cells.text(target.job)),
        Column("name", "Name", lambda target, _: job_name(target.job_name, target.job), css="text", phone=True),
        Column("count", "Count", lambda target, _: cells.text(formats.count(target.total)), css=RIGHT),
        Column("changed", "Changed", lambda target, _: cells.text(formats.count(target.changed)), css=RIGHT),
        Column("outcome", "Outcome", lambda target, _: cells.pill(
            target.outcome, OUTCOME_WORDS.get(target.outcome, ""), look=OUTCOME_LOOKS.get(target.outcome, "pending")),
            phone=True),
        Column("reason", "Reason or change", lambda target, _: cells.text(target.message), css="text"),
    ),
)  # fmt: skip
