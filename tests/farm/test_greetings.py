"""Hosts that all begin at once take turns; who works already, and who looks at pages, is answered meanwhile."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connections

from farm import workers
from farm.asgi import application
from farm.greetings import AT_ONCE, LONGEST, SHORTEST, USUAL, Crowded, Greetings
from qbcore import hosts, permissions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
PATIENCE = 60.0
STORM, INSIDE = 60, 34
Answer = tuple[int, dict[bytes, bytes], dict[str, Any]]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hellos last until this is set."""
    go, real = threading.Event(), hosts.hello

    def hello(host: int, said: dict[str, Any]) -> dict[str, Any]:
        assert go.wait(PATIENCE)
        return real(host, said)

    monkeypatch.setattr(hosts, "hello", hello)
    yield go
    go.set()


def join(name: str) -> tuple[int, str]:
    joined = hosts.join({"name": name, "token": permissions.new_join_token(), "protocol": 2})
    return joined["host"], joined["token"]


async def ask(method: str, path: str, token: str = "", said: dict[str, Any] | None = None) -> Answer:
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b"",
             "http_version": "1.1", "scheme": "http", "server": ("localhost", 80)}  # fmt: skip
    asking = ApplicationCommunicator(application, scope)
    await asking.send_input({"type": "http.request", "body": json.dumps(said or {}).encode()})
    start = await asking.receive_output(PATIENCE)
    body = await asking.receive_output(PATIENCE)
    read = json.loads(body["body"]) if path.startswith("/worker/") else {}
    await asking.wait(PATIENCE)
    return start["status"], dict(start["headers"]), read


def hello(session: str) -> dict[str, Any]:
    return {"protocol": 2, "session": session * 32, "previous": "", "facts": {"slots": 1}, "held": {}}


async def test_a_sync_and_a_page_are_answered_while_a_storm_of_hellos_waits(
    held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await sync_to_async(join)("at-work")
    held.set()
    await ask("POST", "/worker/v1/hello", token, hello("a"))
    held.clear()
    monkeypatch.setattr(workers, "greetings", Greetings(patience=INSIDE * USUAL / AT_ONCE))
    _, late = await sync_to_async(join)("late")
    storm = [asyncio.create_task(ask("POST", "/worker/v1/hello", late, hello("b"))) for _ in range(STORM)]
    async with asyncio.timeout(PATIENCE):
        while sum(task.done() for task in storm) < STORM - INSIDE:
            await asyncio.sleep(0.01)
    refused = [task.result() for task in storm if task.done()]
    assert {status for status, _, _ in refused} == {429}
    assert all(int(headers[b"retry-after"]) >= SHORTEST for _, headers, _ in refused)
    status, _, answer = await ask("POST", "/worker/v1/sync", token, {"session": "a" * 32, "seq": 1, "room": True})
    assert (status, answer["starts"]) == (200, [])
    assert (await ask("GET", "/login"))[0] == 200
    held.set()
    answered = [status for status, _, _ in await asyncio.gather(*storm)]
    assert answered.count(200) == INSIDE, "who was let in had its turn"
    await sync_to_async(connections.close_all)()


async def test_those_who_are_sent_away_come_back_one_after_the_other() -> None:
    crowd = Greetings(at_once=1, patience=0)
    go = threading.Event()
    inside = asyncio.create_task(crowd.take(lambda: {"waited": go.wait(PATIENCE)}))
    await asyncio.sleep(0)
    told = []
    for _ in range(10_000):
        with pytest.raises(Crowded) as sent_away:
            await crowd.take(dict)
        told.append(sent_away.value.after)
    assert told[0] == SHORTEST and told[-1] == LONGEST
    assert told[2000] > told[1000] > told[500] > SHORTEST
    go.set()
    assert await inside == {"waited": True}
    assert await crowd.take(lambda: {"turn": 1}) == {"turn": 1}


async def test_a_hello_that_fails_leaves_its_place() -> None:
    crowd = Greetings(at_once=1, patience=0)
    nothing: list[dict[str, Any]] = []
    for _ in range(3):
        with pytest.raises(IndexError):
            await crowd.take(nothing.pop)
