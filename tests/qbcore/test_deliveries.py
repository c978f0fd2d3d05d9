"""Mail, webhooks and Python: what goes out of the farm goes out at least once, signed, limited, and says what came."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core import mail
from django.db.models import F

from qbcore import acting, firings, submission, tasks, verbs
from qbcore.firings import carrying, scripting
from qbcore.firings.webhook import reachable
from qbcore.models import CallbackRow, FiringRow, TokenRow
from tests.hand import FOUR_FRAMES, Hand, drive
from tests.make import make_user

pytestmark = pytest.mark.django_db


def submit(**given: Any) -> int:
    """A job that fires once, when it is killed."""
    listening = {"triggers": "killed-job-self", **given}
    job = int(
        submission.submit({**FOUR_FRAMES, "name": "comp", "mailaddress": "bob@x.test", "callbacks": [listening]})["id"]
    )
    verbs.kill(job)
    return job


def deliver() -> tuple[str, str]:
    """One try of the only firing, and what came of it."""
    firing = FiringRow.objects.get()
    firings.deliver(firing.pk, "somebody")
    firing.refresh_from_db()
    return firing.state, firing.message


def later() -> None:
    FiringRow.objects.update(due=F("due") - timedelta(days=1))


@pytest.fixture(autouse=True)
def farm(settings: Any) -> None:
    settings.FARM_MAIL = True
    settings.FARM_WEBHOOK_HOSTS = ["127.0.0.1"]
    settings.FARM_WEBHOOK_SECRET = "between us"
    settings.FARM_PYTHON_CALLBACKS = True


def test_a_mail_says_how_the_job_is_and_bears_its_delivery() -> None:
    job = submit(language="mail")
    assert deliver() == ("done", "sent to bob@x.test")
    [sent] = mail.outbox
    assert sent.subject == f"[{job}] comp: killed"
    assert f"Job {job} comp is killed." in sent.body
    delivery = str(FiringRow.objects.get().delivery)
    assert sent.extra_headers["X-QB-Delivery"] == delivery
    assert delivery in sent.extra_headers["Message-ID"]


def test_the_text_of_a_mail_takes_fields_of_the_job_and_nothing_else_is_a_format() -> None:
    job = submit(
        language="mail", code="100% of %(name)s, %(id)999999999s, %(nothing)s, %(event)s", subject="a\nBcc: %(name)s",
        mailto=["eve@x.test", "bob@x.test", "eve@x.test"],
    )  # fmt: skip
    deliver()
    [sent] = mail.outbox
    assert sent.body == f"100% of comp, %(id)999999999s, , killed-job-{job}"
    assert (sent.subject, sent.to) == ("a Bcc: comp", ["eve@x.test", "bob@x.test"])


@pytest.mark.parametrize(
    ("to", "said"),
    [("bob", "no address for mail"), (["a@x.test\nBcc: b@x.test"], "no address"), (",", "no address to")],
)
def test_a_mail_to_nobody_fails_with_a_sentence(to: Any, said: str) -> None:
    submit(language="mail", mailto=to)
    state, message = deliver()
    assert state == "failed"
    assert said in message
    assert not mail.outbox


def test_the_flag_mail_sends_one_when_the_job_ends() -> None:
    submission.submit({**FOUR_FRAMES, "flags": "mail", "mailaddress": "bob@x.test"})
    drive(Hand(), exits=lambda frame: int(frame["name"] == "2"))
    assert deliver()[0] == "done"
    assert "failed" in mail.outbox[0].subject


def test_a_code_of_qube_sends_the_mail_too() -> None:
    submit(code="mail-status")
    firings.carry_due()
    mailing = FiringRow.objects.get(state="waiting")
    carrying.deliver(mailing.pk, "somebody")
    assert len(mail.outbox) == 1


def test_a_mail_server_that_is_away_is_tried_with_growing_pauses_until_it_has_failed(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    submit(language="mail")
    pauses = []
    for _ in carrying.PAUSES:
        assert deliver()[0] == "waiting"
        firing = FiringRow.objects.get()
        pauses.append((firing.due - firing.at).total_seconds())
        later()
    assert pauses == sorted(pauses)
    state, message = deliver()
    assert state == "failed"
    assert message.startswith("given up after 6 tries: the mail server did not take it")


class Hooks(ThreadingHTTPServer):
    """A receiver of webhooks that answers what it is told and keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.release = threading.Event()
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?a=b"


class Receiver(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({key.lower(): value for key, value in self.headers.items()}, body))
        answer = self.server.answers.pop(0) if self.server.answers else 204
        if not answer:
            while not self.server.release.wait(0.05):
                self.wfile.write(b"x")  # an endless first line of an answer
            return
        self.send_response(answer)
        self.send_header("Location", self.server.url)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    server = Hooks()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_webhook_is_signed_and_says_what_happened(hooks: Hooks) -> None:
    job = submit(language="webhook", url=hooks.url)
    assert deliver() == ("done", f"127.0.0.1:{hooks.server_port} answered 204")
    [(headers, body)] = hooks.got
    said = json.loads(body)
    assert (said["event"], said["job"]["id"], said["job"]["status"]) == (f"killed-job-{job}", job, "killed")
    assert said["delivery"] == headers["x-qb-delivery"] == str(FiringRow.objects.get().delivery)
    assert headers["x-qb-signature"] == "sha256=" + hmac.new(b"between us", body, hashlib.sha256).hexdigest()


def test_a_webhook_that_failed_comes_again_as_the_same_delivery(hooks: Hooks) -> None:
    hooks.answers = [500, 429, 200]
    submit(language="webhook", code=hooks.url)
    states = []
    for _ in range(3):
        states.append(deliver()[0])
        later()
    assert states == ["waiting", "waiting", "done"]
    assert len({headers["x-qb-delivery"] for headers, _ in hooks.got}) == 1


