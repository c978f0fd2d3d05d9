"""What strangers, artists and foreign workers may not do: a clear refusal, and nothing has changed."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from qbcore.errors import Invalid, Refused, Unsupported
from tests.e2e.farms import Farm, fetch
from tests.e2e.processes import EmbeddedFarm
from tests.e2e.scripting import run_script

pytestmark = pytest.mark.e2e
LIMIT = 400 * 2**20  # bytes of memory for reading a hostile archive


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedFarm]:
    one = EmbeddedFarm(tmp_path_factory.mktemp("trust"))
    try:
        one.start()
        yield one
    finally:
        one.stop()


@pytest.fixture(scope="module")
def artist(farm: EmbeddedFarm) -> str:
    return farm.user("bob", "artist")


@contextmanager
def nothing_changes(farm: Farm) -> Iterator[None]:
    before = farm.counts()
    yield
    assert farm.counts() == before


def held_job(farm: EmbeddedFarm, **more: Any) -> int:
    """A job that waits for nobody."""
    job = {"prototype": "cmdrange", "status": "blocked", "package": {"range": "1-3", "cmdline": "true"}, **more}
    return int(farm.api().submit(job)[0]["id"])


class ByHand:
    """A worker whose every request is written by the test."""

    def __init__(self, farm: Farm, name: str) -> None:
        self.url = farm.url + "worker/v1/"
        self.join_token = farm.django(
            f"from qbcore import permissions\nprint(permissions.new_join_token(host={name!r}))"
        )
        status, answer = self.ask("join", {"name": name, "token": self.join_token, "protocol": 1})
        assert status == 200, answer
        self.token = answer["token"]
        self.session = secrets.token_hex(16)
        self.seq = 0

    def ask(self, what: str, body: dict[str, Any], *, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token or getattr(self, 'token', '')}"}
        status, text = fetch(self.url + what, body, **headers)
        return status, json.loads(text)

    def hello(self, **more: Any) -> tuple[int, Any]:
        facts = {"os": "linux", "processors": 4, "memory": 1000, "slots": 4}
        return self.ask("hello", {"protocol": 1, "session": self.session, "facts": facts, "held": {}, **more})

    def sync(self, **more: Any) -> tuple[int, Any]:
        self.seq += 1
        return self.ask("sync", {"session": self.session, "seq": self.seq, "held": {}, "load": {}, **more})


@pytest.fixture(scope="module")
def strangers(farm: EmbeddedFarm) -> tuple[ByHand, ByHand, dict[str, Any]]:
    """Two hosts, and the start of a frame that the first of them was given."""
    first, second = ByHand(farm, "first"), ByHand(farm, "second")
    for one in (first, second):
        assert one.hello()[0] == 200
    job = {"prototype": "cmdrange", "package": {"range": "1-2", "cmdline": "true"}, "hosts": "first"}
    farm.api().submit(job)
    _, answer = first.sync(room=True)
    return first, second, answer["starts"][0]


def foreign_tokens(farm: EmbeddedFarm) -> dict[str, str]:
    """Tokens that look right and are not this farm's to honour."""
    mark = secrets.token_urlsafe(24)
    return {
        "none": "",
        "forged": f"qbu_{secrets.token_urlsafe(32)}",
        "of another farm's attempt": f"qba_1.1.{mark}",
        "a used sign-in link's": farm.sign_in().removeprefix("signin/"),
        "a join token": farm.django("from qbcore import permissions\nprint(permissions.new_join_token())"),
    }


def test_a_token_that_is_not_this_farms_reads_and_changes_nothing(farm: EmbeddedFarm) -> None:
    job = held_job(farm)
    tokens = foreign_tokens(farm)
    with nothing_changes(farm):
        for kind, token in tokens.items():
            for call in ("jobinfo", "kill"):
                named = {"Authorization": f"Bearer {token}"} if token else {}
                status, body = fetch(f"{farm.url}api/v1/{call}", {"args": [job] if call == "kill" else []}, **named)
                assert (kind, status) == (kind, 401)
                assert json.loads(body)["error"]["code"] == "unauthorized"
                assert str(job) not in json.loads(body)["error"]["message"]


