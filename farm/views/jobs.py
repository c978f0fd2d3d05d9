"""The Jobs page: what there is, narrowed and sorted; windows come as the reader scrolls."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from farm import actions, filters
from farm.headers import STRIP
from farm.rendering import Order, clock, head, more, page, parts, rows, wants_part
from farm.tables import JOBS
from qbcore.listing import hosts, jobs
from qbcore.listing.windows import LIMIT

SNIPPET = """import qb
job = qb.Job({"name": "hello farm", "prototype": "cmdrange", "cpus": 4})
job["agenda"] = qb.genframes("1-24")
job["package"] = {"cmdline": "echo frame QB_FRAME_NUMBER"}
print(qb.submit(job)[0]["id"])"""
TABS = (
    ("All", ""),
    ("Active", "is:live"),
    ("Failing now", "is:failing"),
    ("Mine", "user:me"),
    ("Finished", "is:done"),
)


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for."""

    query: filters.Query
    order: Order
    after: str
    limit: int


def read(request: HttpRequest) -> View:
    """The address as a view: q, sort, down, after, rows. Text typed under `add` joins q."""
    asked = request.GET
    text = " ".join(filter(None, (asked.get("q", "").strip(), asked.get("add", "").strip())))
    query = filters.parse(text, me=request.user.get_username(), now=clock())
    sort = asked.get("sort", "priority")
    kept = {"q": query.text, "sort": sort if sort != "priority" else "", "down": asked.get("down", "")}
    limit = int(asked["rows"]) if asked.get("rows", "").isdecimal() else LIMIT
    return View(query, Order(sort, bool(asked.get("down")), kept), asked.get("after", ""), min(limit, 1000))


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The page, its list (htmx), or only further rows (htmx with `part=rows`)."""
    view = read(request)
    if "add" in request.GET and not wants_part(request):
        return redirect(reverse("jobs") + view.order.address())
    now = clock()
    found = jobs.window(
        view.query.terms, sort=view.order.sort, down=view.order.down, after=view.after, limit=view.limit
    )
    body = rows(JOBS, found.rows, now)
    if found.more:
        next_window = view.order.address(part="rows", after=found.more)
        body += more(JOBS, reverse("jobs") + next_window, shown=len(found.rows))
    if request.GET.get("part") == "rows":
        count = None if view.after else jobs.count(view.query.terms)
        told = {"count": count, "shown": len(found.rows), "sorted": _sorted(view.order)}
        return page(request, "jobs/rows.html", {"body": body, **told})
    context = {**_frame(view), "body": body, "shown": len(found.rows), "count": jobs.count(view.query.terms)}
    if wants_part(request):
        response = page(request, "jobs/list_part.html", {**context, "part": True})
        response["HX-Push-Url"] = reverse("jobs") + view.order.address()
        return response
    return _whole(request, context)


def _frame(view: View) -> dict[str, object]:
    """Filter, tabs, header: what stands around the rows."""
    address = reverse("jobs")
    return {
        "query": view.query,
        "chips": [(chip, address + view.order.address(q=view.query.without(chip))) for chip in view.query.chips],
        "kept": {name: value for name, value in view.order.kept.items() if value},
        "head": head(JOBS, view.order),
        "columns": len(JOBS.columns) + 1,
        "sorted": _sorted(view.order),
        "tabs": [
            (title, f"{address}?{urlencode({'q': q})}" if q else address, q == view.query.text) for title, q in TABS
        ],
        "actions": actions.of(actions.JOB),
        "newest": jobs.newest(),
        "advice": _advice(view) if view.query.chips else [],
    }


def _sorted(order: Order) -> str:
    how = ", high to low" if order.down else ""
    return f"Sorted by {order.sort}{how}, then newest"


def _advice(view: View) -> list[tuple[filters.Chip, str, int]]:
    """Only where nothing fits: which chip to drop, and how many jobs that would show."""
    if jobs.count(view.query.terms):
        return []
    found = []
    for chip in view.query.chips:
        others = [other.term for other in view.query.chips if other is not chip and other.term]
        address = reverse("jobs") + view.order.address(q=view.query.without(chip))
        found.append((chip, address, jobs.count(others)))
    return sorted((line for line in found if line[2]), key=lambda line: -line[2])[:3]


def _whole(request: HttpRequest, context: dict[str, object]) -> HttpResponse:
    now = clock()
    farm = hosts.farm(now)
    context = {**context, "strip": parts(STRIP, farm, now), "farm": farm}
    if not context["newest"]:
        ready = farm.states.get("active", 0)
        return page(request, "jobs/empty.html", {**context, "snippet": SNIPPET.splitlines(), "ready": ready})
    return page(request, "jobs/list.html", context)
