"""Every declared column: it has a cell for every row, escapes what people typed, and sorts if it says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from farm import cells, feeds, headers, tables
from farm.columns import AnyTable, Column, version
from farm.rendering import Order, head, row
from qbcore.listing import frames, hosts, jobs, records
from qbcore.models import RunRow, RunTargetRow, SubjobRow, ThumbnailRow
from qbcore.states import Status
from tests.make import make_attempt, make_history, make_host, make_job

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EVIL = "<script>alert('x')</script>\"'&"
TABLES = (tables.JOBS, tables.WORK, tables.SUBJOBS, tables.HOSTS, tables.HISTORY, tables.RUNS, tables.TARGETS,
          tables.ATTEMPTS, *(feed.table for feed in feeds.FEEDS.values()))  # fmt: skip
COLUMNS = [(table, column) for table in TABLES for column in table.columns]


@pytest.fixture
def lines(db: None) -> dict[str, list[Any]]:
    """Rows for every kind of table: plain ones, empty ones, and ones whose every text is hostile."""
    host, bare = make_host(f"render {EVIL}", groups=EVIL, reason=EVIL), make_host("down", state="down")
    evil = make_job(EVIL, frames={Status.RUNNING: 1, Status.FAILED: 2}, user=EVIL, show=EVIL, cluster=EVIL, label=EVIL,
                    reason=EVIL)  # fmt: skip
    attempt = make_attempt(evil, 0, host=host)
    picture = {"path": EVIL, "width": 9, "height": 9, "data": b"", "at": NOW}
    ThumbnailRow.objects.create(job_id=evil.id, pos=0, attempt_id=attempt.id, **picture)
    make_attempt(evil, 1, host=host, ending="failed", error_line=EVIL, message=EVIL, exit_code=1)
    SubjobRow.objects.filter(job_id=evil.id).update(grant_id=attempt.grant_id, host_name=host.name, host_id=host.id)
    empty = make_job(frames=0)
    make_history(evil, "kill", actor=EVIL, effect=EVIL, why=EVIL, frames=EVIL, host_name=EVIL)
    run = RunRow.objects.create(verb="kill", title=EVIL, user=EVIL, why=EVIL, message=EVIL, total=3, created=NOW)
    RunTargetRow.objects.create(run_id=run.id, job_id=evil.id, job_name=EVIL, message=EVIL, total=3)
    found_jobs = jobs.some([evil.id, empty.id])
    found_runs = [records.run(run.id)]
    return {
        "job": found_jobs,
        "head": found_jobs,
        "frame": list(frames.window(evil.id).rows),
        "subjob": frames.subjobs(evil.id) + frames.subjobs(empty.id),
        "host": hosts.some([host.id, bare.id]),
        "history": list(records.history(evil.id).rows),
        "run": found_runs,
        "runhead": found_runs,
        "toast": found_runs,
        "target": records.targets(run.id),
        "attempt": frames.attempts(evil.id, [0, 1]),
        "farm": [hosts.farm(NOW)],
        "outputs": [headers.strip_of(evil.id), headers.strip_of(empty.id)],
    }


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda one: getattr(one, "kind", "") or one.name)
def test_every_column_has_a_cell_for_every_row_and_escapes_it(
    table: AnyTable, column: Column[Any], lines: dict[str, list[Any]]
) -> None:
    for line in lines[table.kind]:
        html = str(column.cell(line, NOW))
        assert EVIL not in html and "<script" not in html
        assert not re.search(r"\sstyle=|\son\w+=", html), "CSP forbids styles and scripts in attributes"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
def test_names_of_columns_are_their_own_and_rows_are_named_apart(table: AnyTable, lines: dict[str, list[Any]]) -> None:
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    keys = [table.key(line) for line in lines[table.kind]]
    assert len(keys) == len(set(keys))


@pytest.mark.django_db
@pytest.mark.parametrize("column", [column for column in tables.JOBS.columns if column.sort], ids=lambda one: one.name)
def test_every_sort_link_of_the_jobs_table_is_understood(column: Column[Any], bob: Client) -> None:
    make_job()
    order = Order(column.sort, False, {"q": "user:bob", "sort": column.sort})
    address = re.search(rf'href="(\?[^"]*sort={column.sort}[^"]*)"', head(tables.JOBS, order))
    assert address
    page = bob.get(reverse("jobs") + address[1].replace("&amp;", "&"))
    assert 'aria-sort="descending"' in page.content.decode()


def test_a_row_carries_its_name_its_link_and_its_version(lines: dict[str, list[Any]]) -> None:
    line = lines["job"][0]
    html = row(tables.JOBS, line, NOW)
    assert f'id="job-{line.id}"' in html and f'data-row="job:{line.id}"' in html
    assert f'data-href="/jobs/{line.id}"' in html
    assert f'data-v="{version(tables.JOBS.cells(line, NOW))}"' in html
    assert html.count("data-cell=") == len(tables.JOBS.columns)


def test_one_failed_frame_of_2400_can_be_seen_and_is_said() -> None:
    bar = cells.progress({Status.COMPLETE: 2399, Status.FAILED: 1})
    failed = re.search(r'class="seg failed" x="\d+" width="(\d+)" height="(\d+)"', bar)
    assert failed and int(failed[1]) >= 3 and int(failed[2]) > 8
    assert 'aria-label="2,399 of 2,400 complete, 1 failed"' in bar


def test_the_failing_mark_stands_beside_a_live_status_only(db: None) -> None:
    alive = jobs.one(make_job(frames={Status.RUNNING: 1, Status.FAILED: 2}).id)
    over = jobs.one(make_job(frames={Status.COMPLETE: 1, Status.FAILED: 2}).id)
    assert 'class="failing"' in tables.job_status(alive)
    assert 'class="failing"' not in tables.job_status(over)


def test_every_feed_reads_the_rows_that_it_names(lines: dict[str, list[Any]]) -> None:
    for kind, feed in feeds.FEEDS.items():
        keys = [feed.table.key(line) for line in lines[kind]]
        assert set(feed.paint(keys, NOW)) == set(keys)