def test_a_users_token_is_no_hosts_and_a_hosts_is_no_users(farm: EmbeddedFarm, strangers: Any, artist: str) -> None:
    first, _, _ = strangers
    with nothing_changes(farm):
        assert first.ask("sync", {"session": first.session, "seq": 9, "held": {}}, token=artist)[0] == 401
        assert first.ask("hello", {"protocol": 1, "session": "a" * 32, "facts": {}}, token="qbh_forged")[0] == 401
        assert fetch(f"{farm.url}api/v1/jobinfo", {}, Authorization=f"Bearer {first.token}")[0] == 401


def test_a_join_token_works_once_and_for_its_host_only(farm: EmbeddedFarm, strangers: Any) -> None:
    first, _, _ = strangers
    named = farm.django("from qbcore import permissions\nprint(permissions.new_join_token(host='third'))")
    with nothing_changes(farm):
        status, answer = first.ask("join", {"name": "elsewhere", "token": first.join_token, "protocol": 1})
        assert status == 401 and "jointoken" in answer["error"]["message"]
        status, answer = first.ask("join", {"name": "fourth", "token": named, "protocol": 1})
        assert status == 401


def test_a_worker_cannot_speak_for_another_host(farm: EmbeddedFarm, strangers: Any) -> None:
    """It reports another host's attempt, writes its log and says that it holds its grant: nothing of it counts."""
    _, second, start = strangers
    frame, grant, job = start["frames"][0], start["grant"], start["job"]["id"]
    before = farm.rows(f"SELECT pos, status, attempt_id, grant_id FROM work WHERE job_id = {job}")
    report = {"attempt": frame["attempt"], "grant": grant, "pos": frame["pos"], "exit": 0, "elapsed": 1.0}
    with nothing_changes(farm):
        second.sync(reports=[report], gone=[grant], want=[grant])
        _, answer = second.sync(held={str(grant): [frame["attempt"]]}, running=[frame["attempt"]])
        assert answer["orders"].get(str(grant)) == "end" or frame["attempt"] in answer["drop"]
        url = f"{farm.url}worker/v1/log/{grant}/out?offset=0"
        status, _ = fetch(url, "forged", Authorization=f"Bearer {second.token}")
        assert status in (403, 404, 405)
    assert farm.rows(f"SELECT pos, status, attempt_id, grant_id FROM work WHERE job_id = {job}") == before


def test_a_second_session_of_a_live_host_is_refused(farm: EmbeddedFarm, strangers: Any) -> None:
    first, _, _ = strangers
    with nothing_changes(farm):
        status, answer = first.hello(session=secrets.token_hex(16), previous="")
    assert status == 409 and answer["error"]["code"] == "session"
    assert "another live worker speaks for first" in answer["error"]["message"]


def session_cookie(farm: EmbeddedFarm) -> str:
    """What a signed-in browser sends."""
    return farm.django(
        "from django.contrib.sessions.backends.db import SessionStore\n"
        "from django.contrib.auth import get_user_model, SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY\n"
        "user = get_user_model().objects.get(username='admin')\n"
        "session = SessionStore()\n"
        "session[SESSION_KEY] = str(user.pk)\n"
        "session[BACKEND_SESSION_KEY] = 'django.contrib.auth.backends.ModelBackend'\n"
        "session[HASH_SESSION_KEY] = user.get_session_auth_hash()\n"
        "session.create()\n"
        "print(session.session_key)"
    )


def test_a_websocket_from_a_foreign_origin_is_refused(farm: EmbeddedFarm) -> None:
    """The browser of a signed-in user would send the cookie along, from whatever page."""
    cookie = {"Cookie": f"sessionid={session_cookie(farm)}"}
    socket = farm.url.replace("http:", "ws:") + "ws/live"
    with connect(socket, origin=farm.url.rstrip("/"), additional_headers=cookie) as own:  # type: ignore[arg-type]
        own.send(json.dumps({"watch": {"newest": {"job": 0}}}))
        assert "patches" in json.loads(own.recv(timeout=20))
    for origin in ("http://evil.example", f"https://127.0.0.1.evil.example:{farm.port}", "null"):
        with pytest.raises(InvalidStatus) as refused:
            connect(socket, origin=origin, additional_headers=cookie)  # type: ignore[arg-type]
        assert refused.value.response.status_code == 403


