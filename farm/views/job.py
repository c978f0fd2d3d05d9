"""The Job page: frames, subjobs, log, history, details."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.timezone import get_current_timezone
from django.views.decorators.http import require_safe

from farm import actions, formats, framestates, loglines
from farm.headers import HEAD, OUTPUTS, strip_of
from farm.rendering import clock, head, more, page, parts, rows
from farm.tables import HISTORY, SUBJOBS, WORK
from qbcore import logs, thumbnails
from qbcore.constants import QB_TIME_EPOCH_OFFSET
from qbcore.errors import Invalid, NotFound
from qbcore.listing import frames, jobs, records
from qbcore.listing.frames import AttemptLine
from qbcore.listing.outputs import outputs
from qbcore.queries import jobinfo
from qbcore.states import Status, total

TABS = (("frames", "Frames"), ("history", "History"), ("details", "Details"))
CHUNK = 256 * 1024
TIMES = ("timesubmit", "timestart", "timecomplete", "lastupdate")


@require_safe
def detail(request: HttpRequest, job: int) -> HttpResponse:
    """The page, opened at one of its tabs."""
    now = clock()
    found = jobs.one(job)
    tab = request.GET.get("tab", "frames")
    tab = tab if tab in dict(TABS) else "frames"
    context = {
        "job": found,
        "parts": parts(HEAD, found, now),
        "tab": tab,
        "tabs": [(name, title, f"{reverse('job', args=[job])}?tab={name}") for name, title in TABS],
        "frame_count": total(found.work),
        "actions": actions.of(actions.JOB),
        "work_actions": actions.of(actions.WORK),
        "statuses": [status.word for status in Status],
        **_OF_TAB[tab](job),
    }
    return page(request, f"job/{tab}.html", context)


def _frames_tab(job: int) -> dict[str, Any]:
    lines = frames.subjobs(job)
    shown = parts(OUTPUTS, strip_of(job), clock())
    body = rows(SUBJOBS, lines, clock())
    return {"subjob_head": head(SUBJOBS), "subjob_body": body, "subjob_count": len(lines), "outputs": shown}


def _history_tab(job: int) -> dict[str, Any]:
    return {"head": head(HISTORY), "body": _history_rows(job, before=0)}


def _details_tab(job: int) -> dict[str, Any]:
    """Every field of the job as the API gives it, times as people read them."""
    found = jobinfo(id=job)
    return {"fields": [(name, _readable(name, value)) for name, value in sorted(found[0].items())] if found else []}


def _readable(name: str, value: Any) -> Any:
    if name not in TIMES:
        return value
    return (
        None
        if value == QB_TIME_EPOCH_OFFSET
        else f"{datetime.fromtimestamp(value, get_current_timezone()):%Y-%m-%d %H:%M:%S}"
    )


_OF_TAB = {"frames": _frames_tab, "history": _history_tab, "details": _details_tab}


def _history_rows(job: int, *, before: int) -> str:
    found = records.history(job, before=before)
    body = rows(HISTORY, found.rows, clock())
    if not found.more:
        return body
    return body + more(HISTORY, f"{reverse('job-history', args=[job])}?before={found.more}", shown=len(found.rows))


@require_safe
def history(request: HttpRequest, job: int) -> HttpResponse:
    """Rows of the job's history, also of a job that was removed."""
    before = request.GET.get("before", "")
    body = _history_rows(job, before=int(before) if before.isdecimal() else 0)
    return page(request, "jobs/rows.html", {"body": body})


@require_safe
def subjobs(request: HttpRequest, job: int) -> HttpResponse:
    """Rows of the subjobs table."""
    return page(request, "jobs/rows.html", {"body": rows(SUBJOBS, frames.subjobs(job), clock())})


@require_safe
def states(request: HttpRequest, job: int) -> JsonResponse:
    """All frames for the grid: one letter each, and their names."""
    letters, names = frames.states(job), frames.names(job)
    told = {"states": letters, "v": framestates.version(letters), "names": framestates.pack_names(names)}
    return JsonResponse(told, headers={"Cache-Control": "private, no-cache"})


@require_safe
def work(request: HttpRequest, job: int) -> HttpResponse:
    """The frames as a table: the grid's twin."""
    asked = request.GET
    chosen = [Status.of(word) for word in asked.getlist("status") if word in {status.word for status in Status}]
    after = int(asked["after"]) if asked.get("after", "").isdecimal() else -1
    found = frames.window(job, statuses=chosen, after=after)
    body = rows(WORK, found.rows, clock())
    if found.more:
        kept = "".join(f"&status={status.word}" for status in chosen)
        body += more(WORK, f"{reverse('job-work', args=[job])}?after={found.more}{kept}", shown=len(found.rows))
    return page(request, "jobs/rows.html" if after >= 0 else "job/work.html", {"head": head(WORK), "body": body})


