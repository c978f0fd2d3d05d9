"""Around each request of a page: who is asking, and what a refusal looks like. API and workers bring tokens instead."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url

from farm.rendering import failure
from qbcore.acting import acting_as
from qbcore.errors import QubeError
from qbcore.permissions import actor_for_user

OPEN = ("/login", "/signin/", "/healthz", "/readyz", "/metrics", "/api/", "/worker/", settings.STATIC_URL)


class ActingMiddleware:
    """Signed in or sent to the sign-in page; everything behind it acts as that user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/api" or request.path.startswith(OPEN):
            return self.get_response(request)
        if not request.user.is_authenticated:
            return to_sign_in(request)
        with acting_as(actor_for_user(request.user)) as actor:
            request.actor = actor  # type: ignore[attr-defined]
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A refusal of a door is an answer, not a breakdown."""
        if isinstance(error, QubeError) and error.status < 500:
            return failure(request, str(error), status=error.status)
        return None


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
