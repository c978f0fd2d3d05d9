"""The Job page shows how far frames are, the files that they wrote and the pictures of those."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from io import BytesIO
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from farm import hub as hubs
from farm import workers
from farm.feeds import FEEDS
from farm.hub import Hub, read
from farm.screens import Screen, Watch
from qbcore import events, permissions, progress, thumbnails
from qbcore.acting import FARM
from qbcore.errors import QubeError
from qbcore.models import AttemptRow, HostRow, JobRow, ThumbnailRow, WorkRow
from qbcore.states import Status
from qbcore.thumbnails import Told
from tests.make import make_attempt, make_host, make_job

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (32, 18), "teal").save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def job() -> JobRow:
    """Its first frame is complete, with two files and a picture of the first; its second runs."""
    job, host = make_job(frames={Status.COMPLETE: 1, Status.RUNNING: 1}), make_host("render-041")
    facts = [{"path": "/out/a.1.exr", "size": 2048, "modified": 5}, {"path": "/out/b.1.exr", "missing": True}]
    WorkRow.objects.filter(job_id=job.id, pos=0).update(result={"outputPaths": "/out/a.1.exr", "outputs": facts})
    done = make_attempt(job, 0, host=host, ending="complete")
    make_attempt(job, 1, host=host)
    thumbnails.keep(host.id, Told(done.id, 0, "/out/a.1.exr", 1920, 1080), picture())
    return job


def test_the_page_has_a_strip_of_the_newest_pictures(bob: Client, job: JobRow) -> None:
    page = bob.get(reverse("job", args=[job.id])).content.decode()
    [shown] = thumbnails.newest(job.id, 9)
    assert f'src="/thumbnails/{shown.id}"' in page and 'data-pos="0"' in page and 'title="/out/a.1.exr"' in page
    assert f'data-row="outputs:{job.id}"' in page


def test_a_picture_comes_as_what_it_is_and_stays_in_the_browser(bob: Client, job: JobRow) -> None:
    response = bob.get(reverse("thumbnail", args=[thumbnails.newest(job.id, 1)[0].id]))
    assert (response.status_code, response.content, response["Content-Type"]) == (200, picture(), "image/jpeg")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response["Cache-Control"] and "private" in response["Cache-Control"]
    assert response["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_picture_is_for_those_who_are_signed_in_and_there_is_none_of_another_number(
    client: Client, bob: Client, job: JobRow
) -> None:
    address = reverse("thumbnail", args=[thumbnails.newest(job.id, 1)[0].id])
    assert client.get(address).status_code == 302
    assert bob.get(reverse("thumbnail", args=[10**9])).status_code == 404


def test_a_frame_tells_its_files(bob: Client, job: JobRow) -> None:
    told = bob.get(reverse("job-frame", args=[job.id, 0])).json()["outputs"]
    shown = thumbnails.newest(job.id, 1)[0].id
    assert told == [
        {
            "path": "/out/a.1.exr",
            "name": "a.1.exr",
            "size": "2.0 KB",
            "missing": False,
            "picture": f"/thumbnails/{shown}",
        },
        {"path": "/out/b.1.exr", "name": "b.1.exr", "size": None, "missing": True, "picture": ""},
    ]
    assert bob.get(reverse("job-frame", args=[job.id, 1])).json()["outputs"] == []


@pytest.mark.parametrize(
    ("result", "paths"),
    [
        ({"outputPaths": ["/a", "/b"]}, ["/a", "/b"]),
        ({"outputPaths": " /a , ,/b,/a"}, ["/a", "/b"]),
        ({"outputPaths": 5, "outputs": "x"}, []),
        ({"outputs": [{"path": 1}, 2, {"path": "/a", "size": "big"}]}, ["/a"]),
        ([1, 2], []),
        ("text", []),
    ],
)
def test_what_a_program_of_its_own_gave_is_read_as_far_as_it_names_files(
    bob: Client, job: JobRow, result: object, paths: list[str]
) -> None:
    WorkRow.objects.filter(job_id=job.id, pos=0).update(result=result)
    told = bob.get(reverse("job-frame", args=[job.id, 0])).json()["outputs"]
    assert [one["path"] for one in told] == paths


class Page:
    """What a browser shows of a job, kept up to date by the hub's patches alone."""

    def __init__(self, hub: Hub, keys: dict[str, set[str]]) -> None:
        self.hub, self.keys = hub, keys
        self.screen = Screen(actor=FARM, session="s", wake=lambda: None, close=lambda code: None)
        self.cells = self.fresh()
        rows = {kind: {key: hubs.version(cells) for key, cells in rows.items()} for kind, rows in self.cells.items()}
        hub.watch(self.screen, Watch(rows=rows))
        self.hear()

    def fresh(self) -> dict[str, dict[str, dict[str, str]]]:
        return {kind: FEEDS[kind].paint(keys, NOW) for kind, keys in self.keys.items()}

    def hear(self) -> None:
        wanted = self.hub.wanted()
        self.hub.settle(wanted, read(wanted))
        for message in self.screen.take():
            for patch in message["patches"]:
                self.cells[patch["kind"]][patch["id"]].update(patch["cells"])


