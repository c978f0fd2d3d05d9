"""The site's addresses, as a table of contents."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.generic import RedirectView

from farm import api, openapi
from farm.views import account, care, errors, health, job, jobs, runs, thumbnails, tokens, workers

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="jobs"), name="home"),
    path("jobs", jobs.listing, name="jobs"),
    path("jobs/<int:job>", job.detail, name="job"),
    path("jobs/<int:job>/states", job.states, name="job-states"),
    path("jobs/<int:job>/work", job.work, name="job-work"),
    path("jobs/<int:job>/frames/<int:pos>", job.frame, name="job-frame"),
    path("jobs/<int:job>/subjobs", job.subjobs, name="job-subjobs"),
    path("jobs/<int:job>/history", job.history, name="job-history"),
    path("jobs/<int:job>/log", job.log, name="job-log"),
    path("thumbnails/<int:thumbnail>", thumbnails.thumbnail, name="thumbnail"),
    path("workers", workers.listing, name="workers"),
    path("workers/<int:host>", workers.detail, name="worker"),
    path("workers/<int:host>/samples", workers.samples, name="worker-samples"),
    path("care/<slug:verb>", care.act, name="care"),
    path("actions", runs.listing, name="actions"),
    path("actions/<int:run>", runs.detail, name="run"),
    path("actions/<int:run>/cancel", runs.cancel, name="run-cancel"),
    path("act/<slug:verb>", runs.act, name="act"),
    path("tokens", tokens.listing, name="tokens"),
    path("tokens/<slug:token>/revoke", tokens.revoke, name="token-revoke"),
    path("login", account.sign_in, name="login"),
    path("logout", account.sign_out, name="logout"),
    path("signin/<str:token>", account.by_link, name="signin"),
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/openapi.json", openapi.document, name="openapi"),
    path("api/v1/docs", openapi.docs, name="api-docs"),
    path("api/v1/<str:name>", api.call, name="api"),
    re_path(r"^api(?:/(?P<rest>.*))?$", api.nowhere),
]
handler400 = errors.bad_request
handler403 = errors.refused
handler404 = errors.not_found
handler500 = errors.broken
