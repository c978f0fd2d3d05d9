"""Care of hosts from the pages: a form beside the button, then the door, then a note of what came of it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from farm import care
from farm.care import Care
from farm.formats import plural
from farm.rendering import page, wants_part
from qbcore.acting import current
from qbcore.errors import Invalid, NotFound, QubeError
from qbcore.listing import hosts
from qbcore.listing.hosts import HostLine
from qbcore.permissions import need

SHOWN = 12


@require_http_methods(["GET", "POST"])
def act(request: HttpRequest, verb: str) -> HttpResponse:
    """The form of an action on hosts; with `go` it is done if nothing is missing."""
    data = request.POST if request.method == "POST" else request.GET
    action = care.find(verb)
    if action is None:
        raise NotFound(f"There is no action {verb} on hosts.")
    found = _named(data)
    try:
        need(current(), "host")
    except QubeError as refused:
        return _form(request, action, data, found, str(refused), status=refused.status)
    return _do(request, action, data, found) if request.method == "POST" and data.get("go") else _form(
        request, action, data, found
    )  # fmt: skip


def _named(data: QueryDict) -> list[HostLine]:
    """The hosts that were selected. Raises Invalid."""
    ids = [part for part in data.get("hosts", "").split(",") if part]
    if not ids or not all(part.isdecimal() and len(part) < 19 for part in ids):
        raise Invalid("give ids of hosts separated by commas", field="hosts")
    found = sorted(hosts.some(int(part) for part in ids), key=lambda host: host.name)
    if not found:
        raise NotFound("None of these hosts is on this farm any more.")
    return found


def _do(request: HttpRequest, action: Care, data: QueryDict, found: list[HostLine]) -> HttpResponse:
    why = data.get("why", "").strip()
    if action.loses and not why:
        return _form(request, action, data, found, "Give a reason: it is kept in the history.", status=422)
    try:
        changed = action.do([host.name for host in found], action.typed(data), why)
    except QubeError as wrong:
        return _form(request, action, data, found, str(wrong), status=422)
    if not wants_part(request):
        return redirect("workers")
    said = ", ".join(changed[:SHOWN]) + (f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else "")
    note = {"title": f"{action.word}: {plural(len(changed), 'host')}", "text": said or "Nothing had to change."}
    response = page(request, "partials/note.html", note)
    response["HX-Retarget"], response["HX-Reswap"] = "#toasts", "beforeend"
    response["HX-Trigger-After-Swap"] = "farm:started"
    return response


def _form(
    request: HttpRequest, action: Care, data: QueryDict, found: list[HostLine], error: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "action": action,
        "hosts": ",".join(str(host.id) for host in found),
        "lines": found[:SHOWN],
        "left": max(0, len(found) - SHOWN),
        "frames": sum(len(host.running) for host in found),
        "typed": [(field, data.get(field.name, _present(field, found))) for field in action.fields],
        "why": data.get("why", ""),
        "error": error,
        "go_label": f"{action.word}: {plural(len(found), 'host')}",
    }
    return page(request, "partials/care.html" if wants_part(request) else "workers/care.html", context, status=status)


def _present(field: care.Field, found: list[HostLine]) -> str:
    """What stands there now, when it is the same on all of them."""
    now = {host.calendar if field is care.CALENDAR else str(host.lock_slots or "") for host in found}
    return now.pop() if len(now) == 1 else ""