@pytest.mark.parametrize("answer", [302, 307, 404, 401])
def test_a_webhook_follows_no_redirect_and_takes_no_for_an_answer(hooks: Hooks, answer: int) -> None:
    hooks.answers = [answer]
    submit(language="webhook", url=hooks.url)
    assert deliver()[0] == "failed"
    assert len(hooks.got) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_answers_drop_by_drop_or_does_not_encrypt_is_left_and_tried_again(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr("qbcore.firings.webhook.SECONDS", 0.3)
    hooks.answers = [0]
    submit(language="webhook", url=hooks.url.replace("http", scheme))
    assert deliver()[0] == "waiting"


def test_a_host_that_is_not_listed_gets_nothing(hooks: Hooks, settings: Any) -> None:
    submit(language="webhook", url=hooks.url.replace("127.0.0.1", "localhost"))
    assert CallbackRow.objects.get().state == "refused"
    settings.FARM_WEBHOOK_HOSTS = [f"127.0.0.1:{hooks.server_port}"]
    CallbackRow.objects.all().delete()
    submit(language="webhook", url=hooks.url)
    settings.FARM_WEBHOOK_HOSTS = ["elsewhere"]
    assert deliver()[0] == "refused"
    assert not hooks.got


@pytest.mark.parametrize(
    ("host", "address", "may"),
    [
        ("hooks.test", "127.0.0.1", False),
        ("hooks.test", "169.254.169.254", False),
        ("hooks.test", "::1", False),
        ("hooks.test", "::ffff:127.0.0.1", False),
        ("hooks.test", "0.0.0.0", False),
        ("hooks.test", "10.0.0.7", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "127.0.0.1", True),
    ],
)
def test_a_name_must_not_lead_to_this_machine(host: str, address: str, may: bool) -> None:
    assert reachable(host, address) is may


def python(code: str) -> tuple[str, str]:
    make_user("bob", role="artist")
    with acting.acting_as(acting.Actor("bob", "artist")):
        submit(language="python", code=code)
    return deliver()


def test_python_runs_apart_with_nothing_of_the_farm_s_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_SECRET_THING", "x")
    state, said = python(
        "import os, sys, qb\n"
        "print(sorted(key for key in os.environ if key[:4] in ('FARM', 'DATA', 'DJAN')), os.environ['QB_EVENT'])\n"
        "print(qb.Job({'name': 1}).name, os.getpid() == os.getsid(0))"
    )
    assert state == "done"
    assert said.splitlines() == [f"[] {FiringRow.objects.get().event}", "1 True"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "ended with code 3"),
        ("1/0", "ZeroDivisionError"),
        ("x = bytearray(10**9)", "MemoryError"),
        ("open('big', 'wb').write(bytes(10**8))", "ended with"),
        ("print('caf\\u00e9', end=''); raise SystemExit(1)", "café"),
    ],
)
def test_python_that_fails_says_how(code: str, said: str) -> None:
    state, message = python(code)
    assert state == "failed"
    assert said in message


def test_python_that_takes_too_long_is_ended_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripting, "SECONDS", 0.5)
    state, message = python("import subprocess\nsubprocess.run(['sleep', '60'])")
    assert (state, message.split(".")[0]) == ("failed", "it was ended after 0")


def test_the_token_of_a_python_callback_is_its_submitter_s_and_dies_with_it() -> None:
    seen = []

    def look(code: str, environment: dict[str, str], folder: Any) -> str:
        row = TokenRow.objects.get()
        seen.append((row.user.username, row.scopes, environment["QB_TOKEN"][:4]))
        return "looked"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scripting, "_run", look)
        assert python("pass") == ("done", "looked")
    assert seen == [("bob", "jobs", "qbu_")]
    assert not TokenRow.objects.exists()


def test_python_that_is_off_is_refused_also_when_it_was_on(settings: Any) -> None:
    make_user("bob")
    with acting.acting_as(acting.Actor("bob", "artist")):
        submit(language="python", code="print(1)")
    settings.FARM_PYTHON_CALLBACKS = False
    assert deliver()[0] == "refused"


def test_two_carriers_deliver_once_and_a_dead_one_is_followed() -> None:
    submit(language="mail")
    firing = FiringRow.objects.get()
    assert carrying._take_up(firing.pk, "first") is not None
    firings.deliver(firing.pk, "second")
    assert not mail.outbox
    FiringRow.objects.update(lease=F("lease") - timedelta(minutes=2))
    firings.deliver(firing.pk, "second")
    carrying._finish(firing.pk, "first", carrying.Outcome("failed", "too late"))
    assert (len(mail.outbox), FiringRow.objects.get().state) == (1, "done")


def test_a_delivery_that_the_queue_lost_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(carrying, "_queue", [sent.append])
    submit(language="mail")
    firings.carry_due()
    assert sent == []
    FiringRow.objects.update(due=F("due") - timedelta(seconds=6))
    firings.carry_due()
    firings.carry_due()
    assert sent == [FiringRow.objects.get().pk]
    assert deliver()[0] == "done"


def test_a_broker_that_is_away_delays_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(firing: int) -> None:
        raise OSError("no broker")

    monkeypatch.setattr(carrying, "_queue", [away])
    submit(language="mail")
    carrying.carry(FiringRow.objects.get().pk)
    assert deliver()[0] == "done"


def test_deliveries_go_through_the_quick_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(tasks.deliver, "apply_async", lambda **how: asked.append((how["args"], how["queue"])))
    submit(language="mail")
    number = FiringRow.objects.get().pk
    carrying.carry(number)
    assert asked == [([number], "quick")]
    tasks.deliver.apply(args=[number])
    assert len(mail.outbox) == 1
