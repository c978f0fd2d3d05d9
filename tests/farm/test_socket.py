"""The browser's websocket: who may open it, what it takes, when it is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.test import Client

from farm import live, screens
from farm.asgi import browsers
from farm.columns import version
from farm.hub import Hub
from farm.tables import JOBS
from qbcore.acting import Actor
from qbcore.errors import Invalid
from qbcore.listing import jobs
from qbcore.models import JobRow, RoleRow
from tests.make import make_job, make_user

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = b"http://localhost"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def signed_in(name: str = "bob", role: str = "artist") -> Client:
    client = Client()
    client.force_login(make_user(name, role), backend=BACKEND)
    return client


class Connection(ApplicationCommunicator):
    """A browser's end of the websocket."""

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(10))["type"] == "websocket.accept")

    async def tell(self, message: Any) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def told(self) -> Any:
        """The next message that says something; the greeting and beats do not."""
        while True:
            message = json.loads((await self.receive_output(10))["text"])
            if message.get("patches") or "new" in message:
                return message

    async def closed(self) -> int:
        """The code with which the farm ends the connection."""
        while True:
            output = await self.receive_output(10)
            if output["type"] == "websocket.close":
                return int(output["code"])

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(10)


def socket(client: Client, origin: bytes = ORIGIN) -> Connection:
    cookie = client.cookies["sessionid"].value if "sessionid" in client.cookies else ""
    headers = [(b"origin", origin), (b"host", b"localhost"), (b"cookie", f"sessionid={cookie}".encode())]
    scope = {"type": "websocket", "path": "/ws/live", "query_string": b"", "headers": headers, "subprotocols": []}
    return Connection(browsers, scope)


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    """A hub of the test's own, running."""
    own = Hub()
    monkeypatch.setattr(live, "hub", own)
    loop = asyncio.create_task(own.run())
    yield own
    loop.cancel()


async def test_a_page_is_sent_what_differs_from_what_it_has(hub: Hub) -> None:
    client = await sync_to_async(signed_in)()
    job = await sync_to_async(make_job)("first")
    connection = socket(client)
    assert await connection.connect()
    await connection.tell({"watch": {"job": {str(job.id): "stale"}}})
    message = await connection.told()
    assert message["patches"][0]["id"] == str(job.id) and "first" in message["patches"][0]["cells"]["name"]
    await sync_to_async(JobRow.objects.filter(pk=job.id).update)(name="second")
    hub.hint({"kind": "job", "ids": [job.id]})
    again = await connection.told()
    assert list(again["patches"][0]["cells"]) == ["name"]
    line = await sync_to_async(jobs.one)(job.id)
    assert "second" in again["patches"][0]["cells"]["name"] and again["patches"][0]["v"]
    assert len(version(JOBS.cells(line, line.submitted))) == len(again["patches"][0]["v"])
    await connection.leave()
    assert not hub.screens


async def test_a_foreign_origin_is_refused(hub: Hub) -> None:
    client = await sync_to_async(signed_in)()
    assert not await socket(client, b"https://evil.example").connect()
    assert not hub.screens


async def test_somebody_without_a_session_gets_nothing(hub: Hub) -> None:
    connection = socket(Client())
    assert await connection.connect()
    assert await connection.closed() == 4401
    assert not hub.screens


@pytest.mark.parametrize("end", ["logout", "inactive", "password", "role"])
async def test_a_session_that_ends_closes_the_socket(hub: Hub, end: str) -> None:
    client = await sync_to_async(signed_in)()
    connection = socket(client)
    await connection.connect()
    await connection.tell({"watch": {}})
    await sync_to_async(end_session)(client, end)
    await hub.tick(sweep=True)
    assert await connection.closed() == 4401
    await connection.leave()


def end_session(client: Client, how: str) -> None:
    user = RoleRow.objects.get().user
    if how == "logout":
        client.logout()
    elif how == "inactive":
        user.is_active = False
        user.save()
    elif how == "password":
        user.set_unusable_password()
        user.save()
    else:
        RoleRow.objects.update(role="viewer")


async def test_signing_out_closes_the_socket_at_once(hub: Hub) -> None:
    client = await sync_to_async(signed_in)()
    connection = socket(client)
    await connection.connect()
    await connection.tell({"watch": {}})
    await sync_to_async(client.post)("/logout")
    assert await connection.closed() == 4401
    await connection.leave()


@pytest.mark.parametrize(
    "message",
    [
        *([], {"do": "kill"}, {"watch": []}, {"watch": {"job": ["x"]}}, {"watch": {"job": {"1'": ""}}}),
        *({"watch": {"work": -1}}, {"watch": {"work": True}}, {"watch": {"newest": {"job": "1"}}}),
        {"watch": {"job": [str(at) for at in range(5001)]}},
    ],
)
async def test_a_message_that_makes_no_sense_ends_the_connection(hub: Hub, message: Any) -> None:
    connection = socket(await sync_to_async(signed_in)())
    await connection.connect()
    await connection.tell(message)
    assert await connection.closed() == 4400
    await connection.leave()


def test_rows_of_a_job_that_one_may_not_see_are_not_watched() -> None:
    seen, other = make_job(), make_job()
    told = {"job": [seen.id, other.id], "frame": [f"{other.id}.0"], "work": other.id, "host": [1]}
    watch = live.visible(Actor("bob", "attempt", job=seen.id), screens.read(told))
    assert watch.rows == {"job": {str(seen.id): ""}, "frame": {}, "host": {"1": ""}}
    assert watch.work == 0


def test_a_watch_takes_one_id_a_list_or_versions() -> None:
    watch = screens.read({"job": 12, "host": [1, "2"], "run": {"3": "abc"}, "work": {"id": 12, "v": "x"}})
    assert watch.rows == {"job": {"12": ""}, "host": {"1": "", "2": ""}, "run": {"3": "abc"}}
    assert (watch.work, watch.work_version) == (12, "x")
    with pytest.raises(Invalid, match=r"job: '1\.2\.3' is no id"):
        screens.read({"job": "1.2.3"})
