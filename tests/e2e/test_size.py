"""Ten thousand frames with the Job page open: the browser stays quick, the news keeps coming, a retry is soon done."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.processes import EmbeddedFarm
from tests.e2e.screens import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(300)]
Make = Callable[..., EmbeddedFarm]
FRAMES = 10_000
# What a page that hangs, or a live view that starves, would miss by far; how quick both are is measured, not tested.
LONG_TASK = 200.0  # milliseconds
FEW_TASKS = 3  # longer than that between two looks: a loaded machine takes the processor away now and then
LONGEST_TASK = 1000.0
CHANGES = 1.0  # per second, of cells
LONGEST_PAUSE = 5000.0  # milliseconds between two changes
RETRY = 20.0  # seconds
FEW = 50  # frames of a slice, where a run is to last
WATCH = """
window.longTasks = [];
window.changes = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) longTasks.push(task.duration);
}).observe({ type: "longtask", buffered: true });
document.addEventListener("farm:frames", ({ detail }) => { if (detail.length) changes.push(performance.now()); });
"""


def big_job(farm: EmbeddedFarm, cmdline: str = "false") -> int:
    """A held job of that many frames."""
    package = {"range": f"1-{FRAMES}", "cmdline": cmdline}
    job = {"name": "big", "prototype": "cmdrange", "cpus": 2, "status": "blocked", "package": package}
    return int(farm.api().submit(job)[0]["id"])


def check_quickness(screen: Screen) -> int:
    """What the browser measured since the last look is within the limits; how often cells changed."""
    tasks, changes = screen.page.evaluate("() => [longTasks.splice(0), changes.splice(0)]")
    assert len([task for task in tasks if task > LONG_TASK]) <= FEW_TASKS
    assert max(tasks, default=0) < LONGEST_TASK
    pauses = [later - earlier for earlier, later in pairwise(changes)]
    if pauses:
        assert 1000 * len(changes) / sum(pauses) >= CHANGES
        assert max(pauses) < LONGEST_PAUSE
    return len(changes)


def run_row(farm: EmbeddedFarm, columns: str) -> tuple[Any, ...]:
    """Of the newest bulk run."""
    found = farm.rows(f"SELECT {columns} FROM run ORDER BY id DESC LIMIT 1")
    return found[0] if found else ()


def test_ten_thousand_frames_fail_and_are_retried_while_the_page_stays_quick(
    make_farm: Make, screen_on: Callable[..., Screen]
) -> None:
    farm = make_farm()
    farm.start()
    screen = screen_on(farm)
    screen.page.add_init_script(WATCH)
    job = big_job(farm)
    screen.open_job(job)
    check_quickness(screen)
    farm.api().unblock(job)
    screen.wait_for_letters("F" * FRAMES, 200)
    assert check_quickness(screen) > 20
    toast = screen.press("Retry failed")
    assert "Retry 10,000 frames in 1 job" in toast.inner_text()
    farm.until(lambda: run_row(farm, "state") == ("done",), "the retry is done", RETRY)
    assert run_row(farm, "total, changed, unchanged, refused, errors") == (FRAMES, FRAMES, 0, 0, 0)
    seconds = "(julianday(finished) - julianday(created)) * 86400"
    assert run_row(farm, seconds)[0] < RETRY
    screen.wait("() => changes.length >= 16", "cells change while the frames are done again")
    check_quickness(screen)
    farm.api().kill(job)
    screen.wait_for_pill(f"head:{job}", "killed")
    check_quickness(screen)


def test_a_cancelled_run_stops_within_one_slice(make_farm: Make, screen_on: Callable[..., Screen]) -> None:
    farm = make_farm(FARM_SLICE=str(FEW))
    farm.start()
    screen = screen_on(farm)
    job = big_job(farm)
    screen.open_job(job)
    frames = screen.page.get_by_label("Select frames")
    frames.fill(f"1-{FRAMES}")
    frames.press("Enter")
    screen.page.locator(".selbar button", has_text="Block").first.click()
    screen.page.locator("#popover button[name=go]").click()
    screen.page.locator("#toasts .toast a", has_text="Show").click()
    farm.until(lambda: run_row(farm, "done")[0] > 0, "the run has begun")
    with screen.page.expect_response(lambda response: response.url.endswith("/cancel")):
        screen.page.get_by_role("button", name="Stop after batch").click()
    after = run_row(farm, "done")[0]
    farm.until(lambda: run_row(farm, "state") == ("cancelled",), "the run is cancelled")
    done, changed = run_row(farm, "done, changed")
    assert 0 < done <= after + FEW and done < FRAMES
    assert list(farm.api().frames(job).values()).count("blocked") == changed == done
    screen.wait_for_text("main", "cancelled")
