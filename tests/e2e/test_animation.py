"""The main job: an animation fails in five frames, an operator sees why, mends it and renders just those again."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qbcore.archive import recoverjob
from tests.e2e.animation import FRAMES, PASSING, Animation
from tests.e2e.farms import Farm
from tests.e2e.processes import EmbeddedFarm, ProductionFarm
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.usefixtures("povray"), pytest.mark.timeout(240)]
ScreenOn = Callable[..., Screen]
RENDERING = 90.0  # seconds for all frames
CAUSE = "Cannot find file 'comet.inc'"
LOGGED = "Parse Error: Cannot open include file comet.inc."


@pytest.fixture(params=["embedded", "production"])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Farm]:
    """The embedded farm, and the production stack with two web processes and two workers."""
    made: EmbeddedFarm | ProductionFarm
    if request.param == "embedded":
        made = EmbeddedFarm(tmp_path / "farm")
    else:
        servers = (request.getfixturevalue("postgres_server"), request.getfixturevalue("redis_server"))
        made = ProductionFarm(tmp_path / "farm", *servers, slots=4)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def animation(tmp_path: Path) -> Animation:
    return Animation(tmp_path / "orrery")


def windows(farm: Farm, screen_on: ScreenOn, job: int) -> list[Screen]:
    """A window on each web process, on the job's page."""
    found = [screen_on(farm, web=web) for web in range(len(farm.urls))]
    for screen in found:
        screen.open_job(job)
        screen.mark()
    return found


def test_an_operator_retries_just_the_frames_that_failed(farm: Farm, animation: Animation, screen_on: ScreenOn) -> None:
    api = farm.api()
    job = api.submit(animation.job())[0]["id"]
    screens = windows(farm, screen_on, job)
    see_them_fail(screens, job)
    read_why(screens[0], PASSING[2])
    animation.bring_comet()
    began = datetime.datetime.now(datetime.UTC).timestamp()
    retry_failed(screens, job)
    assert all(screen.unmoved() for screen in screens), "all of it was news, nothing was loaded anew"
    assert tries(farm, job) == {pos: 2 if pos + 1 in PASSING else 1 for pos in range(FRAMES)}
    animation.check()
    told = [row for row in api.hist(job) if "retry" in row["comment"]]
    assert len(told) == 1 and "admin" in told[0]["comment"] and "5 frames" in told[0]["comment"]
    assert began - 1 <= told[0]["timestamp"] <= datetime.datetime.now(datetime.UTC).timestamp() + 1
    see_the_history(screens[-1], job)
    put_away(farm, screens[0], screen_on(farm, web=len(farm.urls) - 1), job)
    bring_back(farm, job, animation)


def see_them_fail(screens: list[Screen], job: int) -> None:
    for screen in screens:
        screen.wait_for_letters("F" * len(PASSING), RENDERING)
        screen.wait_for_letters("F" * len(PASSING) + "C" * (FRAMES - len(PASSING)), RENDERING)
        screen.wait_for_pill(f"head:{job}", "failed")
        assert [pos + 1 for pos, letter in enumerate(screen.letters()) if letter == "F"] == PASSING


def read_why(screen: Screen, frame: int) -> None:
    """The operator opens a failed frame and reads the renderer's own words."""
    screen.click_frame(frame - 1)
    screen.wait_for_text(".errorline", CAUSE)
    screen.wait_for_text(".loglines .logline.error", CAUSE)
    screen.wait_for_text(".loglines .logline", LOGGED)
    assert screen.page.locator("[data-log-title]").inner_text().endswith(f"frame {frame}")


def retry_failed(screens: list[Screen], job: int) -> None:
    toast = screens[0].press("Retry failed")
    assert "Retry 5 frames in 1 job" in toast.inner_text()
    for screen in screens:
        screen.wait_for_letters("C" * FRAMES, RENDERING)
        screen.wait_for_pill(f"head:{job}", "complete")


def tries(farm: Farm, job: int) -> dict[int, int]:
    """How often each frame was tried, by position."""
    return dict(farm.rows(f"SELECT pos, count(*) FROM attempt WHERE job_id = {job} GROUP BY pos ORDER BY pos"))


def see_the_history(screen: Screen, job: int) -> None:
    screen.open_job(job, "history")
    row = screen.page.locator("#history-rows tr", has_text="5 frames").first
    row.wait_for()
    assert "admin" in row.inner_text()


def put_away(farm: Farm, screen: Screen, listing: Screen, job: int) -> None:
    """Archived as XML and removed on the job's page; the list in the other window drops its row."""
    listing.open("jobs")
    listing.page.locator(f"[data-row='job:{job}']").wait_for()
    screen.open_job(job)
    screen.press("Archive XML")
    screen.wait_for_text("#toasts .toast", "1 of 1 changed")
    screen.press("Remove", why="finished")
    farm.until(lambda: farm.api().jobinfo(id=job) == [], "the job is gone")
    listing.wait(f"() => !document.querySelector(\"[data-row='job:{job}']:not(.gone)\")", "the row is gone")


def bring_back(farm: Farm, job: int, animation: Animation) -> None:
    """The archive is recovered and submitted again: it is the same job, and all of it renders now."""
    archives = list((farm.data / "archive").rglob("*.xml"))
    assert len(archives) == 1
    template = recoverjob(archives[0])
    assert template is not None and len(template["agenda"]) == FRAMES
    for path in animation.pictures().values():
        path.unlink()
    again = farm.api().submit(template)[0]["id"]
    assert again != job
    over = farm.until(lambda: farm.api().over(again), "the job is rendered again", RENDERING)
    assert over["status"] == "complete", ends(farm, again)
    animation.check()


def ends(farm: Farm, job: int) -> list[tuple[object, ...]]:
    """How the attempts of a job ended that did not complete, for the one who reads a failed test."""
    columns = "pos, host_name, ending, exit_code, signal, message, error_line, seconds, max_rss, started, ended"
    return farm.rows(f"SELECT {columns} FROM attempt WHERE job_id = {job} AND ending <> 'complete' ORDER BY id")