@pytest.fixture
def page(job: JobRow, monkeypatch: pytest.MonkeyPatch) -> Page:
    heard = Hub()

    class Direct:
        def put(self, kind: str, ids: Iterable[int]) -> None:
            heard.hint({"kind": kind, "ids": list(ids) or None})

    monkeypatch.setattr(events, "publisher", Direct)
    monkeypatch.setattr(hubs, "clock", lambda: NOW)
    return Page(heard, {"frame": {f"{job.id}.1"}, "subjob": {f"{job.id}.0"}, "outputs": {str(job.id)}})


def test_news_of_progress_makes_the_page_what_a_fresh_one_would_be(page: Page, job: JobRow) -> None:
    attempt = AttemptRow.objects.get(job_id=job.id, pos=1)
    before = page.fresh()
    progress.store({attempt.host_id: {attempt.id: 43}})
    page.hear()
    assert "43 %" in page.cells["frame"][f"{job.id}.1"]["percent"]
    assert page.cells == page.fresh() != before


def test_news_of_a_picture_puts_it_into_the_strip(page: Page, job: JobRow) -> None:
    attempt = AttemptRow.objects.get(job_id=job.id, pos=1)
    kept = thumbnails.keep(attempt.host_id, Told(attempt.id, 0, "/out/a.2.exr", 9, 9), picture())
    page.hear()
    assert f"/thumbnails/{kept}" in page.cells["outputs"][str(job.id)]["pictures"]
    assert page.cells == page.fresh()


def put(address: str, token: str, body: bytes) -> int:
    """A worker's request; the status of its answer."""
    path, _, query = address.partition("?")
    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "PUT", "path": path, "query_string": query.encode(), "headers": headers}
    try:
        workers._route(scope, body)
    except QubeError as refused:
        return refused.status
    return 200


@pytest.mark.parametrize(
    ("token", "body", "wanted"),
    [
        ("qbh_mine", picture(), 200),
        ("qbh_theirs", picture(), 403),
        ("qbh_nobody", picture(), 401),
        ("qbh_mine", b"<html>", 400),
        ("qbh_mine", b"\0" * 70_000, 413),
    ],
)
def test_a_worker_sends_a_picture_of_its_own_attempt(job: JobRow, token: str, body: bytes, wanted: int) -> None:
    attempt = AttemptRow.objects.get(job_id=job.id, pos=1)
    HostRow.objects.filter(pk=attempt.host_id).update(token=permissions.digest("qbh_mine"))
    HostRow.objects.filter(pk=make_host("render-042").pk).update(token=permissions.digest("qbh_theirs"))
    query = urlencode({"width": 64, "height": 36, "path": "/out/ä b.exr"})
    assert put(f"/worker/v1/thumbnail/{attempt.id}/0?{query}", token, body) == wanted
    assert put(f"/worker/v1/thumbnail/{attempt.id}/x?{query}", token, body) == (401 if wanted == 401 else 400)
    found = list(ThumbnailRow.objects.filter(attempt_id=attempt.id).values_list("path", flat=True))
    assert found == (["/out/ä b.exr"] if wanted == 200 else [])
