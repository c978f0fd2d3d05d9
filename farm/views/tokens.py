"""The Tokens page: what one's scripts identify themselves with, made, shown once and revoked."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from farm import cells, formats
from farm.columns import Column, Table
from farm.rendering import clock, head, page, rows
from qbcore import tokens
from qbcore.acting import current
from qbcore.errors import Invalid
from qbcore.tokens import TokenLine

LIVES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "never"))
SCOPES = (
    ("read", "look at jobs, hosts, history and logs"),
    ("jobs", "submit jobs, act on jobs and frames, callbacks"),
    ("hosts", "lock and ban hosts, set resources"),
)
SAID = dict(SCOPES)
FIRST_LIFE = "90"


def _expires(line: TokenLine) -> str:
    if line.expires is None:
        return cells.text("never")
    return cells.pill("killed", "expired") if line.expired else cells.text(f"{line.expires:%d %b %Y}")


def _scopes(line: TokenLine) -> str:
    return cells.text(", ".join(line.scopes) or "all that the user may do")


TOKENS: Table[TokenLine] = Table(
    kind="token",
    key=lambda line: line.id,
    columns=(
        Column("name", "Label", lambda line, _: cells.strong(line.label), css="text", phone=True),
        Column("tail", "Ends with", lambda line, _: cells.mono(f"…{line.tail}" if line.tail else ""), phone=True),
        Column("user", "User", lambda line, _: cells.text(line.user), css="text"),
        Column("scopes", "May do", lambda line, _: _scopes(line), css="text"),
        Column("created", "Made", lambda line, _: cells.text(f"{line.created:%d %b %Y}")),
        Column("expires", "Expires", lambda line, _: _expires(line), phone=True),
        Column("used", "Last used", lambda line, now: cells.text(_used(line, now))),
        Column("revoke", "", lambda line, _: cells.doing("Revoke…", "token-revoke", line.id), css="right", phone=True),
    ),
)


def _used(line: TokenLine, now: datetime) -> str:
    return formats.moment(line.used, now) if line.used else "never"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def listing(request: HttpRequest) -> HttpResponse:
    """One's tokens, for an admin anybody's; POST makes one and shows it, this once."""
    if request.method != "POST":
        return _page(request)
    asked = request.POST
    days = asked.get("days", FIRST_LIFE)
    try:
        if days not in dict(LIVES):
            raise Invalid("choose one of the times", field="days")
        scopes = asked.getlist("scopes") if asked.get("rights") == "some" else []
        if asked.get("rights") == "some" and not scopes:
            raise Invalid("choose at least one, or all that you may do", field="scopes")
        made = tokens.make(asked.get("label", ""), scopes, int(days) if days else None)
    except Invalid as wrong:
        return _page(request, error=wrong, status=422)
    return _page(request, made=made)


def _page(request: HttpRequest, *, made: str = "", error: Invalid | None = None, status: int = 200) -> HttpResponse:
    whose = request.GET.get("user", "").strip()
    found = tokens.listed(whose)
    context = {
        "made": made,
        "error": error,
        "asked": request.POST if error else {},
        "chosen": request.POST.getlist("scopes") if error else [],
        "lives": LIVES,
        "life": request.POST.get("days", FIRST_LIFE) if error else FIRST_LIFE,
        "scopes": SCOPES,
        "whose": whose,
        "sees_all": tokens.sees_all(),
        "supervisor": request.build_absolute_uri("/").rstrip("/"),
        "head": head(TOKENS),
        "body": rows(TOKENS, found, clock()),
        "shown": len(found),
    }
    return page(request, "account/tokens.html", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, token: str) -> HttpResponse:
    """Asks first, since scripts stop; then the token is gone."""
    line = tokens.one(token)
    if request.method != "POST":
        return page(request, "account/revoke.html", {"line": line, "scopes": _scopes(line), "now": clock()})
    tokens.revoke(token)
    back = redirect("tokens")
    if line.user != current().name:
        back["Location"] += f"?user={line.user}"
    return back
