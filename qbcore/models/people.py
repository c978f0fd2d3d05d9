"""Who may do what: roles and personal tokens."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class RoleRow(models.Model):
    """What a user may do: viewer, artist, operator or admin."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="farm"
    )
    role = models.CharField(max_length=12, default="artist")

    class Meta:
        db_table = "role"


class TokenRow(models.Model):
    """A personal token for scripts; only its SHA-256 is kept."""

    token = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    label = models.TextField(default="")
    purpose = models.CharField(max_length=8, default="api")  # api, or signin: a one-time sign-in link
    scopes = models.TextField(default="")  # comma list; empty: all that its user may do
    tail = models.CharField(max_length=8, default="")  # its last characters, by which its user knows it
    created = models.DateTimeField()
    expires = models.DateTimeField(null=True)
    used = models.DateTimeField(null=True)

    class Meta:
        db_table = "token"
