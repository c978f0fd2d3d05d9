"""The pictures of frames, as their workers sent them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from qbcore import thumbnails

FOREVER = "private, max-age=31536000, immutable"  # another picture has another address


@require_safe
def thumbnail(request: HttpRequest, thumbnail: int) -> HttpResponse:
    """One thumbnail, for who may see its job."""
    data, kind = thumbnails.one(thumbnail)
    name = f"thumbnail-{thumbnail}.{kind.rpartition('/')[2]}"
    headers = {
        "Cache-Control": FOREVER,
        "Content-Disposition": f'inline; filename="{name}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(data, content_type=kind, headers=headers)
