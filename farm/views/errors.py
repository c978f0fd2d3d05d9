"""Pages for what went wrong, in plain words."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from farm.rendering import failure


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, "This address or form is not valid.", status=400)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(
        request, "This page may not be opened that way. Reload the page before it and try again.", status=403
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return failure(request, "There is no page at this address.", status=404)


def broken(request: HttpRequest) -> HttpResponse:
    """Rendered without anything that could fail too: no database, no request."""
    return HttpResponse(render_to_string("500.html"), status=500)
