"""Actions: what a button would do (preview), doing it (start), and every bulk run as a page."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from farm import actions, cells
from farm.actions import Action, Ask
from farm.formats import plural
from farm.headers import RUN_HEAD
from farm.rendering import clock, head, more, page, parts, rows, toast, wants_part
from farm.tables import RUNS, TARGETS
from qbcore import runs
from qbcore.acting import current
from qbcore.errors import Invalid, NotFound, QubeError
from qbcore.listing import jobs, records

MOST_TYPED = 1  # more jobs than this: their number is typed before work is lost
LOOKS = {"unchanged": "todo", "refused": "blocked", "error": "failed"}
BECOMES = {"kill": "killed", "remove": "killed", "requeue": "blocked", "block": "blocked", "suspend": "suspended",
           "resume": "running", "retry": "pending", "unblock": "pending"}  # fmt: skip
BAR = 490


CARDS = (
    ("done", "complete", "Done", "changed", "changed"),
    ("unchanged", "pending", "No change", "unchanged", "were there already"),
    ("refused", "blocked", "Refused", "refused", "not allowed"),
    ("error", "failed", "Error", "errors", "did not work"),
    ("todo", "todo", "To do", "todo", "not reached yet"),
)


def read(action: Action, data: QueryDict, *, params: dict[str, int]) -> Ask:
    """What the form asks for. Raises Invalid, naming the field."""
    ids = [part for part in data.get("jobs", "").split(",") if part]
    if not all(part.isdecimal() and len(part) < 19 for part in ids):
        raise Invalid("give ids of jobs separated by commas", field="jobs")
    return Ask(
        action=action,
        jobs=tuple(dict.fromkeys(int(part) for part in ids)),
        positions=data.get("positions", ""),
        statuses=action.statuses(data),
        params=params,
        why=data.get("why", "").strip(),
        typed=data.get("typed", "").strip(),
    )


def selection(ask: Ask) -> runs.Selection:
    return runs.Selection(jobs=ask.jobs, positions=ask.positions, statuses=ask.statuses)


@require_http_methods(["GET", "POST"])
def act(request: HttpRequest, verb: str) -> HttpResponse:
    """The preview of an action; with `go` it is done if nothing is missing."""
    data = request.POST if request.method == "POST" else request.GET
    action = actions.find(verb, data.get("scope", actions.JOB))
    if action is None:
        raise NotFound(f"There is no action {verb} on {data.get('scope', actions.JOB)}s.")
    going = request.method == "POST" and bool(data.get("go"))
    try:
        params, wrong = action.values(data), ""
    except Invalid as unfit:
        params, wrong = {}, str(unfit)
    ask = read(action, data, params=params)
    if wrong:
        return _preview(request, ask, data, wrong, status=422 if going else 200)
    return _start(request, ask, data) if going else _preview(request, ask, data)


def _preview(request: HttpRequest, ask: Ask, data: QueryDict, error: str = "", status: int = 200) -> HttpResponse:
    """What would change and what would not, and why: the same code counts that acts."""
    found = None
    try:
        found = runs.preview(ask.action.verb, selection(ask), ask.params) if ask.complete else None
    except QubeError as wrong:
        error, status = error or str(wrong), wrong.status
    context = {
        "ask": ask, "action": ask.action, "found": found, "error": error, "data": data, "scope": ask.action.scope,
        "lines": [(_look(ask, line), line) for line in found.lines] if found else [],
        "bar": _bar(ask, found) if found else "",
        "go_label": f"{ask.action.word} {plural(found.will_change, found.unit)}" if found else ask.action.word,
        "params": [(param, data.get(param.name, "")) for param in ask.action.params],
        "wants_why": _wants_why(ask), "wants_number": _wants_number(ask),
        "jobs": ",".join(map(str, ask.jobs)),
    }  # fmt: skip
    return page(
        request, "partials/preview.html" if wants_part(request) else "runs/preview.html", context, status=status
    )


def _look(ask: Ask, line: runs.Line) -> str:
    """The status whose glyph and colour a line has: what the frames become, or the outcome's."""
    if line.outcome == "done":
        return BECOMES.get(ask.action.verb.removesuffix("work"), "complete")
    return LOOKS.get(line.outcome, "todo")


def _bar(ask: Ask, found: runs.Preview) -> str:
    counts = [(_look(ask, line), line.count) for line in found.lines]
    return cells.segments(counts, label=f"{found.will_change} of {found.total} will change", width=BAR)


def _wants_number(ask: Ask) -> int:
    return len(ask.jobs) if ask.action.loses and len(ask.jobs) > MOST_TYPED else 0


def _wants_why(ask: Ask) -> bool:
    """A reason is asked for where work is lost, and where somebody else's job is touched."""
    return ask.action.loses or bool(jobs.owners(ask.jobs) - {current().name})


def _missing(ask: Ask) -> str:
    """What is missing before it can be done, as a sentence."""
    number = _wants_number(ask)
    if number and ask.typed != str(number):
        return f"Type {number} to confirm that all {number} jobs are meant."
    if _wants_why(ask) and not ask.why:
        return "Give a reason: it is kept in the history."
    return "" if ask.complete else "Fill in what the action needs."


def _start(request: HttpRequest, ask: Ask, data: QueryDict) -> HttpResponse:
    missing = _missing(ask)
    if missing:
        return _preview(request, ask, data, missing, status=422)
    run = runs.start(
        ask.action.verb, selection(ask), dict(ask.params), why=ask.why, source=data.get("source", "")[:400]
    )
    if not wants_part(request):
        return redirect("run", run)
    response = HttpResponse(toast(request, records.run(run), clock()))
    response["HX-Retarget"], response["HX-Reswap"] = "#toasts", "beforeend"
    response["HX-Trigger-After-Swap"] = json.dumps({"farm:started": {"run": run}})
    return response


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """All bulk runs, newest first."""
    now = clock()
    before = request.GET.get("before", "")
    found = records.runs(before=int(before) if before.isdecimal() else 0)
    body = rows(RUNS, found.rows, now)
    if found.more:
        body += more(RUNS, f"{reverse('actions')}?before={found.more}", shown=len(found.rows))
    if wants_part(request):
        return page(request, "jobs/rows.html", {"body": body})
    newest = max((run.id for run in found.rows), default=0)
    return page(request, "runs/list.html", {"body": body, "head": head(RUNS), "newest": newest, "any": bool(body)})


@require_safe
def detail(request: HttpRequest, run: int) -> HttpResponse:
    """One bulk run: how far it is, and what came of each job."""
    now = clock()
    found = records.run(run)
    shown_parts = parts(RUN_HEAD, found, now)
    outcome = request.GET.get("outcome", "")
    shown = records.targets(run, outcome=outcome if outcome in records.OUTCOMES else "")
    context = {
        "run": found,
        "parts": shown_parts,
        "cards": [(outcome, look, title, shown_parts[part], said) for outcome, look, title, part, said in CARDS],
        "head": head(TARGETS),
        "body": rows(TARGETS, shown, now),
        "shown": len(shown),
        "outcome_shown": outcome,
        "recent": records.runs(limit=8).rows,
    }
    return page(request, "runs/detail.html", context)


@require_POST
def cancel(request: HttpRequest, run: int) -> HttpResponse:
    """Stops a run after its current batch; the page learns of it as everybody does."""
    runs.cancel(run)
    return HttpResponse(status=204) if wants_part(request) else redirect("run", run)
