"""The site as one ASGI application: workers' protocol, browsers' websocket, pages. Serve it with uvicorn."""

from __future__ import annotations

import asyncio
import os
import warnings
from contextlib import suppress
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "farm.settings")
# whitenoise hands static files out in synchronous pieces, which Django reads in a thread: small and seldom, so fine.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
pages = get_asgi_application()

# These read Django's models, which exist only from here on.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.urls import path  # noqa: E402

from farm import live, metrics, serving, workers  # noqa: E402
from qbcore import events  # noqa: E402

browsers = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter([path("ws/live", live.LiveConsumer.as_asgi())])))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await (workers.websocket if scope["path"] == "/ws/worker" else browsers)(scope, receive, send)
    else:
        with metrics.REQUESTS.labels(metrics.kind(scope)).time():
            await (workers.http if scope["path"].startswith(workers.PREFIX) else pages)(scope, receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    """Runs what this process does beside answering: hints in, beats out, the live hub, a sign that it serves."""
    await receive()
    tasks = (events.listen(), workers.sockets.run(), live.hub.run(), serving.run())
    running = [asyncio.create_task(one) for one in tasks]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await send({"type": "lifespan.shutdown.complete"})
