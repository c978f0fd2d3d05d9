"""The dashboard. Celery finds its application here."""

from farm.celery import app as celery_app

__all__ = ["celery_app"]
