"""Signing in and out."""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from farm import live
from farm.rendering import page
from qbcore.errors import NotFound
from qbcore.permissions import redeem_signin

BACKEND = "django.contrib.auth.backends.ModelBackend"
STAY = 12 * 3600
TELL_TRIES = 4  # say how many tries are left when there are so few


def _back(request: HttpRequest) -> str:
    """Where to go after signing in; only addresses of this farm."""
    address = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours else resolve_url(settings.LOGIN_REDIRECT_URL)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. After too many wrong tries a user is locked out at this address for a while."""
    if request.method != "POST":
        if request.user.is_authenticated:
            return redirect(_back(request))
        return _form(request, "", "")
    name = request.POST.get("username", "").strip()
    credentials = {"username": name, "password": request.POST.get("password", "")}
    user = authenticate(request, **credentials)
    if getattr(request, "axes_locked_out", False):
        request.axes_locked_out = False  # type: ignore[attr-defined] # or axes puts its bare text in place of this page
        return _form(request, name, f"Too many wrong tries. Sign in again in {_pause()}.", status=429)
    if user is None:
        return _form(request, name, "User or password is wrong." + _tries_left(request, name), status=401)
    login(request, user)
    request.session.set_expiry(STAY if request.POST.get("stay") else 0)
    return redirect(_back(request))


def _pause() -> str:
    """How long a lock-out lasts, in words."""
    return f"{round(settings.AXES_COOLOFF_TIME * 60)} minutes"


def _tries_left(request: HttpRequest, name: str) -> str:
    left = settings.AXES_FAILURE_LIMIT - AxesProxyHandler.get_failures(request, {"username": name})
    if not 0 < left <= TELL_TRIES:
        return ""
    return f" {left} {'try' if left == 1 else 'tries'} left."


def _form(request: HttpRequest, name: str, error: str, *, status: int = 200) -> HttpResponse:
    context = {"name": name, "error": error, "next": _back(request), "supervisor": request.get_host()}
    return page(request, "account/login.html", context, status=status)


@never_cache
@require_GET
def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Signs in by a link that works once."""
    user = redeem_signin(token)
    if user is None:
        raise NotFound("This sign-in link was used or has expired. Start the farm again for a new one, or sign in.")
    login(request, user, backend=BACKEND)
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session and closes what it has open."""
    key = request.session.session_key
    logout(request)
    if key:
        live.hub.close_session(key)
    return redirect(settings.LOGIN_URL)
