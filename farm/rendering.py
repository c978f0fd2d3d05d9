"""From rows to HTML: tables, pages, notes. The only file that names partial templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django_htmx.middleware import HtmxDetails

from farm import cells
from farm.columns import AnyTable, Column, version
from farm.headers import TOAST
from qbcore.acting import Actor
from qbcore.listing.records import RunLine


class FarmRequest(HttpRequest):
    """A request as pages get it: signed in, acting, and perhaps made by htmx."""

    htmx: HtmxDetails
    actor: Actor


def clock() -> datetime:
    """Now, in the farm's time zone."""
    return timezone.localtime()


@dataclass(frozen=True, slots=True)
class Order:
    """How a page's table is sorted, and the address parts that stay when that changes."""

    sort: str
    down: bool
    kept: Mapping[str, str]

    def address(self, **parts: str) -> str:
        query = urlencode({name: value for name, value in {**self.kept, **parts}.items() if value})
        return f"?{query}" if query else ""


def head(table: AnyTable, order: Order | None = None) -> SafeString:
    """The header row; columns that the listing sorts by are links."""
    box = mark_safe('<th class="box" scope="col"><label><input type="checkbox" data-select="all" '
                    'aria-label="Select all rows in view"></label></th>') if table.box else ""  # fmt: skip
    return format_html("<tr>{}{}</tr>", box, _join(_title(column, order) for column in table.columns))


def _title(column: Column[Any], order: Order | None) -> SafeString:
    css = _css(column)
    if order is None or not column.sort:
        return format_html('<th scope="col" class="{}">{}</th>', css, column.title)
    sorted_by = order.sort == column.sort
    down = sorted_by and order.down
    address = order.address(sort=column.sort, down="" if down or not sorted_by else "1")
    arrow = cells.icon("arrow-down" if down else "arrow-up") if sorted_by else ""
    state = format_html(' aria-sort="{}"', "descending" if down else "ascending") if sorted_by else ""
    return format_html(
        '<th scope="col" class="{}"{}><a href="{}" hx-get="{}" hx-target="#list" hx-swap="outerHTML" '
        'hx-push-url="true">{}{}</a></th>', css, state, address, address, column.title, arrow,
    )  # fmt: skip


def rows(table: AnyTable, lines: Iterable[Any], now: datetime) -> SafeString:
    return _join(row(table, line, now) for line in lines)


def row(table: AnyTable, line: Any, now: datetime) -> SafeString:
    """One row. First paint and reload use it; a live patch replaces the insides of the same cells."""
    shown, key = table.cells(line, now), table.key(line)
    link = format_html(' data-href="{}"', table.link(line)) if table.link else ""
    box = _box(table.kind, key) if table.box else ""
    return format_html(
        '<tr id="{}-{}" data-row="{}:{}" data-v="{}"{}>{}{}</tr>',
        table.kind, key, table.kind, key, version(shown), link, box, _insides(table, shown),
    )  # fmt: skip


def _insides(table: AnyTable, shown: Mapping[str, str]) -> SafeString:
    """The cells of a row. Names and classes are declared, what is shown is safe: joined plainly, for speed."""
    columns = table.columns
    return mark_safe(
        "".join(f'<td class="{_css(one)}" data-cell="{one.name}">{shown[one.name]}</td>' for one in columns)
    )


def _box(kind: str, key: str) -> SafeString:
    return format_html(
        '<td class="box"><label><input type="checkbox" data-select="{}" aria-label="Select {} {}"></label></td>',
        key, kind, key,
    )  # fmt: skip


def _css(column: Column[Any]) -> str:
    return " ".join(filter(None, (f"w-{column.name}", column.css, "" if column.phone else "wide")))


def _join(parts: Iterable[str]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def more(table: AnyTable, address: str, *, shown: int) -> SafeString:
    """The last row of a window: coming into sight it fetches the next window in its own place."""
    return format_html(
        '<tr class="more" hx-get="{}" hx-trigger="intersect once" hx-swap="outerHTML">'
        '<td colspan="{}">More after these {}…</td></tr>', address, len(table.columns) + int(table.box), shown,
    )  # fmt: skip


def parts(table: AnyTable, line: Any, now: datetime) -> dict[str, SafeString]:
    """The live parts of a header, each in an element that a patch finds; `row` holds the attributes of their frame."""
    shown, key = table.cells(line, now), table.key(line)
    found = {
        name.replace("-", "_"): format_html('<span data-cell="{}">{}</span>', name, mark_safe(html))
        for name, html in shown.items()
    }
    return {**found, "row": format_html('data-row="{}:{}" data-v="{}"', table.kind, key, version(shown))}


def page(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """A page or a part of one; caches keep it for nobody and never mix htmx's answers with whole pages."""
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    response["Cache-Control"] = "private, no-cache"
    return response


def wants_part(request: HttpRequest) -> bool:
    """htmx asks for a part, except when it restores a page from history. A request refused early was not looked at."""
    htmx: HtmxDetails | None = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.history_restore_request


def toast(request: HttpRequest, run: RunLine, now: datetime) -> str:
    """A run's toast: live until it is over."""
    return render_to_string("partials/toast.html", {"run": run, "head": parts(TOAST, run, now)}, request)


def failure(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    """An error: a note in the corner for htmx, a page for everybody else."""
    if wants_part(request):
        response = render(request, "partials/failed.html", {"sentence": sentence}, status=status)
        response["HX-Retarget"], response["HX-Reswap"] = "#toasts", "beforeend"
        return response
    return page(request, "error.html", {"sentence": sentence, "status": status}, status=status)
