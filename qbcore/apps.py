"""Registers the farm with Django."""

from __future__ import annotations

from django.apps import AppConfig


class QbcoreConfig(AppConfig):
    name = "qbcore"
    default_auto_field = "django.db.models.BigAutoField"
