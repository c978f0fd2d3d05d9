"""What stands above the tables, live as they are: a job's header, a run's numbers, a toast, the farm in a strip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from farm import cells, formats
from farm.columns import Column, Table
from farm.tables import RUN_WORDS, job_status, run_bar, run_state, run_time, run_took
from qbcore import thumbnails
from qbcore.listing.hosts import Farm
from qbcore.listing.jobs import JobLine
from qbcore.listing.records import RunLine
from qbcore.states import Status
from qbcore.thumbnails import Thumbnail

WIDE_BAR = 1000
HOST_STATES = ("active", "down", "locked", "banned", "panic", "none")


def frame_total(job: JobLine) -> str:
    return formats.count(sum(job.work.values()))


HEAD: Table[JobLine] = Table(
    kind="head",
    key=lambda job: str(job.id),
    columns=(
        Column("status", "", lambda job, _: job_status(job, large=True)),
        Column("bar", "", lambda job, _: cells.progress(job.units, width=cells.LARGE_WIDTH, large=True)),
        Column("counts", "", lambda job, _: cells.legend(job.units)),
        Column("priority", "", lambda job, _: cells.text(job.priority)),
        Column("reason", "", lambda job, _: cells.text(job.reason) if job.reason else ""),
        Column("run", "", lambda job, now: cells.text(run_time(job, now))),
        Column("average", "", lambda job, _: cells.text(formats.clock(job.average))),
        Column("hosts", "", lambda job, _: cells.text(formats.count(job.placed))),
        Column("complete", "", lambda job, _: cells.text(formats.count(job.units[Status.COMPLETE]))),
        Column("failed", "", lambda job, _: cells.text(formats.count(job.units[Status.FAILED]))),
    ),
)


STRIP_LENGTH = 9


def picture(shown: Thumbnail) -> str:
    """A thumbnail that leads to its frame."""
    return format_html(
        '<button type="button" class="thumb" data-do="to-frame" data-pos="{}" title="{}">'
        '<img src="{}" alt="Frame {}" loading="lazy"><span>{}</span></button>',
        shown.pos, shown.path, reverse("thumbnail", args=[shown.id]), shown.frame, shown.frame or "whole job",
    )  # fmt: skip


def pictures(strip: Strip) -> str:
    """The newest pictures of a job, the newest last, as a contact sheet is read."""
    return format_html_join("", "{}", ((picture(one),) for one in reversed(strip.shown)))


@dataclass(frozen=True, slots=True)
class Strip:
    """The newest thumbnails of a job, newest first."""

    job: int
    shown: tuple[Thumbnail, ...]


def strip_of(job: int) -> Strip:
    return Strip(job, tuple(thumbnails.newest(job, STRIP_LENGTH)))


OUTPUTS: Table[Strip] = Table(
    kind="outputs",
    key=lambda strip: str(strip.job),
    columns=(Column("pictures", "", lambda strip, _: pictures(strip)),),
)


def number(value: int, *, look: str = "") -> str:
    return format_html('<b class="{}">{}</b>', look, formats.count(value))


def run_rate(run: RunLine, now: datetime) -> str:
    """Items a second so far; nothing before there is something to divide."""
    taken = ((run.finished or now) - run.started).total_seconds() if run.started else 0.0
    return f"{formats.count(round(run.done / taken))} per second" if run.done and taken >= 1 else ""


RUN_HEAD: Table[RunLine] = Table(
    kind="runhead",
    key=lambda run: str(run.id),
    columns=(
        Column("state", "", lambda run, _: run_state(run, large=True)),
        Column("done", "", lambda run, _: number(run.done)),
        Column("bar", "", lambda run, _: run_bar(run, width=WIDE_BAR, large=True)),
        Column("rate", "", lambda run, now: run_rate(run, now)),
        Column("took", "", lambda run, now: run_took(run, now)),
        Column("changed", "", lambda run, _: number(run.changed)),
        Column("unchanged", "", lambda run, _: number(run.unchanged)),
        Column("refused", "", lambda run, _: number(run.refused)),
        Column("errors", "", lambda run, _: number(run.errors, look="bad" if run.errors else "")),
        Column("todo", "", lambda run, _: number(max(0, run.total - run.done))),
        Column("message", "", lambda run, _: cells.text(run.message) if run.message else ""),
        Column("live", "", lambda run, _: "yes" if run.live else ""),
    ),
)

TOAST_ICONS = {"done": ("circle-check", "complete"), "failed": ("circle-x", "failed"), "cancelled": ("ban", "killed")}


def toast_icon(run: RunLine) -> str:
    name, look = TOAST_ICONS.get(run.state, ("loader", "pending"))
    partly = run.state == "done" and (run.refused or run.errors)
    return cells.icon("triangle-alert" if partly else name, f"lead tinted {'suspended' if partly else look}")


def toast_text(run: RunLine) -> str:
    """What came of it so far, in one line."""
    parts = [f"{formats.count(run.changed)} of {formats.count(run.total)} changed"]
    for count, words in ((run.unchanged, "did not change"), (run.refused, "refused"), (run.errors, "with an error")):
        if count:
            parts.append(f"{formats.count(count)} {words}")
    state = "" if run.state in ("running", "done") else f"{RUN_WORDS.get(run.state, run.state)}: "
    return state + ", ".join(parts)


TOAST: Table[RunLine] = Table(
    kind="toast",
    key=lambda run: str(run.id),
    columns=(
        Column("icon", "", lambda run, _: toast_icon(run)),
        Column("text", "", lambda run, _: toast_text(run)),
        Column("state", "", lambda run, _: run.state),
    ),
)


def hosts_by_state(farm: Farm) -> str:
    shown = ((state, cells.glyph(state), formats.count(farm.states[state])) for state in HOST_STATES
             if farm.states.get(state))  # fmt: skip
    return format_html_join("", '<span class="tinted {0}" title="{0}">{1}<span>{2} {0}</span></span>', shown)


def farm_slots(farm: Farm) -> str:
    share = f" · {formats.percent(farm.used, farm.slots)}" if farm.slots else ""
    return format_html("<b>{}</b> / {}{}", formats.count(farm.used), formats.count(farm.slots), share)


STRIP: Table[Farm] = Table(
    kind="farm",
    key=lambda _: "0",
    columns=(
        Column("slots", "Slots in use", lambda farm, _: farm_slots(farm)),
        Column("running", "Frames running", lambda farm, _: number(farm.running)),
        Column("failed", "Failed, last hour", lambda farm, _: number(
            farm.failed_last_hour, look="bad" if farm.failed_last_hour else "")),
        Column("hosts", "Hosts", lambda farm, _: hosts_by_state(farm)),
    ),
)  # fmt: skip