def test_a_workers_websocket_without_a_hosts_token_is_refused(farm: EmbeddedFarm, artist: str) -> None:
    socket = farm.url.replace("http:", "ws:") + "ws/worker"
    for headers in ({}, {"Authorization": f"Bearer {artist}"}, {"Authorization": "Bearer qbh_forged"}):
        with pytest.raises(InvalidStatus) as refused:
            connect(socket, additional_headers=headers)
        assert refused.value.response.status_code == 403


def test_an_artist_cannot_touch_a_job_of_somebody_else(farm: EmbeddedFarm, artist: str) -> None:
    job = held_job(farm)
    bob = farm.api(artist)
    calls: list[Callable[[], Any]] = [
        lambda: bob.kill(job), lambda: bob.remove(job), lambda: bob.killwork(f"{job}:1"),
        lambda: bob.unblock(job), lambda: bob.modify({"priority": 1}, job),
        lambda: bob.submit({"prototype": "cmdline", "package": {"cmdline": "true"}, "user": "admin"}),
    ]  # fmt: skip
    with nothing_changes(farm):
        for call in calls:
            with pytest.raises(Refused, match="bob may not"):
                call()
    assert farm.api().job(job)["status"] == "blocked"


CMDRANGE = {"prototype": "cmdrange", "package": {"range": "1-3", "cmdline": "true"}}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no prototype": ({"package": {"cmdline": "true"}}, "prototype.*a job needs a prototype"),
    "no name of a job type": ({**CMDRANGE, "prototype": "maya render"}, "'maya render' is no name of a job type"),
    "a malformed range": ({**CMDRANGE, "package": {"range": "1-10y2", "cmdline": "x"}}, "package.range.*position 4"),
    "a malformed requirement": ({**CMDRANGE, "requirements": "host.os eq"}, "requirements.*position 10"),
    "an unbalanced requirement": (
        {**CMDRANGE, "requirements": "(host.os eq linux"},
        "requirements.*never closed .position 0",
    ),
    "a malformed reservation": ({**CMDRANGE, "reservations": "host.memory=lots"}, "reservations"),
    "a dependency on itself": ({**CMDRANGE, "label": "a", "dependency": "link-complete-job-a"}, "depends on itself"),
    "a dependency on nobody": ({**CMDRANGE, "dependency": "999999"}, "there is no job '999999'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_job_that_cannot_be_is_refused_with_its_place_and_nothing_is_stored(farm: EmbeddedFarm, kind: str) -> None:
    job, sentence = BAD[kind]
    good = {"prototype": "cmdline", "package": {"cmdline": "true"}}
    with nothing_changes(farm), pytest.raises((Invalid, Unsupported)) as refused:
        farm.api().submit([good, job])  # all or none
    assert re.search(sentence, str(refused.value)), str(refused.value)


ARCHIVES = {
    "with a DTD": b'<?xml version="1.0"?>\n<!DOCTYPE job [<!ENTITY a "aaaaaaaaaa">]>\n<job/>',
    "of one gigabyte": b'<?xml version="1.0"?>\n<job>',
    "of another format": b"PK\x03\x04 a zip file",
}
RECOVER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
import qb
print(qb.recoverjob({path!r}))
print(qb.error())
"""


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_hostile_archive_is_refused_with_a_sentence_in_little_memory(
    farm: EmbeddedFarm, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "job.xml"
    file.write_bytes(ARCHIVES[kind])
    if "gigabyte" in kind:
        with file.open("r+b") as grown:
            grown.truncate(2**30)
    with nothing_changes(farm):
        said = run_script(RECOVER.format(path=str(file), limit=LIMIT), tmp_path, farm.env).splitlines()
    assert said[0] == "None"
    words = {"with a DTD": "DOCTYPE", "of one gigabyte": "larger than", "of another format": "line 1"}
    assert f"{file} cannot be recovered" in said[1] and words[kind] in said[1]


def test_the_memory_limit_of_the_archive_test_is_enough_for_a_good_one(farm: EmbeddedFarm, tmp_path: Path) -> None:
    """Else it would prove nothing."""
    write = f"import qb\nqb.archivejob({str(tmp_path / 'job.xml')!r}, qb.Job({{'prototype': 'cmdline'}}))"
    run_script(write, tmp_path, farm.env)
    said = run_script(RECOVER.format(path=str(tmp_path / "job.xml"), limit=LIMIT), tmp_path, farm.env)
    assert said.startswith("Job(")
