"""Around each request of a page: who is asking, and what a refusal looks like. API and workers bring tokens instead."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.template.loader import render_to_string

from farm.rendering import failure
from qbcore.acting import acting_as
from qbcore.errors import QubeError
from qbcore.permissions import actor_for_user
from qbcore.writing import AWAY

log = logging.getLogger(__name__)

OPEN = ("/login", "/signin/", "/healthz", "/readyz", "/metrics", "/api/", "/worker/", settings.STATIC_URL)


class ActingMiddleware:
    """Signed in or sent to the sign-in page; everything behind it acts as that user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/api" or request.path.startswith(OPEN):
            return self.get_response(request)
        try:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            who = actor_for_user(request.user)
        except AWAY as away:
            return without_database(request, away)
        with acting_as(who) as actor:
            request.actor = actor  # type: ignore[attr-defined]
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A refusal of a door is an answer, not a breakdown."""
        if isinstance(error, QubeError) and error.status < 500:
            return failure(request, str(error), status=error.status)
        return without_database(request, error) if isinstance(error, AWAY) else None


def without_database(request: HttpRequest, away: Exception) -> HttpResponse:
    """A page that needs nothing of the database; the next try may have one."""
    log.warning("%s: the database does not answer: %s", request.path, away)
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": "5"})


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and, after that, back to where this came from; htmx follows a header."""
    back = request.headers.get("HX-Current-URL", "") if request.headers.get("HX-Request") else request.get_full_path()
    address = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': back})}"
    if request.headers.get("HX-Request"):
        response = HttpResponse(status=401)
        response["HX-Redirect"] = address
        return response
    if request.headers.get("Accept", "").startswith("application/json"):
        return HttpResponse(status=401)
    return redirect(address)
