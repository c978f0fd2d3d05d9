"""Care of hosts on the pages: the buttons on hosts, what they ask, what they do, and how busy a host was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from farm import care
from farm.care import CARES, Care
from farm.cells import icon
from farm.charts import HEIGHT, WIDTH, Curve, line
from qbcore.models import HistoryRow, HostRow, SampleRow
from qbcore.samples import Chart, Sample
from qbcore.states import Status
from tests.farm.conftest import Browser
from tests.make import make_attempt, make_host, make_job

HTMX = {"HX-Request": "true"}
EACH = pytest.mark.parametrize("action", CARES, ids=lambda action: action.verb)
TYPED = {"slots": "2", "calendar": "mon-fri 09:00-18:00", "why": "new disk", "go": "1"}
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def act(client: Client, verb: str, *hosts: HostRow, **data: str) -> str:
    told = {"hosts": ",".join(str(host.id) for host in hosts), **data}
    return client.post(reverse("care", args=[verb]), told, headers=HTMX).content.decode()


@pytest.mark.django_db
@EACH
def test_every_action_on_hosts_shows_a_form_first_and_then_does_it(action: Care, browser: Browser) -> None:
    down = make_host("a", state=action.takes[0] if action.takes[0] in ("down", "none") else "active", locked=True)
    operator = browser("alice")
    before = HostRow.objects.values().get()
    form = act(operator, action.verb, down)
    assert "nothing sent yet" in form and f"{action.word}: 1 host" in form
    assert HostRow.objects.values().get() == before
    assert f"#{action.icon}" in icon(action.icon)
    assert 'role="status"' in act(operator, action.verb, down, **TYPED)


@pytest.mark.django_db
@EACH
def test_an_artist_is_told_who_may_and_nothing_changes(action: Care, browser: Browser) -> None:
    host = make_host("a")
    before = HostRow.objects.values().get()
    told = browser("bob").post(reverse("care", args=[action.verb]), {"hosts": host.id, **TYPED}, headers=HTMX)
    assert told.status_code == 403 and "operators and admins" in told.content.decode()
    assert HostRow.objects.values().get() == before


@pytest.mark.django_db
def test_what_an_operator_did_stands_on_the_page_with_its_reason(browser: Browser) -> None:
    first, second = make_host("a", slots=8), make_host("b", slots=8)
    operator = browser("alice")
    act(operator, "lock", first, second, why="driver update", go="1")
    page = operator.get(reverse("workers")).content.decode()
    assert page.count("locked: driver update") == 2
    assert page.count('data-scope="host"') == len(CARES) and 'data-unit="host"' in page
    act(operator, "unlock", first, go="1")
    act(operator, "slots", first, slots="3", go="1")
    act(operator, "calendar", second, calendar="sat 00:00-24:00", go="1")
    page = operator.get(reverse("worker", args=[first.id])).content.decode()
    assert "0 / 8 · 3 locked" in page
    assert "sat 00:00-24:00" in operator.get(reverse("worker", args=[second.id])).content.decode()
    assert set(HistoryRow.objects.values_list("actor", flat=True)) == {"alice"}


@pytest.mark.django_db
def test_what_loses_work_wants_a_reason_and_says_how_much_runs(browser: Browser) -> None:
    job, host = make_job(frames={Status.RUNNING: 2}), make_host("a")
    for pos in range(2):
        make_attempt(job, pos, host=host)
    operator = browser("alice")
    assert "2 frames run there now" in act(operator, "ban", host)
    assert "Give a reason: it is kept in the history." in act(operator, "ban", host, go="1")
    assert not HostRow.objects.get().banned


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("verb", "data", "said"),
    [
        ("slots", {"slots": "many"}, "slots: &#x27;many&#x27; is not a whole number from 1 to 4096."),
        ("calendar", {"calendar": "someday"}, "is no time of the week"),
        ("forget", {"why": "sold"}, "the worker of a is alive"),
    ],
)
def test_what_cannot_be_is_told_beside_the_form(verb: str, data: dict[str, str], said: str, browser: Browser) -> None:
    host = make_host("a")
    assert said in act(browser("alice"), verb, host, go="1", **data)


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "data", "status"), [("explode", "1", 404), ("lock", "x", 400), ("lock", "9999", 404)])
def test_an_action_or_a_host_that_is_not_there_is_said(path: str, data: str, status: int, browser: Browser) -> None:
    assert browser("alice").post(reverse("care", args=[path]), {"hosts": data}, headers=HTMX).status_code == status


@pytest.mark.django_db
def test_the_form_starts_from_what_stands_there_now(browser: Browser) -> None:
    host = make_host("a", calendar="sat 00:00-24:00", lock_slots=2)
    assert 'value="sat 00:00-24:00"' in act(browser("alice"), "calendar", host)
    assert 'value="2"' in act(browser("alice"), "slots", host)


def test_no_two_actions_share_a_name() -> None:
    assert len({action.verb for action in CARES}) == len(CARES)
    assert all(care.find(action.verb) is action for action in CARES)


def samples(host: HostRow, *minutes: int) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    SampleRow.objects.bulk_create(
        SampleRow(host_id=host.id, at=now - timedelta(minutes=one), cpu=0.5, memory=16000, slots=4) for one in minutes
    )


@pytest.mark.django_db
def test_a_host_shows_its_day_as_lines_and_as_a_table(bob: Client) -> None:
    host = make_host("a", facts={"release": "Debian 12", "gpus": ["RTX 6000"], "cores": 16, "model": "Fine CPU"})
    page = bob.get(reverse("worker", args=[host.id])).content.decode()
    assert "polyline" not in page and "Debian 12" in page and "RTX 6000" in page and "16 cores" in page
    samples(host, *range(1, 7), *range(30, 36))
    page = bob.get(reverse("worker", args=[host.id])).content.decode()
    assert page.count("<polyline") == 4, "two curves, each with a gap"
    assert "50%" in page and "style=" not in page


@pytest.mark.django_db
def test_samples_are_told_as_json_with_their_gaps(
    bob: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    host = make_host("a")
    samples(host, 1, 2, 9)
    with django_assert_max_num_queries(12):
        told = bob.get(reverse("worker-samples", args=[host.id])).json()
    assert told["step"] == 120
    assert [point and point[1:] for point in told["points"]].count(None) >= 1
    assert told["points"][0][1:] == [0.5, 16000, 4]
    since = (timezone.now() - timedelta(minutes=5)).isoformat()
    assert bob.get(reverse("worker-samples", args=[host.id]), {"since": since}).json()["step"] == 60
    assert bob.get(reverse("worker-samples", args=[host.id]), {"since": "soon"}).status_code == 400
    assert bob.get(reverse("worker-samples", args=[host.id + 1])).status_code == 404


def test_a_point_alone_is_a_dot_and_a_full_value_touches_the_top() -> None:
    points = (Sample(NOON, 1.0, 0, 0), None, Sample(NOON + timedelta(hours=1), 0, 0, 0))
    drawn = line(Chart(60, points), Curve(lambda one: one.cpu, 1, "cpu", "<b>"), NOON, NOON + timedelta(hours=1))
    assert drawn.count("<circle") == 2 and f'cx="{WIDTH:.1f}" cy="{HEIGHT - 1:.1f}"' in drawn and 'cy="1.0"' in drawn
    assert "<b>" not in drawn