@require_safe
def frame(request: HttpRequest, job: int, pos: int) -> JsonResponse:
    """One frame and its attempts, for the tooltip and the log pane."""
    line = frames.one(job, pos)
    tries = frames.attempts(job, [pos])
    return JsonResponse(
        {
            "pos": pos,
            "name": line.name,
            "status": line.status.word,
            "attempts": [_attempt(one) for one in tries],
            "outputs": _outputs(job, pos),
        },
        headers={"Cache-Control": "private, no-cache"},
    )


def _outputs(job: int, pos: int) -> list[dict[str, Any]]:
    """The frame's files, each with its thumbnail where there is one."""
    shown = {one.path: one for one in thumbnails.of_frame(job, pos)}
    return [
        {
            "path": line.path,
            "name": line.path.rpartition("/")[2],
            "size": None if line.size is None else formats.size(line.size),
            "missing": line.missing,
            "picture": reverse("thumbnail", args=[shown[line.path].id]) if line.path in shown else "",
        }
        for line in outputs(job, pos)
    ]


def _attempt(line: AttemptLine) -> dict[str, Any]:
    return {
        "id": line.id,
        "number": line.number,
        "subjob": line.subjob,
        "host": line.host_name,
        "ending": line.ending,
        "running": line.ended is None,
        "exit": line.exit_code,
        "signal": line.signal,
        "message": line.message,
        "seconds": line.seconds,
        "memory": line.max_rss,
        "error": line.error_line,
    }


@require_safe
def log(request: HttpRequest, job: int) -> JsonResponse:
    """A piece of a log: of one attempt, or of a subjob. Text only; lines are marked as errors and warnings.

    `offset` counts bytes; negative: so many from the end. Answers where the piece begins and ends, and the whole size.
    """
    jobs.one(job)
    asked = request.GET
    stream = asked.get("stream", "out")
    offset = _whole(asked.get("offset", "0"), "offset")
    if stream == "both":
        return _told(_window(job, asked.get("attempt", ""), asked.get("subjob", "0"), offset), offset)
    if stream not in logs.STREAMS:
        raise Invalid(f"{stream!r} is no stream", field="stream", hint="Give out, err or both.")
    data, begin, size = _read(job, asked.get("attempt", ""), asked.get("subjob", "0"), stream, offset)
    piece = loglines.cut(data, begin=begin, size=size, last=begin + len(data) >= size)
    return JsonResponse(
        {"from": piece.begin, "to": piece.end, "size": size, "lines": loglines.read(piece.data)},
        headers={"Cache-Control": "private, no-cache"},
    )


def _told(window: logs.Window, offset: int) -> JsonResponse:
    """Both streams in the order of their coming, each line with stream and time. `more`: ask again, even if over."""
    begin = offset if offset >= 0 else max(0, window.size + offset)
    piece = loglines.cut(window.data, begin=begin, size=window.size, last=begin + len(window.data) >= window.size)
    lines = loglines.told(window.segments, len(piece.data))
    return JsonResponse(
        {"from": piece.begin, "to": piece.end, "size": window.size, "lines": lines, "more": not window.settled},
        headers={"Cache-Control": "private, no-cache"},
    )


def _window(job: int, attempt: str, subjob: str, offset: int) -> logs.Window:
    if not attempt:
        return logs.subjob_window(job, _whole(subjob, "subjob"), offset, CHUNK, steady=True)
    return logs.attempt_window(_attempt_of(job, attempt), offset, CHUNK)


def _attempt_of(job: int, attempt: str) -> int:
    """Raises NotFound for a foreign attempt."""
    number = _whole(attempt, "attempt")
    if not frames.belongs(job, number):
        raise NotFound(f"Job {job} has no attempt {number}.")
    return number


def _whole(text: str, field: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise Invalid(f"{text!r} is not a whole number", field=field)
    return int(text)


def _read(job: int, attempt: str, subjob: str, stream: str, offset: int) -> tuple[bytes, int, int]:
    """At most CHUNK bytes from *offset*, where they begin, the size of all. Raises NotFound for a foreign attempt."""
    if attempt:
        number = _attempt_of(job, attempt)
        begin = offset if offset >= 0 else max(0, logs.attempt_log(number, stream, 0, 0)[1] + offset)
        data, size = logs.attempt_log(number, stream, begin, CHUNK)
        return data, begin, size
    number = _whole(subjob, "subjob")
    begin = offset if offset >= 0 else max(0, logs.read(job, number, stream, 0, 0)[1] + offset)
    data, size = logs.read(job, number, stream, begin, CHUNK)
    return data, begin, size
