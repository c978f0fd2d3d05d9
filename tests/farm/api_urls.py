"""Only the API: what a script needs of the site."""

from __future__ import annotations

from django.urls import path

from farm import api

urlpatterns = [path("api/v1/<str:name>", api.call)]
